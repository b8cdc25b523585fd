import pc from "picocolors";
import type { TargetVerdict } from "./profiles.ts";
import type { FailureSummary, OperationSummary } from "./samples.ts";
import type { ServiceFigures } from "./service-metrics.ts";

/** One run, measured. */
export interface BenchReport {
  readonly title: string;
  readonly description: string;
  readonly url: string;
  readonly senders: number;
  readonly rate: number | null;
  readonly seconds: number;
  readonly conversations: number;
  readonly operations: readonly OperationSummary[];
  readonly failures: readonly FailureSummary[];
  readonly hitRate: number | null;
  /** null: its metrics cannot be read */
  readonly service: ServiceFigures | null;
  /** how late this process itself was; what it measures is late by as much */
  readonly clientLagMs: number;
  readonly targets: readonly TargetVerdict[];
}

const CLIENT_LAG_WARN_MS = 20;

export function toJson(report: BenchReport): string {
  const times = ({ averageMs, p50Ms, p95Ms, p99Ms, maxMs }: OperationSummary): Record<string, number> => ({
    average_ms: rounded(averageMs),
    p50_ms: rounded(p50Ms),
    p95_ms: rounded(p95Ms),
    p99_ms: rounded(p99Ms),
    max_ms: rounded(maxMs),
  });
  const { title, description, url, senders, rate, conversations, failures, targets, service } = report;
  return `${JSON.stringify({
    title,
    description,
    url,
    senders,
    rate,
    seconds: rounded(report.seconds),
    conversations,
    operations: report.operations.map((each) => ({
      name: each.name,
      count: each.count,
      per_second: rounded(each.perSecond),
      ...times(each),
    })),
    failures,
    hit_rate: report.hitRate,
    service: service && {
      reads: service.reads,
      statements: service.statements.map(({ statement, count, averageMs, p95Ms }) => ({
        statement,
        count,
        average_ms: rounded(averageMs),
        p95_ms: p95Ms === null ? null : rounded(p95Ms),
      })),
    },
    client_lag_ms: rounded(report.clientLagMs),
    targets,
  })}\n`;
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

export function toText(report: BenchReport): string {
  const { title, description, url, senders, rate, seconds, operations, failures, service, targets, clientLagMs } =
    report;
  const loop =
    rate === null
      ? "closed loop: each goes on as soon as it is answered"
      : `${rate} a second, counted from when each was due`;
  const measured = operations.map(({ name, count, perSecond, averageMs, p50Ms, p95Ms, p99Ms, maxMs }) => [
    name,
    count.toLocaleString("en"),
    `${Math.round(perSecond).toLocaleString("en")}/s`,
    ...[averageMs, p50Ms, p95Ms, p99Ms, maxMs].map(ms),
  ]);
  const lines = [
    `${pc.bold(title)}: ${url}`,
    `${senders} senders, ${loop}; ${seconds.toFixed(1)} s`,
    description,
    "",
    ...table(["measured here", "count", "rate", "average", "p50", "p95", "p99", "max"], measured),
    ...failures.map(({ name, code, count }) => `${pc.red("✗")} ${name}: ${count.toLocaleString("en")} × ${code}`),
    "",
    ...(service ? statementLines(service) : ["The service's /metrics cannot be read: --metrics-token.", ""]),
    ...(clientLagMs > CLIENT_LAG_WARN_MS
      ? [
          `${pc.yellow("!")} this process was late by ${ms(clientLagMs)} (p99): it is part of what it measured. Use fewer senders`,
          "",
        ]
      : []),
    ...targets.map(
      ({ name, wanted, reached, met }) => `${met ? pc.green("✓") : pc.red("✗")} ${name}: ${reached}; target: ${wanted}`,
    ),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function statementLines({ statements }: ServiceFigures): string[] {
  const rows = statements.map(({ statement, count, averageMs, p95Ms }) => [
    statement,
    count.toLocaleString("en"),
    ms(averageMs),
    p95Ms === null ? "–" : ms(p95Ms),
  ]);
  return [...table(["statement, by the service's /metrics", "count", "average", "p95"], rows), ""];
}

/** The first column to the left, the others to the right. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  return [head, ...rows].map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  "),
  );
}

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 0)} ms`;
}
