import { BackscrollError } from "../domain/errors.ts";
import { findVersion } from "../postgres/conversations.ts";
import type { Deps } from "./deps.ts";
import { type ConversationName, toRef } from "./messages.ts";
import type { Turn } from "./running-reply.ts";
import { claimForSession } from "./session-claim.ts";
import { hasExpired, keepSession, readSession, type SessionName } from "./sessions.ts";
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
    const claimed = await claimForSession(deps, at, { conversationId, found });
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
