import { type ReactNode, useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { onTheme } from "../ui/theme.ts";
import { type ChartData, lineOf } from "./chart-data.ts";
import { PLOT_HEIGHT } from "./plot-height.ts";
import { type Colours, plotOptions } from "./plot-options.ts";

interface PlotProps {
  readonly chart: ChartData;
  /** told at which time the pointer is, here or on another chart; null: nowhere */
  readonly onPoint: (index: number | null) => void;
}

/** The canvas of a chart. For eyes alone: the table beside it says the same. */
export function Plot({ chart, onPoint }: PlotProps): ReactNode {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const shown = useRef(chart);
  const { kind, series } = chart;
  const labels = series.map(({ label }) => label).join("\n");
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const colours = readColours(element);
    const options = plotOptions({ shown, colours, onPoint, width: element.clientWidth });
    const made = new uPlot(options, dataOf(shown.current), element);
    plot.current = made;
    const stops = [onResize(element, made), onColours(() => Object.assign(colours, readColours(element)), made)];
    return () => {
      for (const stop of stops) stop();
      made.destroy();
      plot.current = null;
    };
  }, [kind, labels, onPoint]);
  useEffect(() => {
    shown.current = chart;
    plot.current?.setData(dataOf(chart));
  }, [chart]);
  return <div ref={place} aria-hidden className="min-w-0 overflow-hidden" style={{ height: PLOT_HEIGHT }} />;
}

function dataOf({ times, series }: ChartData): uPlot.AlignedData {
  return [[...times], ...series.map(({ values }) => [...values])];
}

function onResize(element: HTMLElement, plot: uPlot): () => void {
  const observer = new ResizeObserver(() => {
    if (element.clientWidth > 0) plot.setSize({ width: element.clientWidth, height: PLOT_HEIGHT });
  });
  observer.observe(element);
  return () => observer.disconnect();
}

/** A canvas keeps the colours that it was drawn with: it is drawn again when the theme changes. */
function onColours(read: () => void, plot: uPlot): () => void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const redraw = (): void => {
    read();
    plot.redraw(false);
  };
  const stop = onTheme(redraw);
  dark.addEventListener("change", redraw);
  return () => {
    stop();
    dark.removeEventListener("change", redraw);
  };
}

function readColours(within: HTMLElement): Colours {
  const probe = document.createElement("span");
  within.append(probe);
  const tokens = ["ink2", "line", "raise", ...[0, 1, 2, 3, 4].map((index) => lineOf(index).token)];
  const colours = tokens.map((token) => {
    probe.style.color = `var(--${token})`;
    return [token, getComputedStyle(probe).color] as const;
  });
  probe.remove();
  return Object.fromEntries(colours);
}
