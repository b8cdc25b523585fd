import { BackscrollApiError, type Change } from "backscroll-client";
import { onChange } from "./change-feed.ts";
import { client } from "./client.ts";
import {
  forgetConversation,
  keepUnansweredShown,
  LISTS,
  refreshTrash,
  showConversation,
} from "./conversation-cache.ts";
import { queryClient } from "./query-client.ts";
import { noteReply } from "./replying.ts";

/** Changes come in bursts: a turn alone makes five. */
const SOON_MS = 100;
const AGAIN_MS = 5_000;
/** More at once are an import or the like: then the lists are read again. */
const EACH_MAX = 10;

/** Conversations that changed and were not read again yet. */
const stale = new Set<string>();
const deletedListeners = new Set<(conversationId: string) => void>();
let timer: ReturnType<typeof setTimeout> | undefined;

/**
 * Reads again each conversation that changed, elsewhere or here, and shows it where it now belongs: not the lists, of
 * which thousands may be loaded.
 *
 * @returns stops doing so
 */
export function keepConversationsFresh(): () => void {
  const stopShowing = keepUnansweredShown();
  const stopListening = onChange((change) => {
    noteReply(change);
    if (change.type === "resync" || change.type === "ready")
      void queryClient.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== "me" });
    else if (change.type === "conversation_deleted") forget(change.conversation_id);
    else if (isOfSummary(change)) refreshSoon(change.conversation_id);
    if (change.type === "conversation_restored") refreshTrash();
  });
  return () => {
    stopShowing();
    stopListening();
  };
}

/** Hears of every conversation that was deleted, here or elsewhere. @returns stops listening */
export function onDeleted(listener: (conversationId: string) => void): () => void {
  deletedListeners.add(listener);
  return () => deletedListeners.delete(listener);
}

/** Whether a list shows something of it. */
function isOfSummary(change: Change): change is Extract<Change, { conversation_id: string }> {
  return change.type !== "ready" && change.type !== "resync" && change.type !== "reply_started";
}

function forget(id: string): void {
  stale.delete(id);
  forgetConversation(id);
  refreshTrash();
  for (const listener of deletedListeners) listener(id);
}

function refreshSoon(id: string, afterMs = SOON_MS): void {
  stale.add(id);
  timer ??= setTimeout(() => void refresh(), afterMs);
}

/** One at a time: an answer from before must not come after a newer one. */
async function refresh(): Promise<void> {
  const ids = [...stale];
  stale.clear();
  if (ids.length > EACH_MAX) await queryClient.invalidateQueries({ predicate: ({ queryKey }) => isOne(queryKey, ids) });
  else await Promise.all(ids.map(readAgain));
  timer = stale.size === 0 ? undefined : setTimeout(() => void refresh(), SOON_MS);
}

function isOne([kind, id]: readonly unknown[], ids: readonly string[]): boolean {
  return kind === LISTS[0] || (kind === "conversation" && ids.includes(id as string));
}

async function readAgain(id: string): Promise<void> {
  try {
    const conversation = await client.getConversation(id);
    showConversation(conversation);
  } catch (error) {
    if (error instanceof BackscrollApiError && error.code === "conversation_not_found") forget(id);
    else setTimeout(() => refreshSoon(id), AGAIN_MS);
  }
}
