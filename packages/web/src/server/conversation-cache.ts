import type { Conversation, ConversationChanges } from "backscroll-client";
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

/** What the web app changes of a conversation. */
export type Change = Pick<ConversationChanges, "title" | "pinned" | "archived">;

/** What the service has been asked for and has not answered: what is read meanwhile may be from before. */
const unanswered = new Map<string, Set<Change | "deletion">>();

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

/**
 * Shows a change, or a deletion, until the service has answered, whatever is read meanwhile.
 *
 * @param ask asks the service
 */
export async function showMeanwhile<Answer>(
  id: string,
  change: Change | "deletion",
  ask: () => Promise<Answer>,
): Promise<Answer> {
  const changes = unanswered.get(id) ?? new Set();
  unanswered.set(id, changes.add(change));
  showUnanswered(id);
  try {
    return await ask();
  } finally {
    changes.delete(change);
    if (changes.size === 0) unanswered.delete(id);
  }
}

/** Lists that are read again show what is not answered, too. @returns stops doing so */
export function keepUnansweredShown(): () => void {
  return queryClient.getQueryCache().subscribe((event) => {
    const isRead = event.type === "updated" && event.action.type === "success" && event.action.manual !== true;
    if (isRead && event.query.queryKey[0] === LISTS[0]) for (const id of unanswered.keys()) showUnanswered(id);
  });
}

function showUnanswered(id: string): void {
  const known = knownConversation(id);
  if (known) showConversation(known);
}

/** Shows a conversation as it is now, wherever it is shown: in each list where it belongs, and on its own page. */
export function showConversation(conversation: Conversation): void {
  const changes = [...(unanswered.get(conversation.conversation_id) ?? [])];
  if (changes.includes("deletion")) return hideConversation(conversation.conversation_id);
  const shown: Conversation = Object.assign({ ...conversation }, ...changes);
  changeLists((list, filter) => mergeConversation(list, filter, shown));
  queryClient.setQueryData<Conversation>(one(shown.conversation_id), (before) => before && shown);
}

/** Takes a conversation out of every list. */
function hideConversation(id: string): void {
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
