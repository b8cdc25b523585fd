import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** Where a read's answer came from: the cache; PostgreSQL, and the cache learns it; PostgreSQL, the cache left aside. */
export type ReadSource = "hit" | "miss" | "bypass";
export type CacheOperation = "read" | "lease" | "fill" | "append" | "invalidate" | "version";

/** What the cache counts. */
export interface CacheMetrics {
  read(source: ReadSource): void;
  fill(result: "installed" | "refused" | "failed" | "too_large"): void;
  /** `gap`: a change in between was missing, and the list is gone */
  append(result: "extended" | "ignored" | "gap" | "failed"): void;
  invalidation(result: "done" | "failed"): void;
  repair(): void;
  /** of a conversation that was not trusted, before it answered */
  check(result: "equal" | "different"): void;
  /** of one that had answered */
  audit(result: "equal" | "mismatch"): void;
  announcement(direction: "sent" | "heard" | "failed"): void;
  called(operation: CacheOperation, result: "ok" | "failed", ms: number): void;
}

/** What is read when the metrics are. */
interface CacheState {
  readonly dirtyCount: number;
  readonly isBypassed: boolean;
  readonly unavailableNodes: readonly string[];
}

export function createCacheMetrics(registry: Registry): CacheMetrics {
  const counter = <Label extends string>(name: string, help: string, labelNames: readonly Label[] = []) =>
    new Counter({ name: `backscroll_cache_${name}`, help, labelNames, registers: [registry] });
  const reads = counter("reads_total", "Reads of recent messages, by where the answer came from", ["result"]);
  const fills = counter("fills_total", "What a miss read, told to the cache; refused: something changed meanwhile", [
    "result",
  ]);
  const appends = counter("appends_total", "New messages told to the cache; gap: a change in between was missing", [
    "result",
  ]);
  const invalidations = counter("invalidations_total", "Other changes told to the cache", ["result"]);
  const repairs = counter(
    "repairs_total",
    "Conversations taken out of the cache after it could not be told of a change",
  );
  const checks = counter("checks_total", "Cached versions compared with PostgreSQL before they were trusted", [
    "result",
  ]);
  const audits = counter("audits_total", "Cached versions compared with PostgreSQL after they had answered");
  const mismatches = counter(
    "audit_mismatch_total",
    "Audits that found the cache behind: without a known cause (somebody writing past Backscroll), a bug",
  );
  const announcements = counter("announcements_total", "Conversations told to, and by, other servers", ["direction"]);
  const calls = new Histogram({
    name: "backscroll_cache_call_duration_seconds",
    help: "Time of one call to the cache, its deadline included",
    labelNames: ["operation", "result"],
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1],
    registers: [registry],
  });
  return {
    read: (result) => reads.inc({ result }),
    fill: (result) => fills.inc({ result }),
    append: (result) => appends.inc({ result }),
    invalidation: (result) => invalidations.inc({ result }),
    repair: () => repairs.inc(),
    check: (result) => checks.inc({ result }),
    audit(result) {
      audits.inc();
      if (result === "mismatch") mismatches.inc();
    },
    announcement: (direction) => announcements.inc({ direction }),
    called: (operation, result, ms) => calls.observe({ operation, result }, ms / 1_000),
  };
}

/** Adds what is known only when asked. */
export function registerCacheState(registry: Registry, state: CacheState): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    const made: Gauge = new Gauge({
      name: `backscroll_cache_${name}`,
      help,
      // Each process knows of the same servers and conversations.
      aggregator: "max",
      registers: [registry],
      collect: () => made.set(read()),
    });
  };
  gauge(
    "dirty_conversations",
    "Conversations read from PostgreSQL until the cache is known to be right again",
    () => state.dirtyCount,
  );
  gauge("bypassed", "1 while every read leaves the cache aside", () => Number(state.isBypassed));
  gauge(
    "breaker_open",
    "Servers of the cache that do not answer and are left alone",
    () => state.unavailableNodes.length,
  );
}
