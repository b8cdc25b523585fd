import { attempt, type Connection, type Read, readJson, readStream } from "./attempt.ts";
import { delay } from "./deadline.ts";
import { BackscrollApiError } from "./errors.ts";
import type { Operation, RequestOptions, Send } from "./operation.ts";
import { retryDelayMs } from "./retry.ts";

const TIMEOUT_MS = 60_000;
const RETRIES = 2;

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
  return Object.assign(
    <Answer>(operation: Operation<Answer>, options: RequestOptions = {}) => run(operation, options, readJson<Answer>),
    {
      stream: (operation: Operation<never>, options: RequestOptions = {}) =>
        run<ReadableStream<Uint8Array>>(operation, options, readStream),
    },
  );
}
