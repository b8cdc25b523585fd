import { BackscrollApiError, type Conversation } from "backscroll-client";
import { navigate } from "wouter/use-browser-location";
import { toast, toastError } from "../ui/toasts.tsx";
import { client } from "./client.ts";
import {
  type Change,
  forgetConversation,
  knownConversation,
  refreshTrash,
  showConversation,
  showMeanwhile,
} from "./conversation-cache.ts";
import { inWords } from "./query-client.ts";

// Each change is shown at once, and taken back when the service refuses.

/** @returns where a conversation is shown */
export function conversationHref(id: string): string {
  return `/c/${encodeURIComponent(id)}`;
}

export async function renameConversation(id: string, title: string): Promise<void> {
  await change(id, { title }, "Couldn't rename the conversation.");
}

export async function pinConversation(id: string, pinned: boolean): Promise<void> {
  await change(id, { pinned }, pinned ? "Couldn't pin the conversation." : "Couldn't unpin the conversation.");
}

/** It leaves the list, or comes back: with a way to undo it. */
export async function archiveConversation(id: string, archived: boolean): Promise<void> {
  const failure = archived ? "Couldn't archive the conversation." : "Couldn't unarchive the conversation.";
  if (!(await change(id, { archived }, failure))) return;
  const undo = { label: "Undo", run: () => void change(id, { archived: !archived }, "Couldn't undo that.") };
  toast(archived ? "Archived" : "Unarchived", undo);
}

/** Into the trash, with a way to undo it. The page that shows it is left. */
export async function deleteConversation(id: string): Promise<void> {
  const before = knownConversation(id);
  const wasOpen = isOpen(id);
  const answered = showMeanwhile(id, "deletion", () => client.deleteConversation(id));
  if (wasOpen) navigate("/", { replace: true });
  try {
    await answered;
  } catch (error) {
    if (!isGone(error)) {
      if (before) showConversation(before);
      if (wasOpen && location.pathname === "/") navigate(conversationHref(id), { replace: true });
      return refused("Couldn't delete the conversation.", error);
    }
  }
  forgetConversation(id);
  refreshTrash();
  toast("Deleted", { label: "Undo", run: () => void undoDeletion(id, wasOpen) });
}

/** For a conversation that was deleted in another tab: nothing can be done on its page. */
export function leaveDeleted(id: string): void {
  if (!isOpen(id)) return;
  navigate("/", { replace: true });
  toast("This conversation was deleted elsewhere", { label: "Undo", run: () => void undoDeletion(id, true) });
}

/** Out of the trash. @returns whether it is out */
export async function restoreConversation(id: string): Promise<boolean> {
  try {
    showConversation(await client.restoreConversation(id));
    refreshTrash();
    return true;
  } catch (error) {
    refused("Couldn't restore the conversation.", error);
    return false;
  }
}

async function undoDeletion(id: string, wasOpen: boolean): Promise<void> {
  if ((await restoreConversation(id)) && wasOpen && location.pathname === "/") navigate(conversationHref(id));
}

async function change(id: string, changes: Change, failure: string): Promise<boolean> {
  const before = knownConversation(id);
  try {
    showConversation(await showMeanwhile(id, changes, () => client.updateConversation(id, changes)));
    return true;
  } catch (error) {
    if (before) showConversation({ ...(knownConversation(id) ?? before), ...formerly(before, changes) });
    refused(failure, error);
    return false;
  }
}

/** @returns only what was changed: something else may have changed meanwhile */
function formerly({ title, pinned, archived }: Conversation, changes: Change): Change {
  return {
    ...(changes.title !== undefined && { title }),
    ...(changes.pinned !== undefined && { pinned }),
    ...(changes.archived !== undefined && { archived }),
  };
}

function refused(what: string, error: unknown): void {
  toastError(`${what} ${inWords(error)}`);
}

function isGone(error: unknown): boolean {
  return error instanceof BackscrollApiError && error.code === "conversation_not_found";
}

/** Whether this is the page's conversation. */
function isOpen(id: string): boolean {
  // Somebody may have written the address by hand.
  return [conversationHref(id), `/c/${id}`].includes(location.pathname);
}
