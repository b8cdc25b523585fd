import type { ThreadStore } from "./thread-store.ts";

/** @returns the id of the reply at the end of the conversation; null: there is none, or it is not stored yet */
export function lastReplyId(thread: ThreadStore): string | null {
  const last = thread.message(thread.ids.at(-1) ?? "");
  return !thread.state.isDetached && last?.role === "assistant" && last.state === "stored" ? last.id : null;
}

/** @returns the message at the end of the conversation, when it waits for a reply; null: none does */
export function openQuestion(thread: ThreadStore): { readonly id: string; readonly text: string } | null {
  const last = thread.message(thread.ids.at(-1) ?? "");
  const isOpen = !thread.state.isDetached && last?.role === "user" && last.state === "stored";
  return isOpen ? { id: last.id, text: last.content } : null;
}

/** Whether it is the question of the conversation's last reply: then another reply can take that one's place. */
export function isLastQuestion(thread: ThreadStore, id: string): boolean {
  return lastReplyId(thread) !== null && thread.ids.at(-2) === id;
}

/** @returns the id of the message that takes the focus when this one goes */
export function neighbourOf(thread: ThreadStore, id: string): string | null {
  const at = thread.ids.indexOf(id);
  return thread.ids[at + 1] ?? thread.ids[at - 1] ?? null;
}
