import { delay } from "./deadline.ts";
import { BackscrollConnectionError } from "./errors.ts";
import type { Operation } from "./operation.ts";
import { type Failure, RETRY_AFTER_SECONDS_MAX, retryDelayMs } from "./retry.ts";
import { readEvents, type ServerSentEvent } from "./sse.ts";

/** The answer to a request for an event stream. */
export interface OpenedStream {
  readonly body: ReadableStream<Uint8Array>;
  readonly requestId: string | undefined;
}

/** Sends a request for an event stream once. @returns null as the answer when there is nothing to stream (204) */
export type OpenStream = (operation: Operation<never>) => Promise<{ readonly answer: OpenedStream | null } | Failure>;

/** An event stream that is opened again when it is lost. */
export class Reconnecting {
  readonly #openOnce: OpenStream;
  readonly #retries: number;
  readonly #signal: AbortSignal | undefined;
  #retry = 0;

  /** @param options `retries`: in a row, without `progressed`; infinity: for ever, where a retry makes sense */
  constructor(
    openOnce: OpenStream,
    { retries, signal }: { readonly retries: number; readonly signal: AbortSignal | undefined },
  ) {
    this.#openOnce = openOnce;
    this.#retries = retries;
    this.#signal = signal;
  }

  /** @returns null when there is nothing to stream */
  async open(
    operation: Operation<never>,
  ): Promise<{ readonly events: AsyncIterable<ServerSentEvent>; readonly requestId: string | undefined } | null> {
    for (;;) {
      const outcome = await this.#openOnce(operation);
      if ("error" in outcome) await this.waitAfter(outcome);
      else return outcome.answer && { events: readEvents(outcome.answer.body), requestId: outcome.answer.requestId };
    }
  }

  /** Something new came: the next failure is the first one. */
  progressed(): void {
    this.#retry = 0;
  }

  /** @throws the failure's error when another try is no use */
  async waitAfter(failure: Failure): Promise<void> {
    const forever = this.#retries === Number.POSITIVE_INFINITY;
    const retryAfterSeconds = forever
      ? Math.min(failure.retryAfterSeconds ?? 0, RETRY_AFTER_SECONDS_MAX)
      : failure.retryAfterSeconds;
    const delayMs = this.#retry < this.#retries ? retryDelayMs({ ...failure, retryAfterSeconds }, this.#retry) : null;
    if (delayMs === null) throw failure.error;
    this.#retry += 1;
    await delay(delayMs, this.#signal);
  }
}

/** @throws the error, when it is not that of a lost connection */
export function lostConnection(error: unknown): Failure {
  if (!(error instanceof BackscrollConnectionError)) throw error;
  return { error, retryable: true, mayHaveRun: true };
}
