import type { MetricValue } from "prom-client";
import type { Buckets } from "./quantile.ts";
import type { MetricsSource } from "./source.ts";

/** What counters and histograms said at one moment, since the start; and gauges, at that moment. */
export interface Reading {
  readonly atMs: number;
  readonly counts: Readonly<Record<CountName, number>>;
  readonly times: Readonly<Record<TimesName, Buckets>>;
  /** answers by method and route template, e.g. `GET /api/me` */
  readonly routes: ReadonlyMap<string, Buckets>;
  readonly gauges: Gauges;
}

/** null: not measured here */
export type Gauges = Readonly<Record<GaugeName, number | null>>;

export const COUNT_NAMES = [
  "requests",
  "clientErrors",
  "serverErrors",
  "hit",
  "miss",
  "bypass",
  "user",
  "assistant",
  "system",
  "tool",
] as const;
export type CountName = (typeof COUNT_NAMES)[number];

export const TIMES_NAMES = ["latency", "firstToken", "queries", "eventLoop"] as const;
export type TimesName = (typeof TIMES_NAMES)[number];

export const GAUGE_NAMES = ["busy", "idle", "waiting", "redisAway", "resident", "heap", "replies", "streams"] as const;
type GaugeName = (typeof GAUGE_NAMES)[number];

const HTTP = "backscroll_http_request_duration_seconds";
const TIMES: Readonly<Record<TimesName, string>> = {
  latency: HTTP,
  firstToken: "backscroll_reply_first_token_seconds",
  queries: "backscroll_postgres_query_duration_seconds",
  eventLoop: "backscroll_event_loop_lag_seconds",
};

const READS = "backscroll_cache_reads_total";
const SAVED = "backscroll_messages_saved_total";
const ERRORS = "backscroll_errors_total";
const GAUGES = {
  connections: "backscroll_postgres_connections",
  links: "backscroll_redis_up",
  // Total and used are set together, by whoever reads the total.
  heapTotal: "nodejs_heap_size_total_bytes",
  heap: "nodejs_heap_size_used_bytes",
  resident: "process_resident_memory_bytes",
  replies: "backscroll_replies_running",
  streams: "backscroll_event_streams_open",
} as const;
const GAUGES_READ = Object.values(GAUGES);

type Values = readonly MetricValue<string>[];
/** @returns none of a metric that is not there: part of them belongs to a process that is Backscroll alone */
type ValuesOf = (name: string) => Values;
const NOTHING: Buckets = { bounds: [], atMost: new Float64Array() };

export function emptyReading(atMs: number): Reading {
  const counts = Object.fromEntries(COUNT_NAMES.map((name) => [name, 0])) as Record<CountName, number>;
  const times = Object.fromEntries(TIMES_NAMES.map((name) => [name, NOTHING])) as Record<TimesName, Buckets>;
  const gauges = Object.fromEntries(GAUGE_NAMES.map((name) => [name, null])) as Record<GaugeName, null>;
  return { atMs, counts, times, routes: new Map(), gauges };
}

/**
 * Reads what the operator's page shows: these metrics and no others, since reading some of prom-client's own begins
 * them anew.
 */
export async function readFigures(source: MetricsSource, atMs: number): Promise<Reading> {
  const valuesOf = await readValues(source, [...Object.values(TIMES), READS, SAVED, ...GAUGES_READ]);
  const http = valuesOf(HTTP);
  const cache = valuesOf(READS);
  const saved = valuesOf(SAVED);
  const statuses = sumBy(countsOf(http), "status");
  const times = { ...emptyReading(atMs).times };
  for (const name of TIMES_NAMES) times[name] = bucketsBy(valuesOf(TIMES[name]), () => "").get("") ?? NOTHING;
  return {
    atMs,
    counts: {
      requests: [...statuses.values()].reduce((sum, count) => sum + count, 0),
      clientErrors: statuses.get("4xx") ?? 0,
      serverErrors: statuses.get("5xx") ?? 0,
      ...countsNamed(["hit", "miss", "bypass"], sumBy(cache, "result")),
      ...countsNamed(["user", "assistant", "system", "tool"], sumBy(saved, "role")),
    },
    times,
    routes: bucketsBy(http, ({ method, route }) => `${method} ${route}`),
    gauges: gaugesIn(valuesOf),
  };
}

export async function readGauges(source: MetricsSource): Promise<Gauges> {
  return gaugesIn(await readValues(source, GAUGES_READ));
}

function gaugesIn(valuesOf: ValuesOf): Gauges {
  const pool = sumBy(valuesOf(GAUGES.connections), "state");
  const links = valuesOf(GAUGES.links);
  const one = (name: string): number | null => valuesOf(name)[0]?.value ?? null;
  return {
    busy: pool.get("busy") ?? null,
    idle: pool.get("idle") ?? null,
    waiting: pool.get("waiting") ?? null,
    redisAway: links.length === 0 ? null : links.filter(({ value }) => value === 0).length,
    resident: one(GAUGES.resident),
    heap: one(GAUGES.heap),
    replies: one(GAUGES.replies),
    streams: sumAll(valuesOf(GAUGES.streams)),
  };
}

/** @returns how often each code was answered since the start, the most frequent first */
export async function readErrorCodes(source: MetricsSource): Promise<readonly { code: string; count: number }[]> {
  const codes = sumBy((await readValues(source, [ERRORS]))(ERRORS), "code");
  return [...codes]
    .map(([code, count]) => ({ code, count }))
    .filter(({ count }) => count > 0)
    .toSorted((a, b) => b.count - a.count || (a.code < b.code ? -1 : 1));
}

async function readValues(source: MetricsSource, names: readonly string[]): Promise<ValuesOf> {
  const values = new Map((await source.read(names)).map((metric) => [metric.name, metric.values]));
  return (name) => values.get(name) ?? [];
}

function countsOf(histogram: Values): Values {
  return histogram.filter((value) => "metricName" in value && String(value.metricName).endsWith("_count"));
}

function countsNamed<Name extends CountName>(
  names: readonly Name[],
  sums: ReadonlyMap<string, number>,
): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, sums.get(name) ?? 0])) as Record<Name, number>;
}

function sumAll(values: Values): number {
  return values.reduce((sum, { value }) => sum + value, 0);
}

function sumBy(values: Values, label: string): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const { labels, value } of values) {
    const key = String(labels[label]);
    sums.set(key, (sums.get(key) ?? 0) + value);
  }
  return sums;
}

/** Adds up the buckets of all of a histogram's series with the same key. */
function bucketsBy(
  histogram: Values,
  keyOf: (labels: Values[number]["labels"]) => string,
): ReadonlyMap<string, Buckets> {
  const found = new Map<string, { bounds: number[]; atMost: number[] }>();
  let index = 0;
  for (const { labels, value } of histogram) {
    const { le } = labels;
    if (le === undefined) {
      index = 0; // the sum and the count, after a series' buckets
      continue;
    }
    const key = keyOf(labels);
    const buckets = found.get(key) ?? { bounds: [], atMost: [] };
    found.set(key, buckets);
    buckets.bounds[index] = le === "+Inf" ? Number.POSITIVE_INFINITY : Number(le);
    buckets.atMost[index] = (buckets.atMost[index] ?? 0) + value;
    index += 1;
  }
  return new Map([...found].map(([key, { bounds, atMost }]) => [key, { bounds, atMost: Float64Array.from(atMost) }]));
}
