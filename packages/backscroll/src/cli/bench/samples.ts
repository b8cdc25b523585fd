import { createHistogram, type RecordableHistogram } from "node:perf_hooks";

/** What was measured of one kind of request. */
export interface OperationSummary {
  readonly name: string;
  readonly count: number;
  readonly perSecond: number;
  readonly averageMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface FailureSummary {
  readonly name: string;
  readonly code: string;
  readonly count: number;
}

/** Three digits of every time, in the same memory however many there are. */
const RESOLUTION = { lowest: 1, highest: 600_000_000, figures: 3 };

/** Times by kind of request, in a histogram of microseconds each; and what failed. */
export class Samples {
  readonly #times = new Map<string, RecordableHistogram>();
  readonly #failures = new Map<string, FailureSummary>();

  succeeded(name: string, ms: number): void {
    const known = this.#times.get(name);
    const times = known ?? createHistogram(RESOLUTION);
    if (!known) this.#times.set(name, times);
    times.record(Math.min(RESOLUTION.highest, Math.max(1, Math.round(ms * 1_000))));
  }

  failed(name: string, code: string): void {
    const key = `${name} ${code}`;
    this.#failures.set(key, { name, code, count: (this.#failures.get(key)?.count ?? 0) + 1 });
  }

  get failures(): readonly FailureSummary[] {
    return [...this.#failures.values()].toSorted((a, b) => b.count - a.count);
  }

  countOf(name: string): number {
    return this.#times.get(name)?.count ?? 0;
  }

  /** @param seconds that it took in all @returns null when there was none */
  summaryOf(name: string, seconds: number): OperationSummary | null {
    const times = this.#times.get(name);
    if (!times) return null;
    const at = (percentile: number): number => times.percentile(percentile) / 1_000;
    return {
      name,
      count: times.count,
      perSecond: times.count / seconds,
      averageMs: times.mean / 1_000,
      p50Ms: at(50),
      p95Ms: at(95),
      p99Ms: at(99),
      maxMs: times.max / 1_000,
    };
  }
}
