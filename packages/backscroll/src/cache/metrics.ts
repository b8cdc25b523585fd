import { Counter, Gauge, Histogram, type Registry } from "prom-client";

const READ_SOURCES = ["hit", "miss", "bypass"] as const;
/** Where a read's answer came from: the cache; PostgreSQL, and the cache learns it; PostgreSQL, the cache left aside. */
export type ReadSource = (typeof READ_SOURCES)[number];
export type CacheOperation = "read" | "lease" | "fill" | "append" | "invalidate" | "version";

/** What the cache counts. */
export interface CacheMetrics {
  read(source: ReadSource, ms: number): void;
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
  const plain = (name: string, help: string) =>
    new Counter({ name: `backscroll_cache_${name}`, help, registers: [registry] });
  const counter = <Value extends string>(name: string, help: string, values: readonly Value[], label = "result") => {
    const made = new Counter({ name: `backscroll_cache_${name}`, help, labelNames: [label], registers: [registry] });
    // What never happened is 0: an alert needs something to rise from.
    for (const value of values) made.inc({ [label]: value }, 0);
    return (value: Value): void => made.inc({ [label]: value });
  };
  const countRead = counter("reads_total", "Reads of recent messages, by where the answer came from", READ_SOURCES);
  const duration = new Histogram({
    name: "backscroll_read_duration_seconds",
    help: "Time of reading messages, by where the answer came from",
    labelNames: ["source"],
    // 10 ms for a hit and 100 ms for a miss are promised: bounds, so that who keeps them is counted, not estimated.
    buckets: [
      0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25,
      0.5, 1, 2.5, 5, 10,
    ],
    registers: [registry],
  });
  for (const source of READ_SOURCES) duration.zero({ source });
  const fill = counter("fills_total", "What a miss read, told to the cache; refused: something changed meanwhile", [
    "installed",
    "refused",
    "failed",
    "too_large",
  ]);
  const append = counter("appends_total", "New messages told to the cache; gap: a change in between was missing", [
    "extended",
    "ignored",
    "gap",
    "failed",
  ]);
  const invalidation = counter("invalidations_total", "Other changes told to the cache", ["done", "failed"]);
  const repairs = plain("repairs_total", "Conversations taken out of the cache after it could not be told of a change");
  const check = counter("checks_total", "Cached versions compared with PostgreSQL before they were trusted", [
    "equal",
    "different",
  ]);
  const audits = plain("audits_total", "Cached versions compared with PostgreSQL after they had answered");
  const mismatches = plain(
    "audit_mismatch_total",
    "Audits that found the cache behind: without a known cause (somebody writing past Backscroll), a bug",
  );
  const announcement = counter(
    "announcements_total",
    "Conversations told to, and by, other servers",
    ["sent", "heard", "failed"],
    "direction",
  );
  const calls = new Histogram({
    name: "backscroll_cache_call_duration_seconds",
    help: "Time of one call to the cache, its deadline included",
    labelNames: ["operation", "result"],
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1],
    registers: [registry],
  });
  return {
    read(source, ms) {
      countRead(source);
      duration.observe({ source }, ms / 1_000);
    },
    fill,
    append,
    invalidation,
    repair: () => repairs.inc(),
    check,
    audit(result) {
      audits.inc();
      if (result === "mismatch") mismatches.inc();
    },
    announcement,
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
