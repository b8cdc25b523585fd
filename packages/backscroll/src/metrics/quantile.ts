/** How many values were at most as large as each bound, in ascending order; the last bound is infinite. */
export interface Buckets {
  readonly bounds: readonly number[];
  readonly atMost: Float64Array;
}

/**
 * The value that so many of a histogram's values do not exceed, found where a straight line through its bucket has it:
 * Prometheus' `histogram_quantile`, so that the operator's page and a Grafana beside it say the same.
 *
 * @param quantile 0 to 1
 * @returns null when the histogram is empty; the last finite bound for what lies beyond it
 * @see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile
 */
export function histogramQuantile(quantile: number, { bounds, atMost }: Buckets): number | null {
  const count = atMost.at(-1) ?? 0;
  if (count === 0) return null;
  const rank = quantile * count;
  const index = atMost.findIndex((within) => within >= rank);
  const upper = bounds[index] ?? Number.POSITIVE_INFINITY;
  const lower = index > 0 ? (bounds[index - 1] ?? 0) : 0;
  if (upper === Number.POSITIVE_INFINITY) return lower;
  const below = index > 0 ? (atMost[index - 1] ?? 0) : 0;
  const within = (atMost[index] ?? 0) - below;
  return within === 0 ? upper : lower + (upper - lower) * ((rank - below) / within);
}
