import { useSyncExternalStore } from "react";
import type { ThreadStore } from "./thread-store.ts";

/** The message whose text is being edited in this page: one at most. */
let editedId: string | null = null;
const listeners = new Set<() => void>();

export function useIsEditing(messageId: string): boolean {
  return useSyncExternalStore(subscribe, () => editedId === messageId);
}

/** @param messageId null: nothing is edited any more */
export function edit(messageId: string | null): void {
  editedId = messageId;
  for (const listener of listeners) listener();
}

/** @returns whether there is one */
export function editLastQuestion(thread: ThreadStore): boolean {
  const id = thread.ids.findLast((id) => {
    const message = thread.message(id);
    return message?.role === "user" && message.state === "stored";
  });
  if (id !== undefined) edit(id);
  return id !== undefined;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
