import type { Conversation } from "backscroll-client";
import {
  type ConversationPages,
  type ListFilter,
  mergeConversation,
  withoutConversation,
} from "./conversation-pages.ts";
import { queryClient } from "./query-client.ts";

/** How the key of every list begins; what follows is its filter. */
export const LISTS = ["conversations"] as const;

export function one(id: string | null): readonly ["conversation", string | null] {
  return ["conversation", id];
}

/** @returns what the page knows of a conversation, without asking; undefined when it is nowhere on it */
export function knownConversation(id: string): Conversation | undefined {
  const read = queryClient.getQueryData<Conversation>(one(id));
  if (read) return read;
  for (const [, list] of queryClient.getQueriesData<ConversationPages>({ queryKey: LISTS })) {
    for (const { conversations } of list?.pages ?? []) {
      const found = conversations.find(({ conversation_id }) => conversation_id === id);
      // A list says nothing of the metadata, and nobody who asks here does.
      if (found) return { ...found, metadata: {} };
    }
  }
  return undefined;
}

/** Shows a conversation as it is now, wherever it is shown: in each list where it belongs, and on its own page. */
export function showConversation(conversation: Conversation): void {
  changeLists((list, filter) => mergeConversation(list, filter, conversation));
  queryClient.setQueryData<Conversation>(one(conversation.conversation_id), (before) => before && conversation);
}

/** Takes a conversation out of every list. */
export function hideConversation(id: string): void {
  changeLists((list) => withoutConversation(list, id));
}

/** Forgets what was read of a conversation that is gone. */
export function forgetConversation(id: string): void {
  hideConversation(id);
  queryClient.removeQueries({ queryKey: one(id), type: "inactive" });
}

function changeLists(change: (list: ConversationPages, filter: ListFilter) => ConversationPages): void {
  for (const [key, list] of queryClient.getQueriesData<ConversationPages>({ queryKey: LISTS })) {
    if (!list) continue;
    const changed = change(list, key[LISTS.length] as ListFilter);
    if (changed !== list) queryClient.setQueryData(key, changed);
  }
}

/** Reads again what the trash holds, where that is shown. */
export function refreshTrash(): void {
  void queryClient.invalidateQueries({ queryKey: ["trash"] });
}
