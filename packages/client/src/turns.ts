import { mintId } from "./mint-id.ts";
import type { KeyedOptions, RequestOptions, Send } from "./operation.ts";
import type { ChatReply, NewTurn, Turn } from "./types.ts";

/** Every method throws `BackscrollApiError` and `BackscrollConnectionError`; codes named here are each one's own. */
export interface TurnMethods {
  /**
   * One exchange: saves the user's message, asks the responder with the recent context, saves its reply. An attempt may
   * take 180 s unless `timeoutMs` says else; a second one joins the reply still being written.
   *
   * @throws {BackscrollApiError} conversation_not_found, message_id_conflict, message_too_large; responder_failed,
   * responder_rate_limited, responder_timeout: the user's message is kept, and the same `message_id` asks again
   */
  sendMessage(turn: NewTurn, options?: RequestOptions): Promise<Turn>;
  /** The same in short: answers with the reply's text. */
  chat(turn: Omit<NewTurn, "message_id">, options?: KeyedOptions): Promise<ChatReply>;
}

/** Longer than the service gives a responder. */
const TURN_TIMEOUT_MS = 180_000;

export function turnMethods(send: Send): TurnMethods {
  return {
    async sendMessage(turn, options) {
      const body = { ...turn, message_id: turn.message_id ?? mintId() };
      return send<Turn>(
        { method: "POST", path: "/api/conversations/messages", body, timeoutMs: TURN_TIMEOUT_MS },
        options,
      );
    },
    async chat(turn, { idempotencyKey = mintId(), ...options } = {}) {
      return send<ChatReply>(
        { method: "POST", path: "/api/chat", body: turn, idempotencyKey, timeoutMs: TURN_TIMEOUT_MS },
        options,
      );
    },
  };
}
