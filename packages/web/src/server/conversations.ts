import {
  type InfiniteData,
  useInfiniteQuery,
  type UseInfiniteQueryResult,
  useQuery,
  type UseQueryResult,
} from "@tanstack/react-query";
import type { Conversation, ConversationsSlice } from "backscroll-client";
import { client } from "./client.ts";
import { onChange } from "./change-feed.ts";
import { queryClient } from "./query-client.ts";

export interface ListFilter {
  readonly archived?: boolean;
  /** part of the title */
  readonly q?: string;
}

type Pages = InfiniteData<ConversationsSlice, string | null>;

const PAGE = 100;
const LISTS = ["conversations"] as const;

/** The conversations, pinned ones first, then by newest activity: as many pages as were asked for. */
export function useConversations(filter: ListFilter = {}): UseInfiniteQueryResult<Pages> {
  return useInfiniteQuery({
    queryKey: [...LISTS, filter],
    queryFn: ({ pageParam, signal }) =>
      client.listConversationsFrom(
        { ...filter, limit: PAGE, ...(pageParam !== null && { cursor: pageParam }) },
        { signal },
      ),
    initialPageParam: null as string | null,
    getNextPageParam: ({ pagination }) => pagination.next_cursor,
  });
}

export function useConversation(id: string | null): UseQueryResult<Conversation> {
  return useQuery({
    queryKey: ["conversation", id],
    queryFn: ({ signal }) => client.getConversation(id as string, { signal }),
    enabled: id !== null,
  });
}

const SOON_MS = 250;
let timer: ReturnType<typeof setTimeout> | undefined;
const stale = new Set<string>();

/** Reads again what changed elsewhere, or here, and is shown. @returns stops doing so */
export function keepConversationsFresh(): () => void {
  return onChange((change) => {
    if (change.type === "ready") return;
    if (change.type === "resync")
      void queryClient.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== "me" });
    else refreshSoon(change.conversation_id);
  });
}

function refreshSoon(conversationId: string): void {
  stale.add(conversationId);
  timer ??= setTimeout(() => {
    timer = undefined;
    for (const id of stale) void queryClient.invalidateQueries({ queryKey: ["conversation", id] });
    stale.clear();
    void queryClient.invalidateQueries({ queryKey: LISTS });
    void queryClient.invalidateQueries({ queryKey: ["trash"] });
  }, SOON_MS);
}
