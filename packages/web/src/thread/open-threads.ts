import { onChange } from "../server/change-feed.ts";
import { client } from "../server/client.ts";
import { ThreadStore } from "./thread-store.ts";

/** Going back to one of these is instant, and works without a network. */
const KEPT = 8;
/** The one looked at last comes last. */
const threads = new Map<string, ThreadStore>();
let isFollowing = false;

/** @returns a conversation's thread, the same one while somebody looks at it, and for a while after */
export function threadOf(conversationId: string): ThreadStore {
  follow();
  const thread = threads.get(conversationId) ?? new ThreadStore(client, conversationId);
  threads.delete(conversationId);
  threads.set(conversationId, thread);
  forgetOld(thread);
  return thread;
}

function forgetOld(current: ThreadStore): void {
  for (const [id, thread] of threads) {
    if (threads.size <= KEPT) return;
    if (thread.isIdle && thread !== current) threads.delete(id);
  }
}

/** Those that nobody looks at follow too: they are as they should be when somebody comes back. */
function follow(): void {
  if (isFollowing) return;
  isFollowing = true;
  onChange((change) => {
    if (change.type === "ready" || change.type === "resync")
      for (const thread of threads.values()) thread.onChange(change);
    else threads.get(change.conversation_id)?.onChange(change);
  });
}
