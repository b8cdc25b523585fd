import type { OperatorQuantiles, OperatorReport, OperatorWindow } from "backscroll-client";
import type { ChartData, ChartSeries } from "./chart-data.ts";
import type { Figure } from "./figures.ts";

export type Quantile = "p50" | "p95" | "p99";

const DAY_S = 86_400;
const DAYS = 30;
const MEGABYTES_A_BYTE = 1 / 1_048_576;
const WINDOW_S: Readonly<Record<OperatorWindow, number>> = {
  "15m": 900,
  "1h": 3_600,
  "24h": DAY_S,
  "7d": 7 * DAY_S,
};
/** The chart whose quantile can be chosen. */
export const BY_ROUTE = "Latency by route";
const NOTHING = "Nothing yet";
const ELSEWHERE = "Not measured: Backscroll runs inside another program";

/** @returns the page's charts, in their order */
export function chartsOf(report: OperatorReport, byRoute: Quantile): readonly ChartData[] {
  const { series } = report;
  const line = lineChart(report);
  return [
    line("Latency", "ms", quantiles(series.latency)),
    line(BY_ROUTE, `ms, ${byRoute}`, routeSeries(report, byRoute)),
    line("Time to first token", "ms", quantiles(series.first_token)),
    line("Cache reads", "a minute", aMinute(report, named(series.cache, ["hit", "miss", "bypass"]))),
    line(
      "Messages saved",
      "a minute",
      aMinute(report, named(series.messages, ["user", "assistant", "system", "tool"])),
    ),
    errorChart(report),
    ...dayCharts(report),
    line("PostgreSQL pool", "connections", named(series.pool, ["busy", "idle", "waiting"])),
    line("PostgreSQL statements", "ms", quantiles(series.queries)),
    redisChart(report),
    line("Event loop lag", "ms", quantiles(series.event_loop), { otherwise: ELSEWHERE }),
    line("Memory", "MB", memorySeries(report), { otherwise: ELSEWHERE }),
  ];
}

type LineChart = (
  title: string,
  unit: string,
  series: readonly ChartSeries[],
  options?: { readonly otherwise?: string },
) => ChartData;

function lineChart({ series: { times, seconds }, window, started_at: startedAt }: OperatorReport): LineChart {
  const last = times.at(-1) ?? Date.parse(startedAt) / 1_000;
  const range = [last - WINDOW_S[window], last] as const;
  return (title, unit, series, { otherwise = NOTHING } = {}) => {
    const isEmpty = series.every(({ values }) =>
      values.every((value) => value === null || (value === 0 && isCount(unit))),
    );
    // Before the first figures nobody knows what will be measured.
    const empty = isEmpty && { empty: seconds.length === 0 ? NOTHING : otherwise };
    return { title, unit, kind: "lines", times, range, series, ...empty };
  };
}

/** Nothing was counted where the count is 0; no lag, and no connection, are figures. */
function isCount(unit: string): boolean {
  return unit === "a minute";
}

function errorChart(report: OperatorReport): ChartData {
  const { client, server } = report.series.errors;
  const series = aMinute(report, [
    { label: "4xx, the caller's", values: client },
    { label: "5xx, ours", values: server },
  ]);
  const codes = report.error_codes.map(({ code, count }) => `${code} ${count}`).join(" · ");
  const chart = lineChart(report)("Errors", "a minute", series, { otherwise: "None" });
  return { ...chart, ...(codes !== "" && { note: `Since the start: ${codes}` }) };
}

function redisChart(report: OperatorReport): ChartData {
  const values = report.series.redis_away.map((away) => (away === null ? null : Number(away === 0)));
  const chart = lineChart(report)("Redis", "up or down", [{ label: "Redis", values }], {
    otherwise: "No Redis is used here",
  });
  return { ...chart, kind: "steps", names: ["down", "up"] };
}

function memorySeries({ series: { memory } }: OperatorReport): readonly ChartSeries[] {
  return [
    { label: "resident", values: scaled(memory.resident, MEGABYTES_A_BYTE) },
    { label: "heap", values: scaled(memory.heap, MEGABYTES_A_BYTE) },
  ];
}

function routeSeries({ series: { routes } }: OperatorReport, quantile: Quantile): readonly ChartSeries[] {
  return routes.map((one) => ({ label: `${one.method} ${one.route}`, values: scaled(one[quantile], 1_000) }));
}

function quantiles(columns: OperatorQuantiles): readonly ChartSeries[] {
  return (["p50", "p95", "p99"] as const).map((label) => ({ label, values: scaled(columns[label], 1_000) }));
}

function named<Name extends string>(
  columns: Readonly<Record<Name, readonly Figure[]>>,
  names: readonly Name[],
): readonly ChartSeries[] {
  return names.map((label) => ({ label, values: columns[label] }));
}

/** Steps differ in length, and the last is not over. */
function aMinute({ series: { seconds } }: OperatorReport, series: readonly ChartSeries[]): readonly ChartSeries[] {
  return series.map(({ label, values }) => ({
    label,
    values: values.map((count, index) => (count === null ? null : (count * 60) / (seconds[index] ?? 60))),
  }));
}

function scaled(values: readonly Figure[], by: number): Figure[] {
  return values.map((value) => (value === null ? null : value * by));
}

/** The last 30 days, those without a message among them. */
function dayCharts({ usage }: OperatorReport): readonly ChartData[] {
  const today = Math.floor(Date.now() / 1_000 / DAY_S) * DAY_S;
  const times = Array.from({ length: DAYS }, (_, index) => today - (DAYS - 1 - index) * DAY_S);
  const found = new Map(usage?.days.map((day) => [Date.parse(day.day) / 1_000, day]));
  const empty = usage === null ? "PostgreSQL does not answer" : NOTHING;
  const chart = (title: string, of: "tokens_used" | "messages"): ChartData => {
    const values = times.map((time) => found.get(time)?.[of] ?? 0);
    const note = `All servers, by day of UTC${usage?.complete === false ? "; still counting" : ""}`;
    const series = [{ label: of === "messages" ? "messages" : "tokens", values }];
    const range = [today - (DAYS - 0.5) * DAY_S, today + DAY_S / 2] as const;
    const isEmpty = values.every((value) => value === 0);
    return { title, unit: "a day", kind: "bars", times, range, series, note, ...(isEmpty && { empty }) };
  };
  return [chart("Tokens", "tokens_used"), chart("Messages", "messages")];
}
