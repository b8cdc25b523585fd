import { type Message, toMessage } from "../domain/message.ts";
import type { ReplyChunk } from "../domain/reply.ts";
import { finishTurn } from "./turn.ts";
import type { Turn } from "./running-reply.ts";

/** A turn whose reply is read while it is written. Who stops reading does not stop it. */
export interface TurnStream extends AsyncIterable<ReplyChunk> {
  readonly conversationId: string;
  readonly userMessage: Message;
  /** the reply's id, from the beginning */
  readonly messageId: string;
  /**
   * Waits until the reply is stored: whole, or stopped by its user.
   *
   * @throws {BackscrollError} responder_failed, responder_rate_limited, responder_timeout, responder_refused,
   * reply_interrupted, shutting_down: the user's message is kept, and the same `messageId` asks again
   */
  readonly finished: () => Promise<Message>;
}

export function toTurnStream(turn: Turn): TurnStream {
  const { conversationId, userMessage, reply } = turn;
  return {
    conversationId,
    userMessage: toMessage(userMessage),
    messageId: reply.messageId,
    finished: async () => toMessage((await finishTurn(turn)).assistantMessage),
    [Symbol.asyncIterator]: () => reply.follow(),
  };
}
