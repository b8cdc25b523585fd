import { defaultRangeExtractor, type Range, type ReactVirtualizer, useVirtualizer } from "@tanstack/react-virtual";
import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { FOLLOW_REPLIES, useChoice } from "../ui/choice.ts";
import { HEAD_PX } from "./thread-ends.tsx";
import { leaveAt, placeLeft } from "./thread-place.ts";
import type { ThreadRow, ThreadRows } from "./thread-rows.ts";
import type { ReadingPlace, ThreadStore } from "./thread-store.ts";
import { useThreadState } from "./use-thread.ts";

type ThreadVirtualizer = ReactVirtualizer<HTMLDivElement, HTMLElement>;

interface ThreadScroll {
  readonly scroller: RefObject<HTMLDivElement | null>;
  /** what stands below the rows */
  readonly foot: RefObject<HTMLDivElement | null>;
  readonly virtualizer: ThreadVirtualizer;
  /** the newest message is out of sight */
  readonly isAway: boolean;
  /** Goes to the newest message that is held. */
  readonly showEnd: () => void;
}

/** Nearer to the end than this, the thread stays there when something comes. */
const PINNED_PX = 24;
/** Not even at the end. */
const NEVER_PX = Number.NEGATIVE_INFINITY;
const AWAY_PX = 200;
/** Further messages are read when fewer pixels than this are left of those that are held. */
const AHEAD_PX = 3_000;
const DAY_PX = 43;

/**
 * Scrolling: stays at the end while the reader is there, moves nothing when older messages come, reads on in time.
 *
 * @param keptId a message whose row stays in the page wherever that is scrolled to
 */
export function useThreadScroll(thread: ThreadStore, list: ThreadRows, keptId: string | null): ThreadScroll {
  const { rows, places } = list;
  const scroller = useRef<HTMLDivElement>(null);
  const foot = useRef<HTMLDivElement>(null);
  const [isAway, setAway] = useState(false);
  const follows = useChoice(FOLLOW_REPLIES);
  const keptIndex = keptId === null ? undefined : places.get(keptId);
  const widthPx = useRef(WIDTH_PX_MAX);
  const estimateSize = (index: number): number => estimatePx(thread, rows[index], widthPx.current);
  const look = useRef(() => undefined as void);
  const virtualizer = useVirtualizer<HTMLDivElement, HTMLElement>({
    count: rows.length,
    getScrollElement: () => scroller.current,
    getItemKey: useCallback((index: number) => rows[index]?.key ?? index, [rows]),
    estimateSize,
    rangeExtractor: useCallback((range: Range) => withKept(range, keptIndex), [keptIndex]),
    anchorTo: "end",
    followOnAppend: useFollowing(thread) && follows,
    scrollEndThreshold: follows ? PINNED_PX : NEVER_PX,
    overscan: 5,
    paddingStart: HEAD_PX,
    directDomUpdates: true,
    directDomUpdatesMode: "position",
    // Where the first rows are rendered; the first layout effect says where they are exactly.
    initialOffset: () => placeLeft(thread)?.offsetPx ?? rows.reduce((sum, _, index) => sum + estimateSize(index), 0),
    initialMeasurementsCache: placeLeft(thread)?.measured ?? [],
    onChange: () => look.current(),
  });
  useLookingAround(thread, { scroller, look, setAway });
  const showEnd = useCallback(() => {
    thread.readingPlace = null;
    virtualizer.scrollToEnd();
  }, [thread, virtualizer]);
  usePlace(thread, { scroller, virtualizer, showEnd, rows });
  useStaysAtEnd(thread, [scroller, foot], { showEnd, follows });
  useLayoutEffect(() => {
    // Not asked for each row: that would be a layout of the page each time.
    const observer = new ResizeObserver(([entry]) => {
      widthPx.current = entry?.contentRect.width ?? WIDTH_PX_MAX;
    });
    widthPx.current = scroller.current?.clientWidth ?? WIDTH_PX_MAX;
    if (scroller.current) observer.observe(scroller.current);
    return () => observer.disconnect();
  }, []);
  useOwnMessage(thread, rows, showEnd);
  return { scroller, foot, virtualizer, isAway, showEnd };
}

/** Whether what comes last has come there now, rather than been read on the way from further up. */
function useFollowing(thread: ThreadStore): boolean {
  const { isDetached, newer } = useThreadState(thread);
  const isAtEnd = !isDetached && newer.state === "end";
  const wasAtEnd = useRef(isAtEnd);
  useLayoutEffect(() => {
    wasAtEnd.current = isAtEnd;
  }, [isAtEnd]);
  return isAtEnd && wasAtEnd.current;
}

interface LookingAround {
  readonly scroller: RefObject<HTMLDivElement | null>;
  readonly look: RefObject<() => void>;
  readonly setAway: (isAway: boolean) => void;
}

