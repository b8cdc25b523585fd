import { DEFAULT_TITLE } from "../domain/conversation.ts";
import { BackscrollError } from "../domain/errors.ts";
import { cachedAs } from "../domain/session.ts";
import { findVersion } from "../postgres/conversations.ts";
import { violates } from "../postgres/pool.ts";
import { claimSession } from "../postgres/sessions.ts";
import { changeConversation } from "./changes.ts";
import type { Deps } from "./deps.ts";
import { type ConversationName, toRef } from "./messages.ts";
import type { Turn } from "./running-reply.ts";
import { type FoundSession, hasExpired, keepSession, readSession, type SessionName, toSessionRef } from "./sessions.ts";
import { checkedQuestion, newConversationId, startTurn, type TurnRequest } from "./turn.ts";

/**
 * Takes a turn in the conversation of a session. One that is new, or whose conversation is gone, is given a new one: of
 * two messages that come at once, both find the same. A retry of a message that began a conversation goes there,
 * wherever the session is by now.
 *
 * @throws {BackscrollError} as `startTurn`
 */
export async function startTurnInSession(deps: Deps, at: SessionName, request: TurnRequest): Promise<Turn> {
  // Before a conversation is made for it.
  checkedQuestion(deps, request);
  const { userId } = at;
  const begun = await startTurnBegun(deps, userId, request);
  if (begun) return begun;
  for (;;) {
    const found = await readSession(deps, at);
    if (found && !hasExpired(found.session)) {
      const { conversationId } = await keepSession(deps, at, found);
      const turn = await startTurnIn(deps, { userId, conversationId }, request);
      if (turn) return turn;
    }
    const conversationId = newConversationId(userId, request);
    const claimed = await claim(deps, at, { conversationId, found });
    // An earlier try of this message made it: it is there now, or in the trash.
    if (claimed === "made before") return startTurn(deps, userId, request);
    const turn = claimed && (await startTurnIn(deps, { userId, conversationId }, request));
    if (turn) return turn;
  }
}

/** @returns null when the conversation is not there */
export async function startTurnIn(
  deps: Deps,
  { userId, conversationId }: ConversationName,
  request: TurnRequest,
): Promise<Turn | null> {
  try {
    return await startTurn(deps, userId, { ...request, conversationId });
  } catch (error) {
    if (error instanceof BackscrollError && error.code === "conversation_not_found") return null;
    throw error;
  }
}

/** For a message that an earlier try began a conversation with. @returns null when there is no such conversation */
export async function startTurnBegun(deps: Deps, userId: number, request: TurnRequest): Promise<Turn | null> {
  if (request.messageId === undefined) return null;
  const at = { userId, conversationId: newConversationId(userId, request) };
  return (await findVersion(deps.db, toRef(at))) === null ? null : startTurnIn(deps, at, request);
}

/**
 * Makes a conversation and gives it to a session, unless somebody has changed the session since it was read.
 *
 * @returns false: it was changed
 */
async function claim(
  deps: Deps,
  at: SessionName,
  { conversationId, found }: { conversationId: string; found: FoundSession | null },
): Promise<boolean | "made before"> {
  const ref = toSessionRef(at);
  const conversation = toRef({ userId: at.userId, conversationId });
  const change = claimSession(deps.db, ref, {
    conversationId: conversation.id,
    title: DEFAULT_TITLE,
    seenVersion: found?.version ?? null,
    anew: found !== null && hasExpired(found.session),
    days: deps.settings.sessionDays,
  });
  try {
    const claimed = await changeConversation(deps, cachedAs(ref), changeConversation(deps, conversation, change));
    if (claimed) deps.live.feed.tell(at.userId, { type: "conversation_created", conversation_id: conversationId });
    return claimed;
  } catch (error) {
    if (violates(error, "conversations_pkey")) return "made before";
    throw error;
  }
}
