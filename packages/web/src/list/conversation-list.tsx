import { defaultRangeExtractor, useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import { useRoute } from "wouter";
import { flatten } from "../server/conversation-pages.ts";
import { useConversations } from "../server/conversations.ts";
import { useConnection } from "../server/connection.ts";
import { FailureRow } from "../ui/failure-row.tsx";
import { ConversationRow } from "./conversation-row.tsx";
import { type ListRow, toRows } from "./groups.ts";
import { ListSkeleton } from "./list-skeleton.tsx";
import { useRowActions } from "./use-row-actions.ts";
import { useToday } from "./use-today.ts";

const IS_TOUCHED = matchMedia("(pointer: coarse)").matches;
const ROW_PX = IS_TOUCHED ? 44 : 36;
const HEADING_PX = 36;
/** Rows shown beyond those in sight. */
const OVERSCAN = 12;
/** The next page is asked for when so few rows are left. */
const AHEAD = 40;

/** Where the list was scrolled to: a drawer opens where it was closed. */
let lastOffset = 0;

interface ConversationListProps {
  readonly isDrawer: boolean;
  /** where the focus goes when the last conversation has left */
  readonly onEmptied: () => void;
}

/** All conversations, grouped; only those in sight are in the document. */
export function ConversationList({ isDrawer, onEmptied }: ConversationListProps): ReactNode {
  const query = useConversations();
  const { data, error, isPending, hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage, refetch } =
    query;
  const today = useToday();
  const rows = useMemo(() => toRows(flatten(data), today), [data, today]);
  useRetryOnline(error, () => void (isFetchNextPageError ? fetchNextPage() : refetch()));

  if (isPending && !error) return <ListSkeleton />;
  if (!data) return <FailureRow what="Couldn't load conversations." error={error} onRetry={() => void refetch()} />;
  if (rows.length === 0)
    return <p className="px-3 py-4 text-13 text-ink2">No conversations yet. What you ask is kept here.</p>;
  return (
    <Rows
      rows={rows}
      isDrawer={isDrawer}
      onEmptied={onEmptied}
      isWhole={!hasNextPage}
      onNearEnd={() => {
        // After a failure only "Retry" asks again.
        if (hasNextPage && !isFetchingNextPage && !isFetchNextPageError) void fetchNextPage();
      }}
      end={
        isFetchNextPageError && (
          <FailureRow what="Couldn't load more conversations." error={error} onRetry={() => void fetchNextPage()} />
        )
      }
    />
  );
}

interface RowsProps extends ConversationListProps {
  readonly rows: readonly ListRow[];
  /** no more can be read */
  readonly isWhole: boolean;
  readonly onNearEnd: () => void;
  /** stands after the last one */
  readonly end: ReactNode;
}

function Rows({ rows, isDrawer, onEmptied, isWhole, onNearEnd, end }: RowsProps): ReactNode {
  const scroller = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const [, params] = useRoute("/c/:id");
  const [focusedKey, setFocusedKey] = useState<string | null>(null);
  const { actions, renamedId, onKeyDown } = useRowActions({ rows, list, onEmptied });
  const focused = useMemo(() => rows.findIndex(({ key }) => key === focusedKey), [rows, focusedKey]);
  const getItemKey = useMemo(() => (index: number) => rows[index]?.key ?? index, [rows]);
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => (rows[index]?.kind === "heading" ? HEADING_PX : ROW_PX),
    getItemKey,
    overscan: OVERSCAN,
    initialOffset: lastOffset,
    // What comes in above moves what is being read only where the top is in sight.
    anchorTo: lastOffset < ROW_PX ? "start" : "end",
    // The one with the focus is never taken out: the focus would be lost.
    rangeExtractor: (range) => {
      const shown = defaultRangeExtractor(range);
      return focused === -1 || shown.includes(focused) ? shown : [...shown, focused].toSorted((a, b) => a - b);
    },
  });
  const shown = virtualizer.getVirtualItems();
  const lastShown = virtualizer.range?.endIndex ?? 0;
  useEffect(() => {
    if (lastShown >= rows.length - AHEAD) onNearEnd();
  });
  const total = isWhole ? rows.filter(({ kind }) => kind === "conversation").length : -1;

  return (
    <div
      ref={scroller}
      onScroll={(event) => (lastOffset = event.currentTarget.scrollTop)}
      className="min-h-0 flex-1 overflow-y-auto overscroll-none px-2 pb-2 [overflow-anchor:none] [scrollbar-width:thin]"
    >
      <ul
        ref={list}
        aria-label="Conversations"
        onKeyDown={onKeyDown}
        onBlur={() => setFocusedKey(null)}
        className="relative"
        style={{ height: virtualizer.getTotalSize() }}
      >
        {shown.map(({ key, index, start, size }) => {
          const row = rows[index];
          if (!row) return null;
          const place = {
            style: { height: size, transform: `translateY(${start}px)` },
            className: "absolute inset-x-0 top-0",
          };
          if (row.kind === "heading") {
            return (
              <li key={key} {...place}>
                <h2 className="flex h-full items-end px-3 pb-1 text-12 font-medium text-ink2">{row.label}</h2>
              </li>
            );
          }
          const { conversation, position } = row;
          const id = conversation.conversation_id;
          return (
            <li
              key={key}
              {...place}
              data-conversation={id}
              aria-posinset={position}
              aria-setsize={total}
              onFocus={() => setFocusedKey(row.key)}
            >
              <ConversationRow
                conversation={conversation}
                isCurrent={params?.id === id}
                isRenamed={renamedId === id}
                replace={isDrawer}
                actions={actions}
              />
            </li>
          );
        })}
      </ul>
      {end}
    </div>
  );
}

/** What failed for want of a connection is asked again once there is one. */
function useRetryOnline(error: unknown, retry: () => void): void {
  const connection = useConnection();
  const wasOffline = useRef(false);
  useEffect(() => {
    if (connection === "online" && wasOffline.current && error) retry();
    wasOffline.current = connection === "offline";
  });
}
