import * as fc from "fast-check";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { expect, test } from "vitest";
import { type Buckets, histogramQuantile } from "../src/metrics/quantile.ts";
import { SAMPLE_MS, Sampler, type Window } from "../src/metrics/sampler.ts";
import { sourceOf } from "../src/metrics/source.ts";

const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];
const START = Date.parse("2026-01-01T00:00:00.000Z");
const MINUTE_MS = 60_000;

function bucketsOf(values: readonly number[]): Buckets {
  const bounds = [...BOUNDS, Number.POSITIVE_INFINITY];
  return { bounds, atMost: Float64Array.from(bounds, (bound) => values.filter((value) => value <= bound).length) };
}

/** A service of which only the registry is there. */
function registryOfOne(): {
  registry: Registry;
  request: (route: string, seconds: number, status?: string) => void;
  read: (result: string) => void;
  connections: Gauge;
} {
  const registry = new Registry();
  const http = new Histogram({
    name: "backscroll_http_request_duration_seconds",
    help: "-",
    labelNames: ["method", "route", "status"],
    buckets: BOUNDS,
    registers: [registry],
  });
  const reads = new Counter({
    name: "backscroll_cache_reads_total",
    help: "-",
    labelNames: ["result"],
    registers: [registry],
  });
  const connections = new Gauge({
    name: "backscroll_postgres_connections",
    help: "-",
    labelNames: ["state"],
    registers: [registry],
  });
  return {
    registry,
    request: (route, seconds, status = "2xx") => http.observe({ method: "GET", route, status }, seconds),
    read: (result) => reads.inc({ result }),
    connections,
  };
}

test("a quantile lies in the bucket of the exact one", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 1e-6, max: 2, noNaN: true }), { minLength: 1, maxLength: 300 }),
      fc.constantFrom(0.5, 0.95, 0.99),
      (values, quantile) => {
        const exact = values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(quantile * values.length) - 1)] ?? 0;
        const upper = BOUNDS.find((bound) => exact <= bound);
        const estimated = histogramQuantile(quantile, bucketsOf(values)) ?? Number.NaN;
        if (upper === undefined) expect(estimated).toBe(1);
        else {
          expect(estimated).toBeGreaterThanOrEqual(BOUNDS[BOUNDS.indexOf(upper) - 1] ?? 0);
          expect(estimated).toBeLessThanOrEqual(upper);
        }
      },
    ),
  );
});

test("a quantile is what Prometheus' histogram_quantile says", () => {
  // 10 in (0.005, 0.01], 10 in (0.01, 0.025]
  const buckets = bucketsOf([...Array.from({ length: 10 }, () => 0.007), ...Array.from({ length: 10 }, () => 0.02)]);
  expect(histogramQuantile(0.5, buckets)).toBeCloseTo(0.01, 10);
  expect(histogramQuantile(0.75, buckets)).toBeCloseTo(0.0175, 10);
  expect(histogramQuantile(0.25, buckets)).toBeCloseTo(0.0075, 10);
  expect(histogramQuantile(0.5, bucketsOf([0.0001, 0.0002]))).toBeCloseTo(0.0005, 10);
  expect(histogramQuantile(0.99, bucketsOf([5, 6]))).toBe(1);
  expect(histogramQuantile(0.5, bucketsOf([]))).toBeNull();
  expect(histogramQuantile(0.5, { bounds: [], atMost: new Float64Array() })).toBeNull();
});

function everyMs(ms: number, untilMs: number): number[] {
  return Array.from({ length: untilMs / ms }, (_, i) => (i + 1) * ms);
}