/** Once a frame at most, whenever something moved: reads on before an end is reached. */
function useLookingAround(thread: ThreadStore, { scroller, look, setAway }: LookingAround): void {
  const state = useThreadState(thread);
  useEffect(() => {
    let frame: number | null = null;
    const lookAround = (): void => {
      frame = null;
      const element = scroller.current;
      if (!element || element.clientHeight === 0) return;
      const fromEnd = distanceFromEnd(element);
      setAway(fromEnd > AWAY_PX || thread.state.isDetached);
      if (element.scrollTop < AHEAD_PX) void thread.loadOlder();
      if (fromEnd < AHEAD_PX) void thread.loadNewer();
    };
    look.current = () => {
      frame ??= requestAnimationFrame(lookAround);
    };
    // At once: whoever scrolls fast does not wait a frame more for each page.
    lookAround();
    return () => {
      if (frame !== null) cancelAnimationFrame(frame);
      look.current = () => undefined;
    };
  }, [thread, scroller, look, setAway, state]);
}

interface Placing {
  readonly scroller: RefObject<HTMLDivElement | null>;
  readonly virtualizer: ThreadVirtualizer;
  readonly showEnd: () => void;
  readonly rows: readonly ThreadRow[];
}

/** Begins at the end, or where the reader left; notes where the reader is. */
function usePlace(thread: ThreadStore, { scroller, virtualizer, showEnd, rows }: Placing): void {
  useLayoutEffect(() => {
    if (placeLeft(thread) === null) showEnd();
  }, [thread, showEnd]);
  const latestRows = useRef(rows);
  latestRows.current = rows;
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    let offsetPx = element.scrollTop;
    const onScroll = (): void => {
      offsetPx = element.scrollTop;
      const isAtEnd = distanceFromEnd(element) <= PINNED_PX && !thread.state.isDetached;
      thread.readingPlace = isAtEnd ? null : placeAt(offsetPx, virtualizer, latestRows.current);
    };
    element.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      element.removeEventListener("scroll", onScroll);
      leaveAt(thread, thread.readingPlace && { offsetPx, measured: virtualizer.takeSnapshot() });
    };
  }, [thread, scroller, virtualizer]);
}

function placeAt(offsetPx: number, virtualizer: ThreadVirtualizer, rows: readonly ThreadRow[]): ReadingPlace | null {
  const item = virtualizer.getVirtualItemForOffset(offsetPx);
  const row = item && (rows.slice(item.index, item.index + 2).find(({ kind }) => kind === "message") ?? null);
  return row ? { id: row.key, offsetPx: item.start - offsetPx } : null;
}

/** What is around the rows changes its height too: the composer, the keyboard of a phone, what stands below. */
function useStaysAtEnd(
  thread: ThreadStore,
  parts: readonly RefObject<HTMLElement | null>[],
  { showEnd, follows }: { readonly showEnd: () => void; readonly follows: boolean },
): void {
  useEffect(() => {
    const observer = new ResizeObserver(() => {
      if (thread.readingPlace === null && follows) showEnd();
    });
    for (const { current } of parts) if (current) observer.observe(current);
    return () => observer.disconnect();
    // oxlint-disable-next-line exhaustive-deps -- the parts are the same for good
  }, [thread, showEnd, follows]);
}

/** Whoever sends something sees it, wherever they were. */
function useOwnMessage(thread: ThreadStore, rows: readonly ThreadRow[], showEnd: () => void): void {
  const lastKey = rows.at(-1)?.key;
  const seen = useRef(lastKey);
  useLayoutEffect(() => {
    if (seen.current === lastKey) return;
    seen.current = lastKey;
    if (thread.message(lastKey ?? "")?.state === "sending") showEnd();
  }, [thread, lastKey, showEnd]);
}

function distanceFromEnd({ scrollHeight, clientHeight, scrollTop }: HTMLElement): number {
  return scrollHeight - clientHeight - scrollTop;
}

function withKept(range: Range, kept: number | undefined): number[] {
  const indexes = defaultRangeExtractor(range);
  if (kept === undefined || indexes.includes(kept)) return indexes;
  return [...indexes, kept].toSorted((a, b) => a - b);
}

/** of the column */
const WIDTH_PX_MAX = 768;
const CHAR_PX = 7.4;
const LINE_PX = 24;
/** padding, and what stands below the text */
const AROUND_PX = 60;

/** How high a row is about, until it is measured: the better, the less the scroll bar moves. */
function estimatePx(thread: ThreadStore, row: ThreadRow | undefined, widthPx: number): number {
  if (row?.kind !== "message") return DAY_PX;
  const { content = "", role = "user" } = thread.message(row.key) ?? {};
  const textPx = Math.min(widthPx, WIDTH_PX_MAX) * (role === "user" ? 0.78 : 1) - 40;
  return AROUND_PX + LINE_PX * Math.max(1, Math.ceil((content.length * CHAR_PX) / textPx));
}
