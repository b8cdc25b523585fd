/** A call took longer than it may; it may or may not have happened. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/**
 * @returns what the call gives, unless it takes longer than `ms`; then it goes on, and its end is nobody's business
 * @throws {DeadlineError}
 */
export function withDeadline<Result>(call: Promise<Result>, ms: number): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      // A busy process runs its timers before it reads its sockets: the reply may have been there in time.
      setImmediate(() => reject(new DeadlineError(`no answer within ${ms} ms`)));
    }, ms);
    call.then(
      (result) => {
        clearTimeout(timer);
        resolve(result);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error as Error);
      },
    );
  });
}
