import type { Change } from "backscroll-client";
import { useSyncExternalStore } from "react";

/** The conversations of which it was heard that a reply is being written. */
const replying = new Set<string>();
const listeners = new Set<() => void>();

/** Whether a reply is being written there. One that began before the page was opened is not known of. */
export function useIsReplying(conversationId: string): boolean {
  return useSyncExternalStore(subscribe, () => replying.has(conversationId));
}

export function noteReply(change: Change): void {
  if (change.type === "resync") replying.clear();
  else if (change.type === "reply_started") replying.add(change.conversation_id);
  else if (change.type === "reply_ended" || change.type === "conversation_deleted")
    replying.delete(change.conversation_id);
  else return;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
