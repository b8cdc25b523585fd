import { BackscrollConnectionError } from "./errors.ts";

/** setTimeout counts in 32 bits and fires at once beyond them. */
const TIMER_MS_MAX = 2_147_483_647;

/** A signal for one attempt: aborts with the caller's, or when the time is up. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** The answer has begun: it may now take as long as it likes. */
  stopTimer(): void;
  /** From now on, the next piece of the answer must come within this time. Infinity: whenever it likes. */
  restartTimer(idleTimeoutMs: number): void;
  /** The answer has ended: lets go of the caller's signal, which may outlive many calls. */
  release(): void;
}

/** @param timeoutMs infinity: never */
export function startDeadline(outer: AbortSignal | undefined, timeoutMs: number): Deadline {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(outer?.reason);
  if (outer?.aborted) onAbort();
  outer?.addEventListener("abort", onAbort, { once: true });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stopTimer = (): void => clearTimeout(timer);
  const startTimer = (ms: number, missing: string): void => {
    stopTimer();
    const onTimeout = (): void =>
      controller.abort(new BackscrollConnectionError(`${missing} within ${ms} ms`, { timedOut: true }));
    if (ms <= TIMER_MS_MAX) timer = setTimeout(onTimeout, ms);
  };
  startTimer(timeoutMs, "no answer");
  return {
    signal: controller.signal,
    stopTimer,
    restartTimer: (idleTimeoutMs) => startTimer(idleTimeoutMs, "no byte"),
    release() {
      stopTimer();
      outer?.removeEventListener("abort", onAbort);
    },
  };
}

/** Rejects with the signal's reason at once when it aborts, whether or not the work listens to it. */
export function untilAborted<Value>(signal: AbortSignal, work: Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/** @throws the signal's reason, at once when it aborts */
export function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
