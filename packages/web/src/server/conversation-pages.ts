import type { InfiniteData } from "@tanstack/react-query";
import type { ConversationsSlice, ConversationSummary } from "backscroll-client";

export interface ListFilter {
  readonly archived?: boolean;
  /** part of the title */
  readonly q?: string;
}

/**
 * As much of a list as was read. Everything that sorts before the last page's end is in it, each in some page; which one
 * does not matter: the next page begins at a place in the order, not at a number.
 */
export type ConversationPages = InfiniteData<ConversationsSlice, string | null>;

/** @returns the list with this conversation as it is now: where it belongs, or not in it at all */
export function mergeConversation(
  list: ConversationPages,
  filter: ListFilter,
  conversation: ConversationSummary,
): ConversationPages {
  const others = withoutConversation(list, conversation.conversation_id);
  if (!belongs(conversation, filter)) return others;
  const last = others.pages.length - 1;
  const found = others.pages.findIndex(({ conversations }) =>
    conversations.some((other) => isBefore(conversation, other)),
  );
  if (found === -1 && others.pages[last]?.pagination.next_cursor !== null) return others;
  const at = found === -1 ? last : found;
  return {
    ...others,
    pages: others.pages.map((page, index) => (index === at ? withConversation(page, conversation) : page)),
  };
}

/** @returns the list without this conversation; the same one when it is not in it */
export function withoutConversation(list: ConversationPages, id: string): ConversationPages {
  if (!list.pages.some(({ conversations }) => conversations.some((one) => one.conversation_id === id))) return list;
  const pages = list.pages.map((page) => {
    const conversations = page.conversations.filter((one) => one.conversation_id !== id);
    return conversations.length === page.conversations.length ? page : { ...page, conversations };
  });
  return { ...list, pages };
}

/** @returns each conversation once: one that moved while a page was read may be in two */
export function flatten(list: ConversationPages | undefined): readonly ConversationSummary[] {
  const byId = new Map<string, ConversationSummary>();
  for (const { conversations } of list?.pages ?? []) {
    for (const one of conversations) if (!byId.has(one.conversation_id)) byId.set(one.conversation_id, one);
  }
  return [...byId.values()];
}

function withConversation(page: ConversationsSlice, conversation: ConversationSummary): ConversationsSlice {
  const found = page.conversations.findIndex((other) => isBefore(conversation, other));
  const at = found === -1 ? page.conversations.length : found;
  return { ...page, conversations: page.conversations.toSpliced(at, 0, conversation) };
}

function belongs({ archived, title }: ConversationSummary, filter: ListFilter): boolean {
  return archived === (filter.archived ?? false) && title.toLowerCase().includes((filter.q ?? "").toLowerCase());
}

/** The order of the service's list: pinned ones first, then by newest activity. */
function isBefore(one: ConversationSummary, other: ConversationSummary): boolean {
  if (one.pinned !== other.pinned) return one.pinned;
  if (one.updated_at !== other.updated_at) return one.updated_at > other.updated_at;
  return one.conversation_id > other.conversation_id;
}
