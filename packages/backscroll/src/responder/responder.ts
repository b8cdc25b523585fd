import type { Role } from "../domain/message.ts";
import type { ReplyChunk } from "../domain/reply.ts";

/** One message of the context a responder answers. */
export interface ContextMessage {
  readonly role: Role;
  readonly content: string;
}

export interface RespondRequest {
  /** oldest first; the last one is the user's message to answer */
  readonly messages: readonly ContextMessage[];
  /** names of the tools the responder may use */
  readonly tools: readonly string[];
  /** aborted when nobody wants the answer any more, or its time is up */
  readonly signal: AbortSignal;
  /** to send along with what is asked over HTTP for it: the trace it belongs to */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a responder says, piece by piece. A `usage`, if any, comes last. */
export type ResponderDelta =
  | ReplyChunk
  | { readonly type: "usage"; readonly tokensUsed: number | null; readonly model: string | null };

/** A question and its answer. */
export interface Exchange {
  readonly question: string;
  readonly reply: string;
}

/** Who answers. */
export interface Responder {
  /** for the banner and the log, e.g. "openai gpt-5-mini" or "ELIZA (offline demo)" */
  readonly description: string;
  /** @throws {ResponderError} what went wrong, while iterating */
  respond(request: RespondRequest): AsyncIterable<ResponderDelta>;
  /**
   * Names a conversation by its first exchange; without it, the question's beginning names it.
   *
   * @param headers as a request's
   * @returns a line of text, as the model wrote it: whoever asked makes a title of it
   * @throws {ResponderError} or the signal's reason
   */
  suggestTitle?(exchange: Exchange, signal: AbortSignal, headers?: RespondRequest["headers"]): Promise<string>;
}

/**
 * `rate_limited`: try later, `retryAfterSeconds` when known. `timeout`: no answer in time. `refused`: it will not
 * answer this, by its own judgement or a filter's; the same again would be refused again. `failed`: anything else.
 */
export type ResponderFailure = "failed" | "rate_limited" | "timeout" | "refused";

export class ResponderError extends Error {
  override readonly name = "ResponderError";
  readonly failure: ResponderFailure;
  readonly retryAfterSeconds: number | undefined;

  /** @param message for the log: what the provider said, without message content or keys */
  constructor(failure: ResponderFailure, message: string, options: ErrorOptions & { retryAfterSeconds?: number } = {}) {
    super(message, options);
    this.failure = failure;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}
