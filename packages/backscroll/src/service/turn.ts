import type { ConversationRef } from "../domain/conversation.ts";
import { BackscrollError, errorMessage } from "../domain/errors.ts";
import { deriveId, mintId, toStoredId } from "../domain/ids.ts";
import type { JsonValue } from "../domain/json.ts";
import { LIMITS } from "../domain/limits.ts";
import {
  type MessageBytes,
  type MessageJson,
  type NewMessage,
  type Part,
  parseMessageJson,
  seqOfMessage,
} from "../domain/message.ts";
import { findMessages, listNewestMessages } from "../postgres/messages.ts";
import { type ContextMessage, type ResponderDelta, ResponderError } from "../responder/responder.ts";
import { appendMessages } from "./changes.ts";
import { checkNewMessages } from "./check.ts";
import { createConversation } from "./conversations.ts";
import type { Deps } from "./deps.ts";
import { readRecent } from "./history.ts";
import { conversationNotFound, saveMessages, toRef } from "./messages.ts";

export interface TurnRequest {
  /** what the user says */
  readonly message: string;
  /** absent: a new conversation */
  readonly conversationId?: string | undefined;
  /** makes the turn exactly-once: the same id again joins the running turn or gets the stored answer */
  readonly messageId?: string | undefined;
}

export interface Turn {
  readonly conversationId: string;
  readonly userMessage: MessageJson;
  readonly assistantMessage: MessageJson;
}

/** Turns being answered by this process, by the stored ids of user, conversation and message. */
export type RunningTurns = Map<string, Promise<Turn>>;

/**
 * One exchange: saves the user's message, asks the responder with the recent context, saves its reply.
 * The reply goes on when the caller goes away.
 *
 * @throws {BackscrollError} conversation_not_found, message_id_conflict, invalid_request, message_too_large;
 * responder_failed, responder_rate_limited, responder_timeout: the user's message is kept, and the same
 * `messageId` asks again
 */
export async function takeTurn(
  deps: Deps,
  userId: number,
  { message, conversationId, messageId: givenId }: TurnRequest,
): Promise<Turn> {
  const messageId = givenId ?? mintId();
  // What a retry must find again is derived from the id that the retry brings.
  const idFor = (seed: string, purpose: string): string => (givenId === undefined ? mintId() : deriveId(seed, purpose));
  const at = { userId, conversationId: conversationId ?? idFor(`${userId}:${messageId}`, "conversation") };
  const question: NewMessage = { id: messageId, role: "user", content: message };
  checkNewMessages([question], deps.settings); // before there is an empty conversation for it
  if (conversationId === undefined) await createConversation(deps, userId, { id: at.conversationId });

  const { messages } = await saveMessages(deps, at, [question]);
  const key = `${userId}:${toRef(at).id}:${toStoredId(userId, messageId).id}`;
  const [userMessage] = messages;
  if (userMessage === undefined) throw new Error("saving one message gives one");
  const running = deps.runningTurns.get(key);
  if (running) return running;
  const turn = answer(deps, at, userMessage, idFor(key, "reply")).finally(() => deps.runningTurns.delete(key));
  deps.runningTurns.set(key, turn);
  return turn;
}

async function answer(
  deps: Deps,
  at: { userId: number; conversationId: string },
  userMessage: MessageJson,
  replyId: string,
): Promise<Turn> {
  const stored = await findReply(deps, at, replyId);
  const assistantMessage = stored ?? (await saveReply(deps, at, userMessage, replyId));
  return { conversationId: parseMessageJson(userMessage).conversation_id, userMessage, assistantMessage };
}

async function findReply(
  deps: Deps,
  at: { userId: number; conversationId: string },
  replyId: string,
): Promise<MessageJson | undefined> {
  const found = await findMessages(deps.db, toRef(at), [replyId]);
  if (!found) throw conversationNotFound();
  const [stored] = found.messages;
  // Whoever stored it may have died before it told the cache.
  if (stored) await deps.cache.changed(toRef(at));
  return stored?.json;
}

async function saveReply(
  deps: Deps,
  at: { userId: number; conversationId: string },
  userMessage: MessageJson,
  replyId: string,
): Promise<MessageJson> {
  const reply = await askResponder(deps, await contextUpTo(deps, at, parseMessageJson(userMessage).seq));
  const appended = await appendMessages(deps, toRef(at), [{ ...reply, id: replyId, role: "assistant" }]);
  if (appended === "conversation_not_found") throw conversationNotFound();
  // Another server answered the same message meanwhile: its reply is the reply.
  const saved = appended === "duplicate_id" ? await findReply(deps, at, replyId) : appended.messages[0];
  if (saved === undefined) throw conversationNotFound();
  return saved;
}

/** The newest messages up to the one to answer, oldest first; a reply that failed says nothing. */
async function contextUpTo(
  deps: Deps,
  at: { userId: number; conversationId: string },
  seq: number,
): Promise<readonly ContextMessage[]> {
  const messages = await messagesUpTo(deps, toRef(at), seq, deps.settings.contextMessages);
  return messages
    .map(parseMessageJson)
    .filter(({ status }) => status !== "failed")
    .map(({ role, content }) => ({ role, content }))
    .toReversed();
}

