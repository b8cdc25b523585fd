import {
  keepPreviousData,
  useInfiniteQuery,
  type UseInfiniteQueryResult,
  useQuery,
  type UseQueryResult,
} from "@tanstack/react-query";
import type { Conversation } from "backscroll-client";
import { client } from "./client.ts";
import { knownConversation, LISTS, one } from "./conversation-cache.ts";
import type { ConversationPages, ListFilter } from "./conversation-pages.ts";

const PAGE = 100;

/** The conversations, pinned ones first, then by newest activity: as many pages as were asked for. */
export function useConversations(
  filter: ListFilter = {},
  { enabled = true }: { readonly enabled?: boolean } = {},
): UseInfiniteQueryResult<ConversationPages> {
  return useInfiniteQuery({
    queryKey: [...LISTS, filter],
    queryFn: ({ pageParam, signal }) =>
      client.listConversationsFrom(
        { ...filter, limit: PAGE, ...(pageParam !== null && { cursor: pageParam }) },
        { signal },
      ),
    initialPageParam: null as string | null,
    getNextPageParam: ({ pagination }) => pagination.next_cursor,
    // What was found before stays until there is something else.
    placeholderData: keepPreviousData,
    // Comparing thousands of conversations with themselves after each change would take longer than showing them.
    structuralSharing: false,
    enabled,
  });
}

/** One conversation; what its list says of it, until it is read. */
export function useConversation(id: string | null): UseQueryResult<Conversation> {
  return useQuery({
    queryKey: one(id),
    queryFn: ({ signal }) => client.getConversation(id as string, { signal }),
    placeholderData: () => (id === null ? undefined : knownConversation(id)),
    enabled: id !== null,
  });
}
