import { lazy, type ReactNode, Suspense, useId, useState } from "react";
import { Button } from "../ui/button.tsx";
import { classNames } from "../ui/class-names.ts";
import { Breakable } from "./breakable.tsx";
import { type ChartData, lineOf } from "./chart-data.ts";
import { loadPart } from "../ui/load-part.ts";
import { ChartTable, timeText, valueText } from "./chart-table.tsx";
import { PLOT_HEIGHT } from "./plot-height.ts";

const Plot = lazy(async () => ({ default: (await loadPart(() => import("./plot.tsx"))).Plot }));

interface ChartProps {
  readonly chart: ChartData;
  /** what else can be chosen, beside its buttons */
  readonly children?: ReactNode;
}

/** A chart with its legend, or the table of the same figures. */
export function Chart({ chart, children }: ChartProps): ReactNode {
  const titleId = useId();
  const [isTable, setTable] = useState(false);
  const { title, unit, empty, note } = chart;
  return (
    <section aria-labelledby={titleId} className="min-w-0 rounded-m border border-line bg-raise p-3">
      <div className="mb-2 flex min-h-9 flex-wrap items-center gap-x-3 gap-y-1">
        <h2 id={titleId} className="grow text-14 font-semibold">
          {title} <span className="font-normal text-ink2">{unit}</span>
        </h2>
        {children}
        {empty === undefined && (
          <Button
            kind="quiet"
            className="-me-2 ms-auto px-2 text-13"
            aria-label={`${isTable ? "Show as chart" : "Show as table"}: ${title}`}
            onClick={() => setTable(!isTable)}
          >
            {isTable ? "Show as chart" : "Show as table"}
          </Button>
        )}
      </div>
      {empty !== undefined && (
        <p className="grid place-items-center text-14 text-ink2" style={{ height: PLOT_HEIGHT }}>
          {empty}
        </p>
      )}
      {empty === undefined && (isTable ? <ChartTable chart={chart} /> : <Drawn chart={chart} />)}
      {note !== undefined && <p className="mt-2 text-12 wrap-anywhere text-ink2">{note}</p>}
    </section>
  );
}

function Drawn({ chart }: { readonly chart: ChartData }): ReactNode {
  const [pointed, setPointed] = useState<number | null>(null);
  const { title, times, series } = chart;
  const index = pointed ?? times.length - 1;
  return (
    <>
      <Suspense fallback={<div style={{ height: PLOT_HEIGHT }} />}>
        <Plot chart={chart} onPoint={setPointed} />
      </Suspense>
      <ul aria-label={`${title}, ${timeText(chart, index)}`} className="mt-2 flex flex-wrap gap-x-4 gap-y-1 text-12">
        {series.map(({ label, values }, number) => (
          <li key={label} className="flex min-w-0 items-center gap-2">
            <LineSample index={number} isBar={chart.kind === "bars"} />
            <span className="min-w-0 wrap-anywhere text-ink2">
              <Breakable text={label} />
            </span>
            <span className="whitespace-nowrap tabular-nums">{valueText(chart, values[index] ?? null)}</span>
          </li>
        ))}
        <li className={classNames("ms-auto text-ink2 tabular-nums", pointed === null && "invisible")} aria-hidden>
          {timeText(chart, index)}
        </li>
      </ul>
    </>
  );
}

function LineSample({ index, isBar }: { readonly index: number; readonly isBar: boolean }): ReactNode {
  const { className, dash } = lineOf(index);
  return (
    <svg width={isBar ? 10 : 28} height={10} aria-hidden className={classNames("shrink-0", className)}>
      {isBar ? (
        <rect width={10} height={10} fill="currentColor" />
      ) : (
        <line x1={0} y1={5} x2={28} y2={5} stroke="currentColor" strokeWidth={2} strokeDasharray={dash.join(" ")} />
      )}
    </svg>
  );
}
