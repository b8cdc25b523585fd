import type { VirtualItem } from "@tanstack/react-virtual";
import type { ThreadStore } from "./thread-store.ts";

/** Where a reader was who left, and what was measured there: coming back is to the same place, at once. */
interface Left {
  readonly offsetPx: number;
  readonly measured: VirtualItem[];
}

const left = new WeakMap<ThreadStore, Left>();

/** @param place null: at the end, where coming back is to what is newest then */
export function leaveAt(thread: ThreadStore, place: Left | null): void {
  if (place === null) left.delete(thread);
  else left.set(thread, place);
}

/** @returns null when the end is the place to begin at */
export function placeLeft(thread: ThreadStore): Left | null {
  return left.get(thread) ?? null;
}
