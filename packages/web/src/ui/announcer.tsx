import { type ReactNode, useSyncExternalStore } from "react";
import { createPortal } from "react-dom";
import { useTopLayer } from "./top-layer.ts";

let said = "";
const listeners = new Set<() => void>();

/** Says something to who does not see the page. The same twice in a row is said twice. */
export function announce(text: string): void {
  said = said === text ? `${text}\u00A0` : text;
  for (const listener of listeners) listener();
}

/** The page's one live region; it stands in the page before anything is said. */
export function Announcer(): ReactNode {
  const text = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => said,
  );
  // Beside something modal it would not be heard.
  const layer = useTopLayer();
  return createPortal(
    <div role="status" className="sr-only">
      {text}
    </div>,
    layer,
  );
}
