import type { Figure } from "./figures.ts";

/** One line, or one row of bars. */
export interface ChartSeries {
  readonly label: string;
  /** one for each time */
  readonly values: readonly Figure[];
}

/** What a chart shows, and its table. */
export interface ChartData {
  readonly title: string;
  readonly unit: string;
  /** `steps`: each value holds since the time before; `bars`: each time is a day of UTC */
  readonly kind: "lines" | "steps" | "bars";
  /** in seconds since 1970 */
  readonly times: readonly number[];
  /** the first and the last time that are shown */
  readonly range: readonly [number, number];
  readonly series: readonly ChartSeries[];
  /** in place of a chart where there is nothing to show; absent: there is */
  readonly empty?: string;
  /** below it */
  readonly note?: string;
  /** of values that are names */
  readonly names?: readonly string[];
}

/** Colour and dashes of the first, second … series: told apart without colours, too. */
export const LINES: readonly {
  readonly token: string;
  readonly dash: readonly number[];
  readonly className: string;
}[] = [
  { token: "accent", dash: [], className: "text-accent" },
  { token: "warn", dash: [7, 4], className: "text-warn" },
  { token: "err", dash: [2, 3], className: "text-err" },
  { token: "ink2", dash: [10, 3, 2, 3], className: "text-ink2" },
  { token: "ok", dash: [4, 2], className: "text-ok" },
];

/** @returns those of the series with this number */
export function lineOf(index: number): (typeof LINES)[number] {
  return LINES[index % LINES.length] as (typeof LINES)[number];
}
