import { toStoredId } from "../domain/ids.ts";
import { findMessages } from "../postgres/messages.ts";
import type { Deps } from "./deps.ts";
import { toRef } from "./messages.ts";
import type { Turn } from "./running-reply.ts";
import { regenerateReply, startTurn, type TurnRequest } from "./turn.ts";

/**
 * What "try again" means in a chat whose last message is a question: answer it once more or, when it never arrived here,
 * for the first time. Without the second, the reply to an earlier question would be shown as its answer.
 *
 * @param replyId of the new reply: makes it exactly-once
 * @throws {BackscrollError} as `startTurn` and `regenerateReply`
 */
export async function askAgain(
  deps: Deps,
  userId: number,
  question: TurnRequest & { readonly conversationId: string; readonly messageId: string },
  replyId: string | undefined,
): Promise<Turn> {
  const { conversationId, messageId } = question;
  const at = { userId, conversationId };
  const found = await findMessages(deps.db, toRef(at), [toStoredId(userId, messageId).id]);
  if (!found?.messages.length) return startTurn(deps, userId, question);
  return regenerateReply(deps, at, { messageId, replyId });
}
