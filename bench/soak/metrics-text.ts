import { bucketsBy, parseMetrics, type Sample, sumOf } from "../../packages/backscroll/src/cli/metrics-text.ts";
import { histogramQuantile } from "../../packages/backscroll/src/metrics/quantile.ts";
import { since } from "../../packages/backscroll/src/metrics/step.ts";

/** What `/metrics` said at one moment. */
export class MetricsText {
  readonly #samples: readonly Sample[];

  constructor(text: string) {
    this.#samples = parseMetrics(text);
  }

  /** @returns all samples of this name with these labels added up; 0: there are none */
  sum(name: string, labels: Sample["labels"] = {}): number {
    return sumOf(this.#samples, name, labels) ?? 0;
  }

  /** @returns a histogram's quantile over what came since; null: nothing did */
  quantileSince(before: MetricsText, name: string, quantile: number): number | null {
    const buckets = bucketsBy(this.#samples, name, "").get("");
    return buckets ? histogramQuantile(quantile, since(bucketsBy(before.#samples, name, "").get(""), buckets)) : null;
  }
}
