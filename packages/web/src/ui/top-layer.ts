import { useSyncExternalStore } from "react";

/** What is modal, the last one on top of the others. */
let modals: readonly HTMLElement[] = [];
const listeners = new Set<() => void>();

/** Tells that an element is modal: what is outside of it cannot be reached. @returns tells that it is not any more */
export function enterTopLayer(modal: HTMLElement): () => void {
  change([...modals, modal]);
  return () => change(modals.filter((one) => one !== modal));
}

/** @returns where something must stand that is always within reach: in what is modal now, or the page */
export function useTopLayer(): HTMLElement {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => modals.at(-1) ?? document.body,
  );
}

function change(next: readonly HTMLElement[]): void {
  modals = next;
  for (const listener of listeners) listener();
}
