import { useSyncExternalStore } from "react";

const listeners = new Set<() => void>();
/** Of this page: a browser may keep nothing. */
const chosen = new Map<string, boolean>();

/** Something to have or not, as its user chose in this browser; it says nothing of who that is. */
export interface Choice {
  readonly key: string;
  readonly byDefault: boolean;
}

export const FOLLOW_REPLIES: Choice = { key: "backscroll.follow-replies", byDefault: true };
export const SIDEBAR: Choice = { key: "backscroll.sidebar", byDefault: true };

export function isChosen({ key, byDefault }: Choice): boolean {
  const known = chosen.get(key);
  if (known !== undefined) return known;
  const kept = localStorage.getItem(key);
  return kept === null ? byDefault : kept === "on";
}

export function choose({ key }: Choice, isOn: boolean): void {
  chosen.set(key, isOn);
  try {
    localStorage.setItem(key, isOn ? "on" : "off");
  } catch {
    // A browser that keeps nothing has it until the page goes.
  }
  for (const listener of listeners) listener();
}

export function useChoice(choice: Choice): boolean {
  return useSyncExternalStore(subscribe, () => isChosen(choice));
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
