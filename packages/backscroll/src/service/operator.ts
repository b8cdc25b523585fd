import { BackscrollError } from "../domain/errors.ts";
import { type Memory, NEWEST_STEPS, type Recent, type Window } from "../metrics/sampler.ts";
import type { Step } from "../metrics/step.ts";
import type { Deps } from "./deps.ts";
import { checkHealth } from "./health.ts";
import { createUsageOfAll, type UsageOfAll } from "./usage-of-all.ts";

/** Whoever asks waits no longer for PostgreSQL: that it does not answer is what the operator wants to see. */
const DATABASE_MS = 2_000;
/** Below so many requests a few errors say nothing. */
const REQUESTS_MIN = 20;
const ERROR_PERCENT_MAX = 5;

export const TROUBLES = [
  "stopping",
  "database_unavailable",
  "database_busy",
  "redis_unavailable",
  "cache_unavailable",
  "failing",
] as const;

/** Something that is not as it should be. */
interface Trouble {
  readonly code: (typeof TROUBLES)[number];
  /** for people */
  readonly detail: string;
}

/** How this server is, and was; all workers of this machine together. */
export interface OperatorReport {
  /** none: it is healthy */
  readonly troubles: readonly Trouble[];
  readonly version: string;
  readonly startedAt: Date;
  /** when the newest figures were taken */
  readonly sampledAt: Date;
  readonly recent: Recent;
  readonly repliesRunning: number;
  readonly streamsOpen: number;
  readonly steps: readonly Step[];
  readonly errorCodes: readonly { readonly code: string; readonly count: number }[];
  /** null: PostgreSQL does not answer */
  readonly usage: UsageOfAll | null;
}

export interface Operator {
  /** For admins: the caller has to see to that. */
  report(window: Window): Promise<OperatorReport>;
}

export function createOperator(
  deps: Deps,
  { memory, version }: { readonly memory: Memory; readonly version: string },
): Operator {
  const readUsage = createUsageOfAll(deps);
  return {
    async report(window) {
      const answers = inTime(Promise.all([readUsage(), checkHealth(deps)]), DATABASE_MS);
      const [answered, recalled] = await Promise.all([answers, memory.recall(window)]);
      const { recent, gauges } = recalled;
      const troubles: readonly (Trouble | null)[] = [
        deps.draining.aborted ? { code: "stopping", detail: "This server is stopping: it takes nothing new" } : null,
        databaseTrouble(answered !== null, recalled.newestSteps),
        cacheTrouble(deps, gauges.redisAway),
        failingTrouble(recent),
      ];
      return {
        troubles: troubles.filter((trouble) => trouble !== null),
        version,
        startedAt: new Date(recalled.startedAtMs),
        sampledAt: new Date(recalled.sampledAtMs),
        recent,
        repliesRunning: gauges.replies ?? 0,
        streamsOpen: gauges.streams ?? 0,
        steps: recalled.steps,
        errorCodes: recalled.errorCodes,
        usage: answered?.[0] ?? null,
      };
    },
  };
}

/** @param newest steps in a row */
function databaseTrouble(answers: boolean, newest: readonly Step[]): Trouble | null {
  if (!answers)
    return { code: "database_unavailable", detail: "PostgreSQL does not answer: nothing is read or saved, or slowly" };
  const starved = newest.length === NEWEST_STEPS && newest.every(({ gauges }) => (gauges.waiting ?? 0) > 0);
  if (!starved) return null;
  return { code: "database_busy", detail: "Requests wait for a connection to PostgreSQL: DATABASE_POOL_MAX is spent" };
}

function cacheTrouble({ cache }: Deps, redisAway: number | null): Trouble | null {
  if (redisAway !== null && redisAway > 0)
    return { code: "redis_unavailable", detail: "Redis unavailable: slower, nothing lost" };
  if (cache.state !== "unavailable") return null;
  return { code: "cache_unavailable", detail: "Cache left aside until it is known to be right: slower, nothing lost" };
}

function failingTrouble({ requests, errorPercent }: Recent): Trouble | null {
  if (errorPercent === null || requests < REQUESTS_MIN || errorPercent <= ERROR_PERCENT_MAX) return null;
  return { code: "failing", detail: `${Math.round(errorPercent)}% of the requests of the last 5 minutes failed here` };
}

/** @returns null when PostgreSQL does not answer, or not in time */
async function inTime<Result>(work: Promise<Result>, ms: number): Promise<Result | null> {
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(late.resolve, ms, null);
  const answer = work.catch((error: unknown) => {
    if (error instanceof BackscrollError && error.code === "database_unavailable") return null;
    throw error;
  });
  return Promise.race([answer, late.promise]).finally(() => clearTimeout(timer));
}