async function messagesUpTo(
  deps: Deps,
  ref: ConversationRef,
  seq: number,
  limit: number,
): Promise<readonly (MessageJson | MessageBytes)[]> {
  const { messages } = await readRecent(deps, ref, limit);
  const [newest] = messages;
  if (newest !== undefined && seqOfMessage(newest) === seq) return messages;
  // Somebody else has written since.
  const window = await listNewestMessages(deps.db, ref, { afterSeq: 0, beforeSeq: seq + 1, limit });
  if (!window) throw conversationNotFound();
  return window.messages.map(({ json }) => json);
}

type Reply = Pick<NewMessage, "content" | "parts" | "model" | "tokensUsed" | "latencyMs">;

async function askResponder(deps: Deps, messages: readonly ContextMessage[]): Promise<Reply> {
  const { responder, settings, stopping, log } = deps;
  const startedAt = performance.now();
  const signal = AbortSignal.any([AbortSignal.timeout(settings.responderTimeoutMs), stopping]);
  const reply = new ReplyInProgress();
  try {
    const deltas = responder.respond({ messages, tools: settings.responderTools, signal });
    for await (const delta of untilAborted(deltas, signal)) reply.add(delta);
  } catch (error) {
    log.warn({ responder: responder.description, error: errorMessage(error) }, "the responder failed");
    if (stopping.aborted)
      throw new BackscrollError("shutting_down", "the service is stopping; retry with the same message_id", {
        retryAfterSeconds: 1,
      });
    throw toBackscrollError(error, signal);
  }
  const latencyMs = Math.round(performance.now() - startedAt);
  return { ...reply.finish(), latencyMs };
}

/** Says what happened in our words: a provider's own may hold what is not the caller's business. */
function toBackscrollError(error: unknown, signal: AbortSignal): BackscrollError {
  const kept = "your message is kept; retry with the same message_id";
  const failure = error instanceof ResponderError ? error.failure : signal.aborted ? "timeout" : "failed";
  const options = { cause: error };
  switch (failure) {
    case "rate_limited": {
      const retryAfterSeconds = error instanceof ResponderError ? (error.retryAfterSeconds ?? 10) : 10;
      return new BackscrollError(
        "responder_rate_limited",
        `the responder is rate limited; ${kept}`,
        { retryAfterSeconds },
        options,
      );
    }
    case "timeout":
      return new BackscrollError("responder_timeout", `the responder took too long; ${kept}`, {}, options);
    case "failed":
      return new BackscrollError("responder_failed", `the responder could not answer; ${kept}`, {}, options);
  }
}

/** Gathers deltas: all text is the content; with tool calls, the parts keep the order of everything. */
class ReplyInProgress {
  #content = "";
  #parts: Part[] = [];
  #partText = "";
  #model: string | null = null;
  #tokensUsed: number | null = null;

  add(delta: ResponderDelta): void {
    switch (delta.type) {
      case "text":
        this.#content += delta.text;
        this.#partText += delta.text;
        break;
      case "usage":
        this.#model = delta.model;
        this.#tokensUsed = delta.tokensUsed;
        break;
      case "tool-call":
        this.#closeText();
        this.#parts.push({
          type: "tool-call",
          tool_call_id: delta.toolCallId,
          tool_name: delta.toolName,
          input: delta.input,
        });
        break;
      case "tool-result":
        this.#closeText();
        this.#parts.push({
          type: "tool-result",
          tool_call_id: delta.toolCallId,
          tool_name: delta.toolName,
          output: delta.output,
        });
        break;
    }
  }

  finish(): Reply {
    const parts = this.#parts;
    if (parts.length > 0) this.#closeText();
    if (parts.length === 0 && this.#content === "")
      throw new BackscrollError("responder_failed", "the responder said nothing");
    if (this.#content.length > LIMITS.replyCharsMax) {
      throw new BackscrollError("responder_failed", `the responder said more than ${LIMITS.replyCharsMax} characters`);
    }
    const tokens = this.#tokensUsed;
    return {
      content: storable(this.#content),
      parts: parts.length === 0 ? null : parts.map((part) => storableJson(part) as Part),
      model: this.#model === null ? null : storable(this.#model).slice(0, LIMITS.modelCharsMax),
      tokensUsed:
        tokens !== null && Number.isInteger(tokens) && tokens >= 0 && tokens <= LIMITS.int4Max ? tokens : null,
    };
  }

  #closeText(): void {
    if (this.#partText !== "") this.#parts.push({ type: "text", text: this.#partText });
    this.#partText = "";
  }
}

/** Ends with the signal, whether the responder listens to it or not. @throws the signal's reason */
async function* untilAborted<Item>(items: AsyncIterable<Item>, signal: AbortSignal): AsyncIterable<Item> {
  const iterator = items[Symbol.asyncIterator]();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort);
  aborted.catch(() => undefined); // it may come when nobody waits any more
  try {
    for (;;) {
      signal.throwIfAborted();
      const coming = iterator.next();
      coming.catch(() => undefined);
      const next = await Promise.race([coming, aborted]);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    // Not waited for: a responder that hangs would hang here too.
    iterator.return?.().catch(() => undefined);
  }
}

/** A model may say what PostgreSQL cannot keep; its reply is not lost over a character. */
function storable(text: string): string {
  return text.toWellFormed().replaceAll("\u0000", "");
}

function storableJson(value: JsonValue): JsonValue {
  if (typeof value === "string") return storable(value);
  if (Array.isArray(value)) return value.map((item: JsonValue) => storableJson(item));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [storable(key), storableJson(item)]));
}
