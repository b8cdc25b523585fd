import type { OperatorReport } from "backscroll-client";
import type { ReactNode } from "react";
import { figureText, type Figure } from "./figures.ts";

/** The few figures to look at first. */
export function Tiles({ now }: Pick<OperatorReport, "now">): ReactNode {
  const p95 = now.p95_seconds === null ? null : now.p95_seconds * 1_000;
  return (
    <dl className="grid grid-cols-2 gap-3 sm:grid-cols-3 xl:grid-cols-6">
      <Tile label="Requests a second" value={now.requests_per_second} hint="last 5 minutes" />
      <Tile label="Server errors" value={now.error_percent} unit="%" hint="last 5 minutes" />
      <Tile label="Latency p95" value={p95} unit="ms" hint="last 5 minutes" />
      <Tile label="Cache hits" value={now.cache_hit_percent} unit="%" hint="last 5 minutes" />
      <Tile label="Replies being written" value={now.replies_running} hint="now" />
      <Tile label="Open streams" value={now.streams_open} hint="now" />
    </dl>
  );
}

interface TileProps {
  readonly label: string;
  readonly value: Figure;
  readonly unit?: string;
  /** of which time */
  readonly hint: string;
}

function Tile({ label, value, unit, hint }: TileProps): ReactNode {
  return (
    <div className="flex min-w-0 flex-col rounded-m border border-line bg-raise p-3">
      <dt className="text-13 text-ink2">{label}</dt>
      <dd className="mt-auto">
        <span className="text-20 font-semibold tabular-nums">
          {figureText(value)}
          {unit !== undefined && value !== null && <span className="text-14 font-normal"> {unit}</span>}
        </span>
        <span className="block text-12 text-ink2">{hint}</span>
      </dd>
    </div>
  );
}
