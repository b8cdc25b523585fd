import { setTimeout as pause } from "node:timers/promises";
import { errorMessage } from "../../domain/errors.ts";
import { BenchError } from "./bench-error.ts";
import { refusal } from "./conversations.ts";
import type { Samples } from "./samples.ts";
import { type Answer, codeOf, type Question, type Target } from "./target.ts";

/** What bounds a load, and how it comes. */
export interface LoadOptions {
  readonly senders: number;
  readonly seconds: number;
  /** all senders' together, at most */
  readonly requests: number;
  /** steps a second of all senders together; null: a closed loop, each goes on as soon as it is answered */
  readonly rate: number | null;
  /** ends it early; what is under way is answered first */
  readonly signal: AbortSignal;
  /** told a few times a second */
  readonly onProgress: (elapsedMs: number, requests: number) => void;
}

/** Asks, and keeps the time under this name; a name that depends on the answer is made from it. */
export type Measure = (name: string | ((answer: Answer) => string), question: Question) => Promise<void>;

/** A sender that is not answered waits a moment: a service that is away is not asked as fast as one can. */
const AFTER_FAILURE_MS = 100;

/** Nothing more is to be asked. */
class Over extends Error {}

/**
 * Lets senders take step after step. At a fixed rate, a request that had to wait for a free sender counts from when it
 * was due, so that a service that falls behind does not hide it (coordinated omission).
 *
 * @returns seconds that it took
 * @throws {BenchError} when the service limits requests
 */
export async function runLoad(
  target: Target,
  samples: Samples,
  { senders, seconds, requests, rate, signal, onProgress }: LoadOptions,
  step: (measure: Measure) => Promise<void>,
): Promise<number> {
  const startedAt = performance.now();
  const elapsedMs = (): number => performance.now() - startedAt;
  const stopping = new AbortController();
  const over = AbortSignal.any([signal, stopping.signal]);
  let [asked, steps] = [0, 0];

  const createMeasure = (lateMs: number): Measure => {
    let owedMs = lateMs;
    return async (name, question) => {
      if (over.aborted || asked >= requests) throw new Over();
      asked += 1;
      let answer: Answer;
      try {
        answer = await target.ask(question);
      } catch (error) {
        samples.failed(nameOf(name, null), failureCode(error));
        await pause(AFTER_FAILURE_MS);
        return;
      }
      if (answer.status === 429) throw refusal(answer, "");
      if (answer.status >= 300) return samples.failed(nameOf(name, null), codeOf(answer));
      samples.succeeded(nameOf(name, answer), answer.ms + owedMs);
      owedMs = 0;
    };
  };
  const send = async (): Promise<void> => {
    while (!over.aborted && elapsedMs() < seconds * 1_000) {
      const dueMs = rate === null ? elapsedMs() : (steps++ * 1_000) / rate;
      if (dueMs >= seconds * 1_000) return;
      const earlyMs = dueMs - elapsedMs();
      if (earlyMs > 0) await pause(earlyMs, undefined, { signal: over }).catch(() => undefined);
      await step(createMeasure(Math.max(0, rate === null ? 0 : elapsedMs() - dueMs))).catch(async (error: unknown) => {
        if (error instanceof Over || error instanceof BenchError) throw error;
        samples.failed("open", failureCode(error));
        await pause(AFTER_FAILURE_MS);
      });
    }
  };
  const timer = setInterval(() => onProgress(elapsedMs(), asked), 100);
  try {
    await allDone(
      Array.from({ length: senders }, () =>
        send().catch((error: unknown) => {
          stopping.abort();
          if (!(error instanceof Over)) throw error;
        }),
      ),
    );
  } finally {
    clearInterval(timer);
  }
  return elapsedMs() / 1_000;
}

/** Waits for all of them, and only then throws what the first one threw: nobody is still at it. */
export async function allDone(work: readonly Promise<void>[]): Promise<void> {
  const ends = await Promise.allSettled(work);
  const failed = ends.find((end) => end.status === "rejected");
  if (failed) throw failed.reason;
}

function failureCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : errorMessage(error);
}

function nameOf(name: string | ((answer: Answer) => string), answer: Answer | null): string {
  if (typeof name === "string") return name;
  return answer === null ? "read" : name(answer);
}
