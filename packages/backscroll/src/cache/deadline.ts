import { setImmediate, setTimeout as delay } from "node:timers/promises";

/** A call took longer than it may; it may or may not have happened. */
class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/**
 * What a reply gets beyond the deadline to come in. In a busy process the deadline can pass before the call was even
 * written, or while its reply waits to be read: then it is not the server that is late, and leaving it alone would make
 * the process busier still.
 */
const READING_MS = 5;

/**
 * @returns what the call gives, unless it takes longer than `ms`; then it goes on, and its end is nobody's business
 * @throws {DeadlineError}
 */
export async function withDeadline<Result>(call: Promise<Result>, ms: number): Promise<Result> {
  const { promise: tooLate, reject } = Promise.withResolvers<never>();
  const giveUp = async (): Promise<void> => {
    await delay(READING_MS);
    // Timers run before sockets are read.
    await setImmediate();
    reject(new DeadlineError(`no answer within ${ms} ms`));
  };
  const timer = setTimeout(() => void giveUp(), ms);
  try {
    return await Promise.race([call, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
