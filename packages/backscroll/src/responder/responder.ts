import type { JsonValue } from "../domain/json.ts";
import type { Role } from "../domain/message.ts";

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
}

/** What a responder says, piece by piece. A `usage`, if any, comes last. */
export type ResponderDelta =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "tool-call"; readonly toolCallId: string; readonly toolName: string; readonly input: JsonValue }
  | { readonly type: "tool-result"; readonly toolCallId: string; readonly toolName: string; readonly output: JsonValue }
  | { readonly type: "usage"; readonly tokensUsed: number | null; readonly model: string | null };

/** Who answers. */
export interface Responder {
  /** for the banner and the log, e.g. "openai gpt-5-mini" or "ELIZA (offline demo)" */
  readonly description: string;
  /** @throws {ResponderError} what went wrong, while iterating */
  respond(request: RespondRequest): AsyncIterable<ResponderDelta>;
}

/**
 * `rate_limited`: try later, `retryAfterSeconds` when known. `timeout`: no answer in time.
 * `failed`: anything else.
 */
export type ResponderFailure = "failed" | "rate_limited" | "timeout";

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
