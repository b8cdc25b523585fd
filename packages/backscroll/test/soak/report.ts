import type { Report } from "./run.ts";

const VIOLATIONS_TOLD = 5;

/** What to print of a seed that failed. */
export function tellViolations(report: Report, { processes }: { processes: boolean }): string {
  const { seed, violations } = report;
  const told = violations
    .slice(0, VIOLATIONS_TOLD)
    .map(({ rule, conversation, text }) => `  ${conversation}: ${rule}\n    ${text}`);
  return [
    report.story,
    `seed ${seed} broke the promise ${violations.length} times; the first:`,
    ...told,
    `again: npm run test:soak -- --from ${seed} --seeds 1${processes ? " --processes" : ""}`,
    "The seed fixes who does what and which faults happen when; the machine's own timing it does not.",
  ].join("\n");
}

/** One line, and what the servers counted. */
export function summaryOf(reports: readonly Report[]): string {
  const sum = (of: (report: Report) => number): number => reports.reduce((total, report) => total + of(report), 0);
  const seconds = sum(({ ms }) => ms) / 1_000;
  const counters = totalsOf(reports);
  const counted = [...counters].filter(([name]) => /_total/.test(name)).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return [
    `${reports.length} seeds, ${sum(({ reads }) => reads)} reads (${sum((r) => r.readsBoundByOthers)} bound by another ` +
      `server's change), ${sum(({ changes }) => changes)} changes, ` +
      `violations: ${sum(({ violations }) => violations.length)}, ${(seconds / reports.length).toFixed(2)} s/seed, ` +
      `slowest read ${Math.max(...reports.map(({ slowestReadMs }) => slowestReadMs)).toFixed(0)} ms`,
    ...counted.map(([name, value]) => `  ${name} ${value}`),
  ].join("\n");
}

export function totalsOf(reports: readonly Report[]): ReadonlyMap<string, number> {
  const totals = new Map<string, number>();
  for (const { counters } of reports) {
    for (const [name, value] of counters) totals.set(name, (totals.get(name) ?? 0) + value);
  }
  return totals;
}
