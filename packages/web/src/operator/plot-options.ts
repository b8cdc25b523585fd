import uPlot from "uplot";
import { type ChartData, lineOf } from "./chart-data.ts";
import { dayText, momentText, shortText } from "./figures.ts";
import { PLOT_HEIGHT } from "./plot-height.ts";

/** By token, as the theme has them now. */
export type Colours = Record<string, string>;

interface PlotContext {
  /** what is shown now: it changes while the plot stays */
  readonly shown: { readonly current: ChartData };
  readonly colours: Colours;
  readonly onPoint: (index: number | null) => void;
  readonly width: number;
}

const FONT = "12px system-ui, sans-serif";
const DAY_S = 86_400;

export function plotOptions(context: PlotContext): uPlot.Options {
  const { shown, onPoint, width } = context;
  const { kind, series } = shown.current;
  return {
    width,
    height: PLOT_HEIGHT,
    legend: { show: false },
    padding: [8, 8, 0, 0],
    // Charts of the same times point together.
    cursor: { sync: { key: kind === "bars" ? "days" : "steps" }, y: false, drag: { x: false, y: false } },
    hooks: { setCursor: [({ cursor: { idx } }) => onPoint(idx ?? null)] },
    ...(kind === "bars" && { tzDate: (seconds: number) => uPlot.tzDate(new Date(seconds * 1_000), "UTC") }),
    scales: {
      x: { range: () => [...shown.current.range] },
      y: { range: (_, __, max) => (kind === "steps" ? [-0.15, 1.15] : [0, max > 0 ? max * 1.08 : 1]) },
    },
    axes: axesOf(context),
    series: [{}, ...series.map((_, index) => seriesOf(context, index))],
  };
}

function axesOf({ shown, colours }: PlotContext): uPlot.Axis[] {
  const { kind, names } = shown.current;
  const style = {
    font: FONT,
    stroke: () => colours["ink2"] ?? "",
    grid: { stroke: () => colours["line"] ?? "", width: 1 },
    ticks: { show: false },
  };
  return [
    { ...style, size: 28, space: 64, values: (_, times) => times.map((time) => timeLabel(shown.current, time)) },
    {
      ...style,
      size: 52,
      ...(kind === "steps" && { splits: () => [0, 1] }),
      values: (_, values) => values.map((value) => names?.[value] ?? shortText(value)),
    },
  ];
}

function timeLabel({ kind, range: [from, to] }: ChartData, seconds: number): string {
  const date = new Date(seconds * 1_000);
  if (kind === "bars") return dayText(date);
  return momentText(date, to - from > DAY_S ? "days" : "minutes");
}

function seriesOf({ shown, colours }: PlotContext, index: number): uPlot.Series {
  const { kind } = shown.current;
  const { token, dash } = lineOf(index);
  const colour = (): string => colours[token] ?? "";
  const isBars = kind === "bars";
  return {
    stroke: colour,
    width: isBars ? 0 : 2,
    dash: [...dash],
    ...(isBars && { fill: colour, paths: uPlot.paths.bars?.({ size: [0.7, 40] }) as uPlot.Series.PathBuilder }),
    ...(kind === "steps" && { paths: uPlot.paths.stepped?.({ align: -1 }) as uPlot.Series.PathBuilder }),
    points: { show: false, size: 5, fill: colour, ...(!isBars && { filter: lonely }) },
  };
}

/** @returns the values with none beside them: no line reaches them, so each is a point */
function lonely({ data }: uPlot, seriesIndex: number): number[] {
  const values = data[seriesIndex] ?? [];
  return Array.from(values, (value, index) => {
    const isAlone = (values[index - 1] ?? null) === null && (values[index + 1] ?? null) === null;
    return (value ?? null) !== null && isAlone ? index : -1;
  }).filter((index) => index >= 0);
}
