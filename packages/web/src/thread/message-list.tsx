import { ArrowDown } from "lucide-react";
import { type ReactNode, type Ref, useLayoutEffect, useRef, useState } from "react";
import { Button } from "../ui/button.tsx";
import { toastError } from "../ui/toasts.tsx";
import { MessageRow } from "./message-row.tsx";
import { NewerEnd, OlderEnd } from "./thread-ends.tsx";
import type { ThreadStore } from "./thread-store.ts";
import { dayOf } from "./times.ts";
import { ReplyFailure } from "./unsent-actions.tsx";
import { useThreadIds, useThreadState } from "./use-thread.ts";
import { useThreadKeys } from "./use-thread-keys.ts";
import { type ThreadRows, useThreadRows } from "./thread-rows.ts";
import { useRowFocus } from "./use-row-focus.ts";
import { useThreadScroll } from "./use-thread-scroll.ts";

/** A message to go to. A new object asks for it again. */
export interface Target {
  readonly id: string;
}

interface MessageListProps {
  readonly thread: ThreadStore;
  /** how many messages the whole conversation has; undefined: not known */
  readonly count: number | undefined;
  /** a message that was asked for: it is shown, marked, and focused */
  readonly target: Target | null;
  readonly onJumpToLatest: () => void;
}

/** A conversation's messages, of which those are in the page that are seen, and some around them. */
export function MessageList({ thread, count, target, onJumpToLatest }: MessageListProps): ReactNode {
  const ids = useThreadIds(thread);
  const { older, newer } = useThreadState(thread);
  const list = useThreadRows(thread, ids, older.state === "end");
  const [keptId, keep] = useState<string | null>(null);
  const { scroller, foot, virtualizer, isAway, showEnd } = useThreadScroll(thread, list, keptId);
  const { focusMessage, onFocus, onBlur } = useRowFocus({ scroller, virtualizer, list, keptId, keep });
  useTarget(target, list, focusMessage);
  useThreadKeys(thread, list, focusMessage);
  const jumpToLatest = async (): Promise<void> => {
    onJumpToLatest();
    const opened = await thread.openNewest();
    if (opened === "failed") toastError("Couldn't load the newest messages.");
    else showEnd();
  };
  const unstored = ids.reduce((sum, id) => (thread.message(id)?.stored ? sum : sum + 1), 0);
  const setSize = count === undefined ? -1 : Math.max(count + unstored, ids.length);
  const positionOf = (nth: number): number => {
    if (older.state === "end") return nth + 1;
    if (newer.state === "end" && setSize !== -1) return setSize - ids.length + nth + 1;
    return thread.message(ids[nth] ?? "")?.stored?.seq ?? nth + 1;
  };
  return (
    <div className="relative grid min-h-0 flex-1 grid-cols-[minmax(0,1fr)]">
      <div
        ref={scroller}
        role="log"
        aria-live="off"
        aria-label="Messages"
        tabIndex={0}
        onFocus={onFocus}
        onBlur={onBlur}
        className="min-h-0 overflow-y-auto overscroll-none outline-offset-[-2px] [overflow-anchor:none]"
      >
        <div ref={virtualizer.containerRef} className="relative">
          <OlderEnd thread={thread} />
          {virtualizer.getVirtualItems().map(({ index, key }) => {
            const row = list.rows[index];
            if (row?.kind === "day") {
              return <DaySeparator key={key} ref={virtualizer.measureElement} index={index} at={row.at} />;
            }
            return row ? (
              <MessageRow
                key={key}
                ref={virtualizer.measureElement}
                thread={thread}
                id={row.key}
                index={index}
                position={positionOf(row.nth)}
                setSize={setSize}
                isMarked={row.key === target?.id}
              />
            ) : null;
          })}
        </div>
        <div ref={foot} className="mx-auto max-w-192 text-center">
          <NewerEnd thread={thread} />
          <ReplyFailure thread={thread} />
        </div>
        {isAway && (
          // In the scroller: a wheel that turns over it turns that.
          <div className="sticky bottom-3 z-10 flex h-0 items-end justify-center">
            <Button className="shadow-lg" onClick={() => void jumpToLatest()}>
              <ArrowDown size={16} aria-hidden /> Jump to latest
            </Button>
          </div>
        )}
      </div>
    </div>
  );
}

/** Goes to the message that was asked for, once it is there. */
function useTarget(
  target: Target | null,
  { places }: ThreadRows,
  focusMessage: (id: string, align: "center") => void,
): void {
  const shown = useRef<Target | null>(null);
  useLayoutEffect(() => {
    if (target === null || shown.current === target || !places.has(target.id)) return;
    shown.current = target;
    focusMessage(target.id, "center");
  }, [target, places, focusMessage]);
}

interface DaySeparatorProps {
  readonly index: number;
  readonly at: string;
  readonly ref: Ref<HTMLDivElement>;
}

function DaySeparator({ index, at, ref }: DaySeparatorProps): ReactNode {
  return (
    <div ref={ref} data-index={index} className="absolute inset-x-0">
      <p className="mx-auto flex max-w-192 items-center gap-3 px-4 py-3 text-12 text-ink2">
        <span className="h-px flex-1 bg-line" />
        <time dateTime={at.slice(0, 10)}>{dayOf(at)}</time>
        <span className="h-px flex-1 bg-line" />
      </p>
    </div>
  );
}