test("eight days fit into the same memory, and each window has what happened in it", async () => {
  const { registry, request, read } = registryOfOne();
  const sampler = new Sampler(sourceOf(registry), START);
  const { bytes } = sampler;
  expect(bytes).toBeLessThan(600_000);
  // To the last hour every minute: finer than what is remembered of it; each time there is one request.
  const days = 8 * 24 * 60 * MINUTE_MS;
  const times = [...everyMs(MINUTE_MS, days - 60 * MINUTE_MS), ...everyMs(SAMPLE_MS, days).slice(-360)];
  for (const [i, ms] of times.entries()) {
    request(`/api/${i % 40}`, 0.02, i % 10 === 0 ? "5xx" : "2xx");
    read(i % 5 === 0 ? "miss" : "hit");
    await sampler.sample(START + ms);
  }
  expect(sampler.bytes).toBe(bytes);
  const requests: Record<Window, number> = { "15m": 90, "1h": 360, "24h": 23 * 60 + 360, "7d": 167 * 60 + 360 };
  const steps: Record<Window, number> = { "15m": 90, "1h": 360, "24h": 720, "7d": 672 };
  for (const window of ["15m", "1h", "24h", "7d"] as const) {
    const found = sampler.steps(window);
    expect(found.length).toBe(steps[window]);
    const total = (name: "requests" | "serverErrors" | "hit" | "miss"): number =>
      found.reduce((sum, { counts }) => sum + counts[name], 0);
    const all = requests[window];
    expect([total("requests"), total("serverErrors"), total("hit"), total("miss")]).toEqual([
      all,
      all / 10,
      (all * 4) / 5,
      all / 5,
    ]);
    expect(found.every(({ times }) => Math.abs((times.latency.p50 ?? 0) - 0.0175) < 1e-6)).toBe(true);
    expect(found.every(({ routes }) => routes.length <= 6)).toBe(true);
    expect(found.at(-1)?.atMs).toBe(START + days);
  }
  expect(sampler.recent()).toMatchObject({ requests: 30, requestsPerSecond: 0.1, errorPercent: 10 });
});

test("a step that is not over yet is told with its own length, and is not counted again when it is", async () => {
  const { registry, request } = registryOfOne();
  const sampler = new Sampler(sourceOf(registry), START);
  const at = (ms: number): Promise<void> => sampler.sample(START + ms);
  const told = (): (readonly number[])[] =>
    sampler.steps("24h").map(({ counts, seconds }) => [counts.requests, seconds]);
  request("/a", 0.01);
  await at(10_000);
  expect(told()).toEqual([[1, 10]]);
  request("/a", 0.01);
  await at(20_000);
  expect(told()).toEqual([[2, 20]]);
  for (let ms = 30_000; ms <= 120_000; ms += 10_000) await at(ms);
  expect(told()).toEqual([[2, 120]]);
  request("/a", 0.01);
  await at(130_000);
  expect(told()).toEqual([
    [2, 120],
    [1, 10],
  ]);
  expect(sampler.steps("15m").map(({ counts }) => counts.requests)).toEqual([1, 1, ...Array(10).fill(0), 1]);
});

test("of connections a step remembers the most, and what was never measured is not zero", async () => {
  const { registry, connections } = registryOfOne();
  const sampler = new Sampler(sourceOf(registry), START);
  for (const [i, waiting] of [0, 7, 1].entries()) {
    connections.set({ state: "waiting" }, waiting);
    await sampler.sample(START + (i + 1) * SAMPLE_MS);
  }
  expect(sampler.steps("15m").map(({ gauges }) => gauges.waiting)).toEqual([0, 7, 1]);
  expect(sampler.steps("7d").map(({ gauges }) => gauges.waiting)).toEqual([7]);
  expect(sampler.steps("7d")[0]?.gauges).toMatchObject({ busy: null, heap: null, redisAway: null });
  expect(sampler.steps("7d")[0]?.times.latency).toEqual({ p50: null, p95: null, p99: null });
});

test("a clock that is set back adds nothing until it is where it was", async () => {
  const { registry, request } = registryOfOne();
  const sampler = new Sampler(sourceOf(registry), START);
  request("/a", 0.01);
  await sampler.sample(START + SAMPLE_MS);
  request("/a", 0.01);
  await sampler.sample(START - MINUTE_MS);
  expect(sampler.steps("15m").length).toBe(1);
  await sampler.sample(START + 2 * SAMPLE_MS);
  expect(sampler.steps("15m").map(({ counts }) => counts.requests)).toEqual([1, 1]);
});
