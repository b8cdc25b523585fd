import { histogramQuantile } from "../../packages/backscroll/src/metrics/quantile.ts";

/** What `/metrics` said at one moment, in Prometheus' text format. */
export class MetricsText {
  readonly #samples: readonly { name: string; labels: string; value: number }[];

  constructor(text: string) {
    this.#samples = [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name = "", labels = "", value]) => ({
      name,
      labels,
      value: Number(value),
    }));
  }

  /** @returns all samples of this name added up; 0: there are none. `labels`: only those that hold this text */
  sum(name: string, labels = ""): number {
    return this.#samples
      .filter((sample) => sample.name === name && sample.labels.includes(labels))
      .reduce((sum, { value }) => sum + value, 0);
  }

  /** @returns a histogram's quantile over what came since; null: nothing did */
  quantileSince(before: MetricsText, name: string, quantile: number): number | null {
    const bounds = [
      ...new Set(
        this.#samples.filter((sample) => sample.name === `${name}_bucket`).map(({ labels }) => boundOf(labels)),
      ),
    ].toSorted((a, b) => a - b);
    const atMost = Float64Array.from(bounds, (bound) => this.#upTo(name, bound) - before.#upTo(name, bound));
    return histogramQuantile(quantile, { bounds, atMost });
  }

  #upTo(name: string, bound: number): number {
    return this.#samples
      .filter((sample) => sample.name === `${name}_bucket` && boundOf(sample.labels) === bound)
      .reduce((sum, { value }) => sum + value, 0);
  }
}

function boundOf(labels: string): number {
  const text = /le="([^"]+)"/.exec(labels)?.[1];
  return text === "+Inf" ? Number.POSITIVE_INFINITY : Number(text);
}
