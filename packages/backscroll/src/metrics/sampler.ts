import { histogramQuantile } from "./quantile.ts";
import { emptyReading, type Gauges, readErrorCodes, readFigures, readGauges, type Reading } from "./reading.ts";
import { StepRing } from "./ring.ts";
import type { MetricsSource } from "./source.ts";
import { peaksOf, since, type Step, stepBetween } from "./step.ts";

export const SAMPLE_MS = 10_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

export type Window = "15m" | "1h" | "24h" | "7d";

/** How far back each goes, and how fine it is. */
const WINDOWS: Readonly<Record<Window, { readonly ms: number; readonly stepMs: number }>> = {
  "15m": { ms: 15 * MINUTE_MS, stepMs: SAMPLE_MS },
  "1h": { ms: HOUR_MS, stepMs: SAMPLE_MS },
  "24h": { ms: 24 * HOUR_MS, stepMs: 2 * MINUTE_MS },
  "7d": { ms: 168 * HOUR_MS, stepMs: 15 * MINUTE_MS },
};
/** What "now" means for figures that one moment does not have. */
const RECENT_MS = 5 * MINUTE_MS;

/** Steps of one length. */
interface Series {
  readonly stepMs: number;
  readonly ring: StepRing;
  /** where its next step begins */
  before: Reading;
  /** the highest gauges since then */
  peaks: Gauges;
}

/** The last minutes in a few figures; null: nothing happened */
export interface Recent {
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** of all requests, answered 5xx */
  readonly errorPercent: number | null;
  readonly p95Seconds: number | null;
  /** of the reads that the cache was asked */
  readonly hitPercent: number | null;
}

/** What is remembered, and how it is now. */
export interface Recollection {
  readonly startedAtMs: number;
  /** when the newest figures were taken */
  readonly sampledAtMs: number;
  readonly recent: Recent;
  readonly gauges: Gauges;
  readonly errorCodes: readonly { readonly code: string; readonly count: number }[];
  /** of the window */
  readonly steps: readonly Step[];
  /** the last of the finest, the newest last */
  readonly newestSteps: readonly Step[];
}

/** Whom the operator's page asks: this process, or the one that knows of all workers. */
export interface Memory {
  recall(window: Window): Promise<Recollection>;
}

/** Enough to tell what lasts from what passes. */
export const NEWEST_STEPS = 3;

/**
 * Remembers what the metrics said, for the operator's page of a service that nobody scrapes: the figures of this
 * machine's service alone, since it started, in half a megabyte. A room of its own, since it knows the names of metrics and nothing of
 * what they are about.
 */
export class Sampler implements Memory {
  readonly startedAtMs: number;
  readonly #source: MetricsSource;
  readonly #series: readonly Series[];
  /** whole readings would be too much; see `recent` */
  #lately: Pick<Reading, "atMs" | "counts" | "times">[];
  #newest: Reading;
  #timer: NodeJS.Timeout | undefined;

  constructor(source: MetricsSource, startedAtMs = Date.now()) {
    this.startedAtMs = startedAtMs;
    this.#source = source;
    const begin = emptyReading(startedAtMs);
    this.#newest = begin;
    this.#lately = [begin];
    // Those of ten seconds serve the hour, and the quarter within it.
    this.#series = [WINDOWS["1h"], WINDOWS["24h"], WINDOWS["7d"]].map(({ ms, stepMs }) => ({
      stepMs,
      ring: new StepRing(ms / stepMs),
      before: begin,
      peaks: begin.gauges,
    }));
  }

  /** @param onError told when a sample could not be taken; the next one is */
  start(onError: (error: unknown) => void): void {
    this.#timer ??= setInterval(() => void this.sample().catch(onError), SAMPLE_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  get bytes(): number {
    return this.#series.reduce((sum, { ring }) => sum + ring.bytes, 0);
  }

  /** @param atMs later than the last */
  async sample(atMs = Date.now()): Promise<void> {
    const reading = await readFigures(this.#source, atMs);
    // The clock was set back: time stands still until it is where it was.
    if (atMs <= this.#newest.atMs) return;
    this.#newest = reading;
    for (const series of this.#series) {
      series.peaks = peaksOf(series.peaks, reading.gauges);
      // A timer comes a little early or late.
      const isDue = series.stepMs === SAMPLE_MS || atMs - series.before.atMs >= series.stepMs - SAMPLE_MS / 2;
      if (!isDue) continue;
      series.ring.push(stepBetween(series.before, reading, series.peaks));
      series.before = reading;
      series.peaks = emptyReading(atMs).gauges;
    }
    const { counts, times } = reading;
    const tooOld = this.#lately.findLastIndex((one) => one.atMs <= atMs - RECENT_MS);
    this.#lately = [...this.#lately.slice(Math.max(0, tooOld)), { atMs, counts, times }];
  }

  /** @returns the steps of a window, oldest first; the last one may not be over yet */
  steps(window: Window): readonly Step[] {
    const { ms, stepMs } = WINDOWS[window];
    const series = this.#series.find((one) => one.stepMs === stepMs);
    if (!series) return [];
    const { ring, before, peaks } = series;
    const steps = ring.stepsAfter(this.#newest.atMs - ms);
    return before === this.#newest ? steps : [...steps, stepBetween(before, this.#newest, peaks)];
  }

  recent(): Recent {
    const [first] = this.#lately;
    const last = this.#newest;
    if (!first || last.atMs <= first.atMs) {
      return { requests: 0, requestsPerSecond: 0, errorPercent: null, p95Seconds: null, hitPercent: null };
    }
    const gained = (name: keyof Reading["counts"]): number => last.counts[name] - first.counts[name];
    const requests = gained("requests");
    // A page of older messages is a bypass whatever the cache holds: it says nothing of how well the cache does.
    const lookups = gained("hit") + gained("miss");
    return {
      requests,
      requestsPerSecond: requests / ((last.atMs - first.atMs) / 1_000),
      errorPercent: requests === 0 ? null : (100 * gained("serverErrors")) / requests,
      p95Seconds: histogramQuantile(0.95, since(first.times.latency, last.times.latency)),
      hitPercent: lookups === 0 ? null : (100 * gained("hit")) / lookups,
    };
  }

  async recall(window: Window): Promise<Recollection> {
    const [gauges, errorCodes] = await Promise.all([readGauges(this.#source), readErrorCodes(this.#source)]);
    return {
      startedAtMs: this.startedAtMs,
      sampledAtMs: this.#newest.atMs,
      recent: this.recent(),
      gauges,
      errorCodes,
      steps: this.steps(window),
      newestSteps: this.steps("15m").slice(-NEWEST_STEPS),
    };
  }
}
