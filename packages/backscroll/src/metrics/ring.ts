import { COUNT_NAMES, GAUGE_NAMES, TIMES_NAMES } from "./reading.ts";
import { type Quantiles, ROUTES_A_STEP, type RouteStep, type Step } from "./step.ts";

const QUANTILES = ["p50", "p95", "p99"] as const satisfies readonly (keyof Quantiles)[];
/** In a row: seconds, counts, three quantiles of each histogram, gauges. */
const ROW = 1 + COUNT_NAMES.length + TIMES_NAMES.length * QUANTILES.length + GAUGE_NAMES.length;
/** Of one route: which, how many requests, and their quantiles. */
const ROUTE = 2 + QUANTILES.length;

/** The newest steps, in memory that is taken once and does not grow: 4 bytes a figure. */
export class StepRing {
  readonly capacity: number;
  readonly #rows: Float32Array;
  readonly #routes: Float32Array;
  /** seconds since 1970 do not fit into 4 bytes */
  readonly #atMs: Float64Array;
  /** by number; the API has so many routes and no more */
  readonly #routeNames: string[] = [];
  #pushed = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#rows = new Float32Array(capacity * ROW);
    this.#routes = new Float32Array(capacity * ROUTES_A_STEP * ROUTE);
    this.#atMs = new Float64Array(capacity);
  }

  get bytes(): number {
    return this.#rows.byteLength + this.#routes.byteLength + this.#atMs.byteLength;
  }

  push(step: Step): void {
    const at = this.#pushed % this.capacity;
    this.#atMs[at] = step.atMs;
    this.#rows.set(
      [
        step.seconds,
        ...COUNT_NAMES.map((name) => step.counts[name]),
        ...TIMES_NAMES.flatMap((name) => QUANTILES.map((quantile) => packed(step.times[name][quantile]))),
        ...GAUGE_NAMES.map((name) => packed(step.gauges[name])),
      ],
      at * ROW,
    );
    const routes = this.#routes.subarray(at * ROUTES_A_STEP * ROUTE, (at + 1) * ROUTES_A_STEP * ROUTE);
    routes.fill(Number.NaN);
    for (const [index, route] of step.routes.entries()) {
      const quantiles = QUANTILES.map((quantile) => packed(route[quantile]));
      routes.set([this.#numberOf(route.name), route.requests, ...quantiles], index * ROUTE);
    }
    this.#pushed += 1;
  }

  /** @returns the steps that ended after this, oldest first */
  stepsAfter(ms: number): readonly Step[] {
    const length = Math.min(this.#pushed, this.capacity);
    return Array.from({ length }, (_, i) => (this.#pushed - length + i) % this.capacity)
      .filter((at) => (this.#atMs[at] ?? 0) > ms)
      .map((at) => this.#stepAt(at));
  }

  #stepAt(at: number): Step {
    const values = this.#rows.subarray(at * ROW, (at + 1) * ROW).values();
    const next = (): number => values.next().value ?? Number.NaN;
    return {
      atMs: this.#atMs[at] ?? 0,
      seconds: next(),
      counts: record(COUNT_NAMES, next),
      times: record(TIMES_NAMES, () => record(QUANTILES, () => unpacked(next()))),
      gauges: record(GAUGE_NAMES, () => unpacked(next())),
      routes: this.#routesAt(at),
    };
  }

  #routesAt(at: number): readonly RouteStep[] {
    return Array.from({ length: ROUTES_A_STEP }, (_, index) => (at * ROUTES_A_STEP + index) * ROUTE).flatMap((from) => {
      const [number = Number.NaN, requests = 0, p50 = 0, p95 = 0, p99 = 0] = this.#routes.subarray(from, from + ROUTE);
      const name = this.#routeNames[number];
      return name === undefined ? [] : [{ name, requests, p50: unpacked(p50), p95: unpacked(p95), p99: unpacked(p99) }];
    });
  }

  #numberOf(name: string): number {
    const known = this.#routeNames.indexOf(name);
    return known === -1 ? this.#routeNames.push(name) - 1 : known;
  }
}

function record<Name extends string, Value>(names: readonly Name[], read: () => Value): Record<Name, Value> {
  return Object.fromEntries(names.map((name) => [name, read()])) as Record<Name, Value>;
}

/** A figure in 4 bytes has no null. */
function packed(value: number | null): number {
  return value ?? Number.NaN;
}

function unpacked(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}
