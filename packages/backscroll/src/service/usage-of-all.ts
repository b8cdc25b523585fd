import { logText } from "../domain/logged-error.ts";
import { type DayOfAll, foldUsage, listUsersToFold, sumUsageByDay } from "../postgres/usage.ts";
import type { Deps } from "./deps.ts";

const DAYS = 30;
const DAY_MS = 86_400_000;
/** Whoever asks waits so long for what is not counted yet. */
const WAIT_MS = 500;
const PAUSE_MS_MIN = 5_000;
/** Counting may take a twentieth of the time. */
const PAUSE_TIMES = 20;

/** What everybody said, by day. */
export interface UsageOfAll {
  /** the last 30 days, those on which nothing was said left out */
  readonly days: readonly DayOfAll[];
  /** false: some of it is still being counted */
  readonly complete: boolean;
}

/**
 * Messages and tokens a day over all users, from the same rollup as everybody's own usage. What is not in it yet is
 * added when somebody looks: a little at a time, beside the answer, and never all the time.
 *
 * @returns reads it; rejects with database_unavailable
 */
export function createUsageOfAll(deps: Deps): () => Promise<UsageOfAll> {
  let folding: Promise<void> | null = null;
  let nextAt = 0;
  const fold = async (): Promise<void> => {
    const startedAt = performance.now();
    try {
      for (const userId of await listUsersToFold(deps.db)) {
        if (deps.stopping.aborted) return;
        await foldUsage(deps.db, userId);
      }
    } catch (error) {
      // Somebody was erased meanwhile, or PostgreSQL went away: the next look goes on.
      deps.log.debug({ error: logText(error) }, "usage was not counted to its end");
    } finally {
      folding = null;
      const now = performance.now();
      nextAt = now + Math.max(PAUSE_MS_MIN, (now - startedAt) * PAUSE_TIMES);
    }
  };
  return async () => {
    if (performance.now() >= nextAt) folding ??= deps.track(fold());
    const waiting = new AbortController();
    if (folding) await Promise.race([folding, pause(WAIT_MS, waiting.signal)]);
    waiting.abort();
    const complete = folding === null;
    const from = new Date(Date.now() - (DAYS - 1) * DAY_MS).toISOString().slice(0, 10);
    return { days: await sumUsageByDay(deps.db, from), complete };
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => clearTimeout(timer));
  return promise;
}
