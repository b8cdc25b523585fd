import type { ReplyChunk, ToolChunk } from "../domain/reply.ts";
import type { JsonValue } from "../domain/json.ts";
import { parseMessageJson } from "../domain/message.ts";
import type { ReplyEnding, ReplyLog } from "../live/reply-log.ts";
import { EVENT_STREAM_HEADERS, eventStream, type EventStreamOptions } from "./event-stream.ts";

/** A reply to show, and what it answers. */
export interface ShownReply {
  readonly conversationId: string;
  /** of the user's message, as its author wrote it */
  readonly questionId: string;
  readonly reply: ReplyLog;
}

/**
 * The chunks of the AI SDK's UI message stream (https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol) that are sent here:
 * those that its clients of version 6 and 7 both accept.
 */
export type UiMessageChunk =
  | { readonly type: "start"; readonly messageId: string; readonly messageMetadata: MessageMetadata }
  | { readonly type: "text-start" | "text-end"; readonly id: string }
  | { readonly type: "text-delta"; readonly id: string; readonly delta: string }
  | ToolInput
  | { readonly type: "tool-output-available"; readonly toolCallId: string; readonly output: JsonValue }
  | { readonly type: "finish" | "message-metadata"; readonly messageMetadata: MessageMetadata }
  | { readonly type: "abort" }
  | { readonly type: "error"; readonly errorText: string };

interface ToolInput {
  readonly type: "tool-input-available";
  readonly toolCallId: string;
  readonly toolName: string;
  readonly input: JsonValue;
  readonly dynamic: true;
  /** the client has nothing to execute, and nothing to send back */
  readonly providerExecuted: true;
}

type MessageMetadata = Readonly<Record<string, JsonValue>>;

export const UI_MESSAGE_STREAM_HEADERS = { ...EVENT_STREAM_HEADERS, "x-vercel-ai-ui-message-stream": "v1" } as const;

/**
 * A client that is further behind than this gets the text that waits in one piece. Nearer ones are shown every chunk as
 * all others are, so that streams of the same reply are equal.
 */
const APART_MAX = 32;
/** Of text in one event: what a client that does not read makes this process hold. */
const DELTA_CHARS_MAX = 16_384;

/**
 * Shows a reply from its beginning to its end. Made only as fast as it is read, so a slow client holds back nobody but
 * itself; one that leaves is forgotten, and the reply goes on.
 */
export function uiMessageStream(shown: ShownReply, options: EventStreamOptions = {}): ReadableStream<Uint8Array> {
  const left = new AbortController();
  return eventStream(toEvents(shown, left.signal), left, options);
}

async function* toEvents(shown: ShownReply, left: AbortSignal): AsyncGenerator<string, void, undefined> {
  for await (const chunk of toChunks(shown, left)) yield `data: ${JSON.stringify(chunk)}\n\n`;
  yield "data: [DONE]\n\n";
}

async function* toChunks(
  { conversationId, questionId, reply }: ShownReply,
  left: AbortSignal,
): AsyncGenerator<UiMessageChunk, void, undefined> {
  const messageMetadata = { conversation_id: conversationId, user_message_id: questionId };
  yield { type: "start", messageId: reply.messageId, messageMetadata };
  const blocks = new Blocks();
  for await (const waiting of reply.followWaiting(left)) {
    for (const chunk of waiting.length > APART_MAX ? joinTexts(waiting) : waiting) yield* blocks.show(chunk);
  }
  if (left.aborted) return;
  yield* blocks.close();
  yield* endingChunks(await reply.ended);
}

/** Text is shown in blocks, with the tools between them. */
class Blocks {
  #count = 0;
  #open: string | null = null;
  readonly #called = new Set<string>();

  *show(chunk: ReplyChunk): Iterable<UiMessageChunk> {
    if (chunk.type === "text") {
      if (this.#open === null) {
        this.#open = `text-${(this.#count += 1)}`;
        yield { type: "text-start", id: this.#open };
      }
      for (const delta of inPieces(chunk.text)) yield { type: "text-delta", id: this.#open, delta };
      return;
    }
    yield* this.close();
    yield* this.#showTool(chunk);
  }

  *close(): Iterable<UiMessageChunk> {
    if (this.#open !== null) yield { type: "text-end", id: this.#open };
    this.#open = null;
  }

  *#showTool(chunk: ToolChunk): Iterable<UiMessageChunk> {
    const { type, toolCallId, toolName } = chunk;
    // A client breaks off at a result without its call.
    if (type === "tool-call" || !this.#called.has(toolCallId)) {
      const input = type === "tool-call" ? chunk.input : null;
      yield { type: "tool-input-available", toolCallId, toolName, input, dynamic: true, providerExecuted: true };
      this.#called.add(toolCallId);
    }
    if (type === "tool-result") yield { type: "tool-output-available", toolCallId, output: chunk.output };
  }
}

function* endingChunks(ending: ReplyEnding): Iterable<UiMessageChunk> {
  if (ending.type === "failed") {
    const { code, message, details } = ending.error;
    const status = code === "reply_interrupted" || code === "shutting_down" ? "interrupted" : "failed";
    const { retryAfterSeconds } = details;
    const retryAfter = retryAfterSeconds === undefined ? {} : { retry_after: retryAfterSeconds };
    yield { type: "message-metadata", messageMetadata: { status, error_code: code, ...retryAfter } };
    yield { type: "error", errorText: message };
    return;
  }
  if (ending.type === "stopped") {
    yield* abortChunks({ status: "stopped" });
    return;
  }
  const { status, model, tokens_used, latency_ms, seq, created_at } = parseMessageJson(ending.message);
  const messageMetadata = { status, model, tokens_used, latency_ms, seq, created_at };
  if (status === "complete") {
    yield { type: "finish", messageMetadata };
    return;
  }
  yield* abortChunks(messageMetadata);
}

/** `abort` carries nothing, and clients do not keep it. */
function* abortChunks(messageMetadata: MessageMetadata): Iterable<UiMessageChunk> {
  yield { type: "message-metadata", messageMetadata };
  yield { type: "abort" };
}

/** @returns the same with texts that follow each other in one */
function joinTexts(chunks: readonly ReplyChunk[]): readonly ReplyChunk[] {
  const joined: ReplyChunk[] = [];
  let texts: string[] = [];
  const close = (): void => {
    if (texts.length > 0) joined.push({ type: "text", text: texts.join("") });
    texts = [];
  };
  for (const chunk of chunks) {
    if (chunk.type === "text") texts.push(chunk.text);
    else {
      close();
      joined.push(chunk);
    }
  }
  close();
  return joined;
}

/** Never between the halves of a character: not every client joins before it decodes. */
function* inPieces(text: string): Iterable<string> {
  for (let from = 0; from < text.length;) {
    const end = from + DELTA_CHARS_MAX;
    const to = /[\ud800-\udbff]/.test(text.charAt(end - 1)) && end < text.length ? end - 1 : end;
    yield text.slice(from, to);
    from = to;
  }
}
