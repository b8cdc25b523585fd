import { useCallback, useSyncExternalStore } from "react";
import type { ThreadMessage } from "./thread-message.ts";
import type { ThreadState, ThreadStore, ThreadTopic } from "./thread-store.ts";

/** The ids of what is shown, oldest first: the same array until that changes. */
export function useThreadIds(thread: ThreadStore): readonly string[] {
  return useSyncExternalStore(useTopic(thread, "ids"), () => thread.ids);
}

export function useThreadState(thread: ThreadStore): ThreadState {
  return useSyncExternalStore(useTopic(thread, "state"), () => thread.state);
}

/** One message: whoever shows it is rendered again when it changes, and nobody else. */
export function useThreadMessage(thread: ThreadStore, id: string): ThreadMessage | null {
  return useSyncExternalStore(useTopic(thread, `message ${id}`), () => thread.message(id));
}

function useTopic(thread: ThreadStore, topic: ThreadTopic): (listener: () => void) => () => void {
  return useCallback((listener: () => void) => thread.subscribe(topic, listener), [thread, topic]);
}
