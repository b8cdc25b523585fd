/** A straight line through measured points. */
export interface Slope {
  /** of the value, an hour */
  readonly perHour: number;
  /** half of its 95% confidence interval, an hour; NaN: there are too few points */
  readonly within: number;
  readonly mean: number;
}

/** Student's t for 95%, both sides, by degrees of freedom; beyond the list it is that of the normal distribution, nearly. */
const T_95 = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.2, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.1];
const T_95_BEYOND = 2.05;

/**
 * Least squares, with the interval that independent errors would give. What is measured every few seconds is not
 * independent.
 *
 * @see https://en.wikipedia.org/wiki/Simple_linear_regression#Confidence_intervals
 */
export function slopeOf(points: readonly { readonly hours: number; readonly value: number }[]): Slope {
  const count = points.length;
  const mean = points.reduce((sum, { value }) => sum + value, 0) / count;
  const meanHours = points.reduce((sum, { hours }) => sum + hours, 0) / count;
  const spread = points.reduce((sum, { hours }) => sum + (hours - meanHours) ** 2, 0);
  const perHour = points.reduce((sum, { hours, value }) => sum + (hours - meanHours) * (value - mean), 0) / spread;
  const left = points.reduce((sum, { hours, value }) => sum + (value - mean - perHour * (hours - meanHours)) ** 2, 0);
  const error = Math.sqrt(left / (count - 2) / spread);
  return { perHour, within: count < 3 ? Number.NaN : error * (T_95[count - 3] ?? T_95_BEYOND), mean };
}

const BARS = "▁▂▃▄▅▆▇█";

/** @returns the values as bars, from their least to their most */
export function sparkline(values: readonly number[]): string {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return values
    .map((value) => BARS[most === least ? 0 : Math.round(((value - least) / (most - least)) * (BARS.length - 1))])
    .join("");
}
