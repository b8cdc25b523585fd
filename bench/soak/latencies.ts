/** Times in milliseconds, in buckets of 2%: as many as one likes cost the same. */
export class Latencies {
  readonly #counts = new Map<number, number>();
  #count = 0;
  #max = 0;

  add(ms: number): void {
    const bucket = Math.round(Math.log(Math.max(ms, SHORTEST_MS) / SHORTEST_MS) / Math.log(GROWTH));
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1);
    this.#count += 1;
    this.#max = Math.max(this.#max, ms);
  }

  summary(): LatencySummary {
    const buckets = [...this.#counts].toSorted(([a], [b]) => a - b);
    const at = (share: number): number => {
      let left = share * this.#count;
      for (const [bucket, count] of buckets) {
        left -= count;
        if (left <= 0) return SHORTEST_MS * GROWTH ** bucket;
      }
      return Number.NaN;
    };
    return { count: this.#count, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: this.#max };
  }
}

const SHORTEST_MS = 0.05;
const GROWTH = 1.02;

/** In milliseconds. */
export interface LatencySummary {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}
