/** A call took longer than it may; it may or may not have happened. */
class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/**
 * @returns what the call gives, unless it takes longer than `ms`; then it goes on, and its end is nobody's business
 * @throws {DeadlineError}
 */
export async function withDeadline<Result>(call: Promise<Result>, ms: number): Promise<Result> {
  const { promise: tooLate, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    // A busy process runs its timers before it reads its sockets: the reply may have been there in time.
    setImmediate(() => reject(new DeadlineError(`no answer within ${ms} ms`)));
  }, ms);
  try {
    return await Promise.race([call, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
