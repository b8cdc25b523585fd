import type { ConversationRef } from "../domain/conversation.ts";
import { BackscrollError } from "../domain/errors.ts";
import { mintId } from "../domain/ids.ts";
import { logText } from "../domain/logged-error.ts";
import { type NewMessage, seqOfMessage } from "../domain/message.ts";
import type { Session } from "../domain/session.ts";
import { titleFrom } from "../domain/title.ts";
import { updateDefaultTitle } from "../postgres/conversations.ts";
import { checkNewMessages } from "./check.ts";
import type { Deps } from "./deps.ts";
import { type SavedMessages, saveMessages, toRef } from "./messages.ts";
import { claimForSession } from "./session-claim.ts";
import { checkedRef, hasExpired, keepSession, readSession, type SessionName } from "./sessions.ts";

/**
 * Saves messages in the conversation of a session. A session that is new, or whose conversation is gone, is given a new
 * one: of two appends that come at once, both find the same.
 *
 * @param messages 1 to 100
 * @throws {BackscrollError} message_id_conflict, message_too_large, invalid_request
 */
export async function appendToSession(
  deps: Deps,
  at: SessionName,
  messages: readonly NewMessage[],
): Promise<SavedMessages & { readonly conversationId: string }> {
  // Before a conversation is made for them.
  checkNewMessages(messages, deps.settings);
  for (;;) {
    const found = await readSession(deps, at);
    if (found && !hasExpired(found.session)) {
      const { conversationId } = await keepSession(deps, at, found);
      const saved = await saveIn(deps, { userId: at.userId, conversationId }, messages);
      if (saved) {
        await nameByFirstMessages(deps, toRef({ userId: at.userId, conversationId }), { messages, saved });
        return { ...saved, conversationId };
      }
    }
    // Whatever comes of it, the cache is told: what is read next is not what led nowhere.
    await claimForSession(deps, at, { conversationId: mintId(), found });
  }
}

/** @returns the session, which begins with a new conversation where there is none @throws {BackscrollError} invalid_request */
export async function beginSession(deps: Deps, at: SessionName): Promise<Session> {
  checkedRef(at);
  for (;;) {
    const found = await readSession(deps, at);
    if (found && !hasExpired(found.session)) return keepSession(deps, at, found);
    // Whether it was made here or by somebody else: it is there to be read now.
    await claimForSession(deps, at, { conversationId: mintId(), found });
  }
}

/** @returns null when the conversation is not there any more */
async function saveIn(
  deps: Deps,
  at: { userId: number; conversationId: string },
  messages: readonly NewMessage[],
): Promise<SavedMessages | null> {
  try {
    return await saveMessages(deps, at, messages);
  } catch (error) {
    if (error instanceof BackscrollError && error.code === "conversation_not_found") return null;
    throw error;
  }
}

/** A first message is looked for among so many: instructions may come before it. */
const FIRST_MESSAGES = 5;

/** @returns the title that a session's first messages give its conversation; "" when these do not */
export function titleOfFirst(messages: readonly NewMessage[], seqBefore: number): string {
  const said = messages.findIndex(({ role }) => role === "user");
  return said === -1 || seqBefore + said + 1 > FIRST_MESSAGES ? "" : titleFrom(messages[said]?.content ?? "");
}

/** Nobody gives a conversation of a session its title: what its user says first does, as in a turn. */
async function nameByFirstMessages(
  deps: Deps,
  ref: ConversationRef,
  { messages, saved }: { messages: readonly NewMessage[]; saved: SavedMessages },
): Promise<void> {
  const said = messages.findIndex(({ role }) => role === "user");
  const json = saved.messages[said];
  if (json === undefined || seqOfMessage(json) > FIRST_MESSAGES) return;
  const title = titleFrom(messages[said]?.content ?? "");
  if (title === "") return;
  try {
    const conversationId = await updateDefaultTitle(deps.db, ref, title);
    if (conversationId === null) return;
    deps.live.feed.tell(ref.userId, { type: "conversation_updated", conversation_id: conversationId });
  } catch (error) {
    // The messages are stored: a failure would have them sent again.
    deps.log.warn({ error: logText(error) }, "a title could not be saved");
  }
}
