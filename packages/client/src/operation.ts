import type { BackscrollApiError } from "./errors.ts";
import type { QueryValue } from "./path.ts";
import type { Reconnecting } from "./reconnecting.ts";

/** What a call may be told beside what it sends. */
export interface RequestOptions {
  /** aborts the call at once, also between two attempts; it then rejects with the signal's reason */
  readonly signal?: AbortSignal | undefined;
  /** for each attempt, from its start to the end of its answer; instead of the client's */
  readonly timeoutMs?: number | undefined;
  /** instead of the client's; 0: never send twice */
  readonly retries?: number | undefined;
}

/** A call whose answer is followed while it is made. */
export interface StreamOptions extends RequestOptions {
  /** until the answer begins, of each attempt */
  readonly timeoutMs?: number | undefined;
  /** a connection on which no byte came for so long is lost; default 45 000. The service sends one every 15 s */
  readonly idleTimeoutMs?: number | undefined;
}

/** A call that an `Idempotency-Key` makes exactly-once. */
export interface KeyedOptions extends RequestOptions {
  /** 1 to 255 visible ASCII characters, good for 24 hours; minted for the call when absent */
  readonly idempotencyKey?: string | undefined;
}

/** One call of the API. It must be safe to send twice, or be sent with `retries: 0`. */
export interface Operation<Answer> {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** begins with `/`, its ids percent-encoded */
  readonly path: string;
  readonly query?: Readonly<Record<string, QueryValue>>;
  /** beside those of every request */
  readonly headers?: Readonly<Record<string, string>>;
  /** sent as JSON */
  readonly body?: unknown;
  /** JSON already, sent as it is */
  readonly rawBody?: string | Uint8Array | Blob | ReadableStream<Uint8Array>;
  readonly idempotencyKey?: string | undefined;
  /** when neither the caller nor the client sets one */
  readonly timeoutMs?: number;
  /**
   * Called for the error of a repeated call whose earlier try may have been carried out.
   *
   * @returns what the earlier try must have answered
   * @throws the error, when it is a true one
   */
  readonly afterLostAnswer?: (error: BackscrollApiError) => Answer | Promise<Answer>;
}

/** Sends an operation until it is answered; its answer is trusted to be what the service describes. */
export interface Send {
  <Answer>(operation: Operation<Answer>, options?: RequestOptions): Promise<Answer>;
  /** @returns the body as it arrives, once it has begun */
  stream(operation: Operation<never>, options?: RequestOptions): Promise<ReadableStream<Uint8Array>>;
  /** @param retriesDefault attempts in a row that bring nothing new, when neither the caller nor the client says how many */
  connect(options: StreamOptions, retriesDefault: number): Reconnecting;
}
