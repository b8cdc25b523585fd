import type { Virtualizer } from "@tanstack/react-virtual";
import { type FocusEvent, type RefObject, useCallback, useLayoutEffect, useRef } from "react";
import type { ThreadRows } from "./thread-rows.ts";
import { focusedMessageId } from "./use-thread-keys.ts";

interface Focusing {
  readonly scroller: RefObject<HTMLDivElement | null>;
  readonly virtualizer: Virtualizer<HTMLDivElement, HTMLElement>;
  readonly list: ThreadRows;
  /** the message whose row stays in the page wherever that is scrolled to: the focus is in it, or about to be */
  readonly keptId: string | null;
  readonly keep: (id: string | null) => void;
}

interface RowFocus {
  /** Scrolls a message into sight and focuses it. */
  readonly focusMessage: (id: string, align?: "auto" | "center") => void;
  readonly onFocus: (event: FocusEvent) => void;
  readonly onBlur: (event: FocusEvent) => void;
}

/** The focus in a list of which a part is in the page: it is never lost, and goes to messages that are not there yet. */
export function useRowFocus({ scroller, virtualizer, list, keptId, keep }: Focusing): RowFocus {
  const wanted = useRef<string | null>(null);
  const { places } = list;
  const focusMessage = useCallback(
    (id: string, align: "auto" | "center" = "auto") => {
      const index = places.get(id);
      if (index === undefined) return;
      wanted.current = id;
      keep(id);
      const sizePx = virtualizer.measurementsCache[index]?.size ?? 0;
      // Of one that is higher than what is seen, the beginning.
      const isHigh = sizePx > (scroller.current?.clientHeight ?? 0);
      virtualizer.scrollToIndex(index, { align: isHigh ? "start" : align });
      focusIfThere(scroller.current, wanted);
    },
    [places, keep, virtualizer, scroller],
  );
  // Once it is rendered.
  useLayoutEffect(() => focusIfThere(scroller.current, wanted));
  useKeptFocus({ scroller, list, keptId, keep });
  const onFocus = useCallback(() => keep(focusedMessageId()), [keep]);
  const onBlur = useCallback(
    ({ relatedTarget }: FocusEvent) => {
      const isInside = relatedTarget !== null && scroller.current?.contains(relatedTarget) === true;
      // Whoever goes to another window finds the focus where it was.
      if (!isInside && document.hasFocus()) keep(null);
    },
    [keep, scroller],
  );
  return { focusMessage, onFocus, onBlur };
}

/** When the message in focus goes, its neighbour has it. */
function useKeptFocus({ scroller, list, keptId, keep }: Omit<Focusing, "virtualizer">): void {
  const keptAt = useRef(0);
  useLayoutEffect(() => {
    if (keptId === null) return;
    const place = list.places.get(keptId);
    if (place !== undefined) {
      keptAt.current = place;
      return;
    }
    keep(null);
    if (document.activeElement !== document.body) return;
    const next = list.rows.slice(0, keptAt.current + 1).findLast(({ kind }) => kind === "message");
    (rowOf(scroller.current, next?.key ?? "") ?? scroller.current)?.focus({ preventScroll: true });
  }, [list, keptId, keep, scroller]);
}

function focusIfThere(scroller: HTMLElement | null, wanted: RefObject<string | null>): void {
  if (wanted.current === null) return;
  const row = rowOf(scroller, wanted.current);
  if (!row) return;
  wanted.current = null;
  row.focus({ preventScroll: true });
}

function rowOf(scroller: HTMLElement | null, id: string): HTMLElement | null {
  return scroller?.querySelector<HTMLElement>(`[data-message-id="${CSS.escape(id)}"]`) ?? null;
}
