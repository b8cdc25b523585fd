import { useSyncExternalStore } from "react";

const PREFIX = "backscroll.draft.";
/** Of this page: the browser's storage may be full. */
const drafts = new Map<string, string>();
const listeners = new Set<() => void>();

/** What was typed and not sent yet, kept by this browser for each conversation. @param conversationId null: a new one's */
export function useDraft(conversationId: string | null): string {
  return useSyncExternalStore(subscribe, () => readDraft(conversationId));
}

export function setDraft(conversationId: string | null, text: string): void {
  const key = PREFIX + (conversationId ?? "");
  drafts.set(key, text);
  try {
    if (text === "") localStorage.removeItem(key);
    else localStorage.setItem(key, text);
  } catch {
    // The browser's room is spent: the text stays in the page.
  }
  for (const listener of listeners) listener();
}

function readDraft(conversationId: string | null): string {
  const key = PREFIX + (conversationId ?? "");
  return drafts.get(key) ?? localStorage.getItem(key) ?? "";
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
