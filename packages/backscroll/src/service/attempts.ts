import { logText } from "../domain/logged-error.ts";
import type { Deps } from "./deps.ts";

/** When so many have failed in a row, it is not about them. */
const FAILURES_MAX = 10;

/**
 * For work on one after the other: one that fails is logged, and keeps no other from its turn.
 *
 * @param what has failed then, for the log
 * @returns does the work for one of them @throws what the work throws, once too many have failed in a row
 */
export function createAttempts(
  { log, stopping }: Pick<Deps, "log" | "stopping">,
  what: string,
): (userId: number, work: () => Promise<unknown>) => Promise<void> {
  let failures = 0;
  return async (userId, work) => {
    try {
      await work();
      failures = 0;
    } catch (error) {
      failures += 1;
      if (stopping.aborted || failures === FAILURES_MAX) throw error;
      log.warn({ userId, error: logText(error) }, what);
    }
  };
}
