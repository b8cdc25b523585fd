import { attempt, type Connection, type Read, readEventStream, readJson, readStream } from "./attempt.ts";
import { delay } from "./deadline.ts";
import { BackscrollApiError } from "./errors.ts";
import type { Operation, RequestOptions, Send, StreamOptions } from "./operation.ts";
import { Reconnecting } from "./reconnecting.ts";
import { retryDelayMs } from "./retry.ts";

const TIMEOUT_MS = 60_000;
const RETRIES = 2;
/** Three keep-alives of the service. */
const IDLE_TIMEOUT_MS = 45_000;

export interface SendSettings extends Connection {
  readonly timeoutMs?: number | undefined;
  readonly retries?: number | undefined;
}

/** @returns what sends every call of a client, again where that helps */
export function createSend(settings: SendSettings): Send {
  const run = async <Answer>(
    operation: Operation<Answer>,
    options: RequestOptions,
    read: Read<Answer>,
  ): Promise<Answer> => {
    const retries = options.retries ?? settings.retries ?? RETRIES;
    const timeoutMs = options.timeoutMs ?? settings.timeoutMs ?? operation.timeoutMs ?? TIMEOUT_MS;
    let mayHaveRun = false;
    for (let retry = 0; ; retry += 1) {
      const outcome = await attempt(settings, operation, { signal: options.signal, timeoutMs, read });
      if (!("error" in outcome)) return outcome.answer;
      const { error } = outcome;
      if (mayHaveRun && error instanceof BackscrollApiError && !outcome.retryable && operation.afterLostAnswer) {
        return operation.afterLostAnswer(error);
      }
      const delayMs = retry < retries ? retryDelayMs(outcome, retry) : null;
      if (delayMs === null) throw error;
      mayHaveRun ||= outcome.mayHaveRun;
      await delay(delayMs, options.signal);
    }
  };
  const connect = (options: StreamOptions, retriesDefault: number): Reconnecting => {
    const { signal, timeoutMs = settings.timeoutMs ?? TIMEOUT_MS, idleTimeoutMs = IDLE_TIMEOUT_MS } = options;
    const attemptOptions = { signal, timeoutMs, read: readEventStream(idleTimeoutMs) };
    const retries = options.retries ?? settings.retries ?? retriesDefault;
    return new Reconnecting((operation) => attempt(settings, operation, attemptOptions), { retries, signal });
  };
  return Object.assign(
    <Answer>(operation: Operation<Answer>, options: RequestOptions = {}) => run(operation, options, readJson<Answer>),
    {
      stream: (operation: Operation<never>, options: RequestOptions = {}) =>
        run<ReadableStream<Uint8Array>>(operation, options, (response, deadline) => readStream(response, deadline)),
      connect,
    },
  );
}
