import { useSyncExternalStore } from "react";

const NARROW = matchMedia("(max-width: 767px)");

/** Whether there is no room for the sidebar beside the page. */
export function useNarrow(): boolean {
  return useSyncExternalStore(
    (listener) => {
      NARROW.addEventListener("change", listener);
      return () => NARROW.removeEventListener("change", listener);
    },
    () => NARROW.matches,
  );
}
