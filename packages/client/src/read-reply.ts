import { BackscrollApiError, BackscrollConnectionError } from "./errors.ts";
import type { Operation } from "./operation.ts";
import { lostConnection, type Reconnecting } from "./reconnecting.ts";
import { ChunkReader, chunksOf, type HeardChunk, type ReplyEvent, type ReplyNames } from "./reply-events.ts";
import type { Failure } from "./retry.ts";
import type { JsonObject, Message } from "./types.ts";

/** Where a reply comes from. */
export interface ReplySource {
  /** @param names of the reply, once they are known: it is asked for again because its connection was lost */
  request(names: ReplyNames | null): Operation<never>;
  /** true: the same request asks for a new reply when the one before failed or was interrupted */
  readonly asksAgain: boolean;
  /** @throws {BackscrollApiError} conversation_not_found, message_not_found */
  findStored(names: ReplyNames): Promise<Message>;
}

/** An event without its snapshot: with every delta that would keep the text once more. */
export type ReadEvent = Exclude<ReplyEvent, { type: "text" }> | { readonly type: "text"; readonly delta: string };

/**
 * Reads a reply over as many connections as it takes. Each shows it from its beginning; what was read before is left
 * out. Ends without an event when there is no such reply.
 *
 * @throws {BackscrollApiError} how the reply failed
 */
export async function* readReply(
  source: ReplySource,
  connection: Reconnecting,
): AsyncGenerator<ReadEvent, void, undefined> {
  const reply = new ReplyProgress();
  for (;;) {
    const opened = await connection.open(source.request(reply.names));
    if (opened === null) return yield* readStored(source, reply);
    const chunks = new ChunkReader();
    reply.beginAgain(opened.requestId);
    let failure: Failure;
    try {
      for await (const { data } of opened.events) {
        const chunk = chunks.read(data);
        if (chunk?.type === "start" && reply.isAnother(chunk) && !source.asksAgain) {
          return yield* readStored(source, reply);
        }
        for (const event of chunk ? reply.hear(chunk) : []) {
          // A reply that is asked for again and again has only so many tries, however far each of them comes.
          if (reply.restarts === 0) connection.progressed();
          yield event;
        }
      }
      if (reply.isEnded) return;
      failure = lostConnection(new BackscrollConnectionError("the stream ended before the reply"));
    } catch (error) {
      if (reply.isEnded) return;
      failure = source.asksAgain && reply.restarts === 0 ? interruption(error) : lostConnection(error);
    }
    await connection.waitAfter(failure);
  }
}

/** Its server stopped, or was taken for dead: nothing that the reply itself would meet again. */
const INTERRUPTIONS: ReadonlySet<string> = new Set(["reply_interrupted", "shutting_down"]);

function interruption(error: unknown): Failure {
  if (!(error instanceof BackscrollApiError && INTERRUPTIONS.has(error.code))) return lostConnection(error);
  return { error, retryable: true, retryAfterSeconds: error.retryAfterSeconds, mayHaveRun: true };
}

/** It has ended while nothing was heard of it. */
async function* readStored(source: ReplySource, reply: ReplyProgress): AsyncGenerator<ReadEvent, void, undefined> {
  if (reply.names === null) return;
  const message = await source.findStored(reply.names);
  reply.beginAgain(undefined);
  for (const chunk of chunksOf(message)) yield* reply.hear(chunk);
  const { status, model, tokens_used, latency_ms, seq, created_at, metadata } = message;
  if (status === "failed" || status === "interrupted") {
    const error_code = status === "failed" ? "responder_failed" : "reply_interrupted";
    yield* reply.hear({ type: "metadata", metadata: { error_code, ...metadata } });
    yield* reply.hear({ type: "error", detail: `the reply is stored as ${status}` });
  }
  yield* reply.hear({ type: "end", metadata: { status, model, tokens_used, latency_ms, seq, created_at } });
}

/** What was read of a reply. */
class ReplyProgress {
  names: ReplyNames | null = null;
  restarts = 0;
  isEnded = false;
  /** how much has become events; UTF-16 code units of text, calls and results of tools */
  #read = { chars: 0, tools: 0 };
  /** all that this connection has said */
  #heard = { text: "", tools: 0, metadata: {} as JsonObject };
  #requestId: string | undefined;

  /** What follows begins at the reply's beginning. */
  beginAgain(requestId: string | undefined): void {
    this.#heard = { text: "", tools: 0, metadata: {} };
    this.#requestId = requestId;
  }

  isAnother({ message_id: id }: ReplyNames): boolean {
    return this.names !== null && this.names.message_id !== id;
  }

  *hear(chunk: HeardChunk): Iterable<ReadEvent> {
    switch (chunk.type) {
      case "start":
        return yield* this.#start(chunk);
      case "text": {
        this.#heard.text += chunk.text;
        const fresh = this.#heard.text.length - this.#read.chars;
        if (fresh <= 0) return;
        this.#read.chars += fresh;
        return yield { type: "text", delta: chunk.text.slice(-fresh) };
      }
      case "tool-call":
      case "tool-result":
        this.#heard.tools += 1;
        if (this.#heard.tools <= this.#read.tools) return;
        this.#read.tools += 1;
        return yield chunk;
      case "metadata":
        this.#heard.metadata = { ...this.#heard.metadata, ...chunk.metadata };
        return;
      case "error":
        throw this.#failure(chunk.detail);
      case "end":
        return yield* this.#end(chunk.metadata);
    }
  }

  *#start(start: Extract<HeardChunk, { type: "start" }>): Iterable<ReadEvent> {
    const isAnother = this.isAnother(start);
    const isFirst = this.names === null;
    const { type, ...names } = start;
    this.names = names;
    if (isFirst) yield start;
    if (!isAnother) return;
    this.restarts += 1;
    this.#read = { chars: 0, tools: 0 };
    yield { ...names, type: "restart" };
  }

  *#end(metadata: JsonObject): Iterable<ReadEvent> {
    const { message_id: id = "", conversation_id = "", user_message_id = "" } = this.names ?? {};
    const stored = { ...this.#heard.metadata, ...metadata } as unknown as StoredMetadata;
    this.isEnded = true;
    yield {
      type: "end",
      reply: {
        id,
        conversation_id,
        user_message_id,
        content: this.#heard.text,
        status: stored.status,
        seq: stored.seq,
        model: stored.model,
        tokens_used: stored.tokens_used,
        latency_ms: stored.latency_ms,
        created_at: stored.created_at,
      },
    };
  }

  #failure(detail: string): BackscrollApiError {
    const { error_code: code, retry_after: retryAfterSeconds } = this.#heard.metadata;
    return new BackscrollApiError({
      status: 200,
      code: typeof code === "string" ? code : "internal",
      detail,
      requestId: this.#requestId,
      retryAfterSeconds: typeof retryAfterSeconds === "number" ? retryAfterSeconds : undefined,
    });
  }
}

type StoredMetadata = Pick<Message, "status" | "seq" | "model" | "tokens_used" | "latency_ms" | "created_at">;
