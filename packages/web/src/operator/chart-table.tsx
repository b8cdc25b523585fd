import type { ReactNode } from "react";
import { classNames } from "../ui/class-names.ts";
import { Breakable } from "./breakable.tsx";
import type { ChartData } from "./chart-data.ts";
import { dayText, type Figure, figureText, momentText } from "./figures.ts";

const DAY_S = 86_400;
/** Characters of a name that is broken over lines. */
const LONG = 16;

/** The figures of a chart, the newest first. */
export function ChartTable({ chart }: { readonly chart: ChartData }): ReactNode {
  const { title, unit, times, series } = chart;
  const newestFirst = times.map((_, index) => times.length - 1 - index);
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- so that it can be scrolled without a pointer
    <div tabIndex={0} role="region" aria-label={`${title}, table`} className="max-h-64 overflow-auto">
      <table className="w-full text-13 tabular-nums">
        <caption className="sr-only">
          {title}, {unit}
        </caption>
        <thead className="sticky top-0 bg-raise text-ink2">
          <tr>
            {["Time", ...series.map(({ label }) => label)].map((label) => (
              <th
                key={label}
                scope="col"
                className={classNames(
                  "px-2 py-1 text-end align-bottom font-medium wrap-anywhere first:text-start",
                  label.length > LONG && "min-w-40",
                )}
              >
                <Breakable text={label} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {newestFirst.map((index) => (
            <tr key={times[index]} className="border-t border-line">
              <th scope="row" className="px-2 py-1 text-start font-normal whitespace-nowrap text-ink2">
                {timeText(chart, index)}
              </th>
              {series.map(({ label, values }) => (
                <td key={label} className="px-2 py-1 text-end">
                  {valueText(chart, values[index] ?? null)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** @returns when the value of this number was measured */
export function timeText({ kind, times, range: [from, to] }: ChartData, index: number): string {
  const date = new Date((times[index] ?? 0) * 1_000);
  if (kind === "bars") return dayText(date);
  if (to - from > DAY_S) return `${momentText(date, "days")}, ${momentText(date, "minutes")}`;
  return momentText(date, to - from < DAY_S ? "seconds" : "minutes");
}

export function valueText({ names }: ChartData, value: Figure): string {
  return (value !== null && names?.[value]) || figureText(value);
}
