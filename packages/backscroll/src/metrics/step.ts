import { type Buckets, histogramQuantile } from "./quantile.ts";
import {
  COUNT_NAMES,
  type CountName,
  GAUGE_NAMES,
  type Gauges,
  type Reading,
  TIMES_NAMES,
  type TimesName,
} from "./reading.ts";

/** null: nothing was measured */
export interface Quantiles {
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

/** One route's answers in a step. */
export interface RouteStep extends Quantiles {
  /** e.g. `GET /api/me` */
  readonly name: string;
  readonly requests: number;
}

/** What happened between two readings; of gauges, the highest that was seen. */
export interface Step {
  /** its end */
  readonly atMs: number;
  readonly seconds: number;
  readonly counts: Readonly<Record<CountName, number>>;
  /** in seconds */
  readonly times: Readonly<Record<TimesName, Quantiles>>;
  readonly gauges: Gauges;
  /** the busiest, at most `ROUTES_A_STEP` */
  readonly routes: readonly RouteStep[];
}

export const ROUTES_A_STEP = 6;

export function stepBetween(before: Reading, after: Reading, peaks: Gauges): Step {
  const counts = Object.fromEntries(COUNT_NAMES.map((name) => [name, after.counts[name] - before.counts[name]]));
  const times = Object.fromEntries(
    TIMES_NAMES.map((name) => [name, quantilesOf(since(before.times[name], after.times[name]))]),
  );
  return {
    atMs: after.atMs,
    seconds: (after.atMs - before.atMs) / 1_000,
    counts: counts as Record<CountName, number>,
    times: times as Record<TimesName, Quantiles>,
    gauges: peaks,
    routes: busiestRoutes(before, after),
  };
}

/** @returns the higher of each */
export function peaksOf(one: Gauges, other: Gauges): Gauges {
  return Object.fromEntries(GAUGE_NAMES.map((name) => [name, peak(one[name], other[name])])) as unknown as Gauges;
}

function peak(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : Math.max(one, other);
}

/** @returns what a histogram gained */
export function since(before: Buckets | undefined, after: Buckets): Buckets {
  return { bounds: after.bounds, atMost: after.atMost.map((count, index) => count - (before?.atMost[index] ?? 0)) };
}

function busiestRoutes(before: Reading, after: Reading): readonly RouteStep[] {
  const active = [...after.routes].flatMap(([name, buckets]) => {
    const gained = since(before.routes.get(name), buckets);
    const requests = gained.atMost.at(-1) ?? 0;
    return requests > 0 ? [{ name, requests, gained }] : [];
  });
  return active
    .toSorted((a, b) => b.requests - a.requests)
    .slice(0, ROUTES_A_STEP)
    .map(({ name, requests, gained }) => ({ name, requests, ...quantilesOf(gained) }));
}

function quantilesOf(buckets: Buckets): Quantiles {
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((quantile) => histogramQuantile(quantile, buckets));
  return { p50: p50 ?? null, p95: p95 ?? null, p99: p99 ?? null };
}
