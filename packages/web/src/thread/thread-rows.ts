import { useMemo } from "react";
import type { ThreadStore } from "./thread-store.ts";

/** What stands under one another in a thread. A day's row is a row of its own, so that no message changes its height. */
export type ThreadRow =
  | { readonly kind: "day"; readonly key: string; readonly at: string }
  | { readonly kind: "message"; readonly key: string; readonly nth: number };

export interface ThreadRows {
  readonly rows: readonly ThreadRow[];
  /** where each message's row is, by its id */
  readonly places: ReadonlyMap<string, number>;
}

/** @param isBeginning nothing is before the first message: its day is said too */
export function useThreadRows(thread: ThreadStore, ids: readonly string[], isBeginning: boolean): ThreadRows {
  return useMemo(() => {
    const rows: ThreadRow[] = [];
    const places = new Map<string, number>();
    let lastDay = isBeginning ? Number.NEGATIVE_INFINITY : Number.NaN;
    for (const [nth, id] of ids.entries()) {
      const { created_at: at = "" } = thread.message(id) ?? {};
      const day = new Date(at).setHours(0, 0, 0, 0);
      // Message ids have no spaces. A clock that is behind, here, begins no day a second time.
      if (day > lastDay) rows.push({ kind: "day", key: `day ${day}`, at });
      if (!(day <= lastDay)) lastDay = day;
      places.set(id, rows.length);
      rows.push({ kind: "message", key: id, nth });
    }
    return { rows, places };
  }, [thread, ids, isBeginning]);
}
