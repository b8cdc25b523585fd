import { useEffect } from "react";

/** Brings the section that the address names into view, now and whenever another one is named. */
export function useHash(): void {
  useEffect(() => {
    const show = (): void => {
      const id = location.hash.slice(1);
      if (id !== "") document.getElementById(id)?.scrollIntoView();
    };
    show();
    globalThis.addEventListener("hashchange", show);
    return () => globalThis.removeEventListener("hashchange", show);
  }, []);
}
