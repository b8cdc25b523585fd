import { mintId } from "./mint-id.ts";
import type { KeyedOptions, Operation, RequestOptions, Send, StreamOptions } from "./operation.ts";
import { path } from "./path.ts";
import { readReply, type ReplySource } from "./read-reply.ts";
import type { ReplyNames } from "./reply-events.ts";
import { KeptReplyStream, type ReplyStream } from "./reply-stream.ts";
import type { ChatReply, Message, MessagesAround, NewTurn, StoppedReply, Turn } from "./types.ts";

/** Every method throws `BackscrollApiError` and `BackscrollConnectionError`; codes named here are each one's own. */
export interface TurnMethods {
  /**
   * One exchange: saves the user's message, asks the responder with the recent context, saves its reply. An attempt may
   * take 180 s unless `timeoutMs` says else; a second one joins the reply still being written.
   *
   * @throws {BackscrollApiError} conversation_not_found, conversation_busy, message_id_conflict, message_too_large;
   * responder_failed, responder_rate_limited, responder_timeout, responder_refused, reply_interrupted: the user's
   * message is kept, and the same `message_id` asks again
   */
  sendMessage(turn: NewTurn, options?: RequestOptions): Promise<Turn>;
  /**
   * The same, with the reply as it is written. When the connection is lost, the same message is sent again, which joins
   * the reply: the events go on where they were. `retries` (here 5) counts attempts in a row that bring nothing new.
   *
   * A reply that its server could not finish is asked for again, once (`retries: 0` or `askAgain: false`: never): a
   * `restart` says so. Every other failure is the caller's to decide on: the user's message is kept, and the same
   * `message_id` asks again.
   *
   * @throws {BackscrollApiError} as `sendMessage`: while it is looped over, and from its promises
   */
  streamMessage(turn: NewTurn, options?: StreamOptions & AskAgainOptions): ReplyStream;
  /** The same as `sendMessage` in short: answers with the reply's text. */
  chat(turn: Omit<NewTurn, "message_id">, options?: KeyedOptions): Promise<ChatReply>;
  /**
   * Answers the last user message again. The new reply takes the old one's place when it is stored; one that fails, or
   * says nothing, leaves the old one there. A lost connection is opened again as by `streamMessage`. Is that message
   * being answered just now, this follows the reply that is being written.
   *
   * @throws {BackscrollApiError} as `streamMessage`; message_not_found: it came to nothing while the connection was lost
   */
  regenerateReply(conversationId: string, options?: KeyedOptions & StreamOptions): ReplyStream;
  /**
   * Follows the reply that is being written, whoever asked for it, from its beginning. A lost connection is opened
   * again as by `streamMessage`.
   *
   * @returns null when none is being written, in a conversation that does not exist, too
   * @throws {BackscrollApiError} from the stream: how the reply failed; message_not_found: it was replaced or deleted
   * while the connection was lost
   */
  followReply(conversationId: string, options?: StreamOptions): Promise<ReplyStream | null>;
  /** Stops the reply that is being written, and resolves once it is stored: what was written is kept. */
  stopReply(conversationId: string, options?: KeyedOptions): Promise<StoppedReply>;
}

export interface AskAgainOptions {
  /** false: a reply that its server could not finish ends as reply_interrupted, and is the caller's to ask for again */
  readonly askAgain?: boolean;
}

/** Longer than the service gives a responder. */
const TURN_TIMEOUT_MS = 180_000;
/** With the waits between them some ten seconds: a change of networks, or a restart of the service. */
const STREAM_RETRIES = 5;
const EVENT_STREAM = { accept: "text/event-stream" };

export function turnMethods(send: Send): TurnMethods {
  return {
    async sendMessage(turn, options) {
      const body = { ...turn, message_id: turn.message_id ?? mintId() };
      return send<Turn>(
        { method: "POST", path: "/api/conversations/messages", body, timeoutMs: TURN_TIMEOUT_MS },
        options,
      );
    },
    streamMessage(turn, { askAgain: asksAgain = true, ...options } = {}) {
      const body = { ...turn, message_id: turn.message_id ?? mintId(), stream: true };
      const operation = {
        method: "POST",
        path: "/api/conversations/messages",
        headers: EVENT_STREAM,
        body,
      } as const;
      // Only followed, it is the one that has begun, whatever becomes of it.
      const request = (names: ReplyNames | null): Operation<never> =>
        asksAgain || names === null ? operation : follow(names.conversation_id);
      return stream(send, { request, asksAgain }, options);
    },
    async chat(turn, { idempotencyKey = mintId(), ...options } = {}) {
      return send<ChatReply>(
        { method: "POST", path: "/api/chat", body: turn, idempotencyKey, timeoutMs: TURN_TIMEOUT_MS },
        options,
      );
    },
    regenerateReply(id, { idempotencyKey = mintId(), ...options } = {}) {
      const followed = follow(id);
      const asked = {
        method: "POST",
        path: "/api/chat",
        headers: EVENT_STREAM,
        body: { id, trigger: "regenerate-message" },
        idempotencyKey,
      } as const;
      // Once it has begun it is followed: asked for again after it failed, it would be another one of the same id.
      return stream(send, { request: (names) => (names === null ? asked : followed), asksAgain: false }, options);
    },
    async followReply(id, options = {}) {
      const followed = follow(id);
      const reply = stream(send, { request: () => followed, asksAgain: false }, options);
      return (await reply.begun) === null ? null : reply;
    },
    async stopReply(id, { idempotencyKey = mintId(), ...options } = {}) {
      return send<StoppedReply>({ method: "POST", path: path`/api/chat/${id}/stop`, idempotencyKey }, options);
    },
  };
}

function follow(conversationId: string): Operation<never> {
  return { method: "GET", path: path`/api/chat/${conversationId}/stream`, headers: EVENT_STREAM };
}

function stream(
  send: Send,
  source: Pick<ReplySource, "request" | "asksAgain">,
  { signal, ...options }: StreamOptions,
): KeptReplyStream {
  const reading = new AbortController();
  const stopReading = (): void => reading.abort(signal?.reason);
  if (signal?.aborted === true) stopReading();
  signal?.addEventListener("abort", stopReading, { once: true });
  const readOptions = { ...options, signal: reading.signal };
  const findStored = async (names: ReplyNames): Promise<Message> => findMessage(send, names, readOptions);
  const events = readReply({ ...source, findStored }, send.connect(readOptions, STREAM_RETRIES));
  return new KeptReplyStream(events, {
    stopReading,
    release: () => signal?.removeEventListener("abort", stopReading),
  });
}

/** @throws {BackscrollApiError} conversation_not_found, message_not_found */
async function findMessage(
  send: Send,
  { conversation_id, message_id }: ReplyNames,
  { signal }: RequestOptions,
): Promise<Message> {
  const query = { around: message_id, limit: 1 };
  const { messages } = await send<MessagesAround>(
    { method: "GET", path: path`/api/conversations/${conversation_id}/messages`, query },
    { signal },
  );
  const [message] = messages;
  if (!message) throw new TypeError("a message has nothing around it, not even itself");
  return message;
}
