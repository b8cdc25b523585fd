import { expect, inject, test } from "vitest";
import { summaryOf, tellViolations, totalsOf } from "./report.ts";
import { type Report, runSeed } from "./run.ts";

const SEEDS = 20;

test(
  `${SEEDS} random histories with Redis killed, frozen, cut off, emptied and rolled back: nobody ever reads a lie`,
  { timeout: 300_000 },
  async () => {
    const reports: Report[] = [];
    for (let seed = 1; seed <= SEEDS; seed += 1) reports.push(await run(seed, false));

    process.stdout.write(`${summaryOf(reports)}\n`);
    const totals = totalsOf(reports);
    const seldom = WHAT_MUST_HAPPEN.filter((name) => (totals.get(name) ?? 0) < 5);
    expect(seldom, summaryOf(reports)).toEqual([]);
    const bound = reports.reduce((sum, { readsBoundByOthers }) => sum + readsBoundByOthers, 0);
    expect(bound).toBeGreaterThan(SEEDS * 50);
  },
);

test("the same with a process for each server, some of them killed", { timeout: 120_000 }, async () => {
  await run(1, true);
});

/** Without these a history says nothing. */
const WHAT_MUST_HAPPEN = [
  'reads_total{result="hit"}',
  'reads_total{result="miss"}',
  'reads_total{result="bypass"}',
  'fills_total{result="installed"}',
  'fills_total{result="refused"}',
  'appends_total{result="extended"}',
  'appends_total{result="gap"}',
  'appends_total{result="failed"}',
  'invalidations_total{result="failed"}',
  'announcements_total{direction="sent"}',
  'announcements_total{direction="heard"}',
  'checks_total{result="equal"}',
  'checks_total{result="different"}',
  "repairs_total",
  "audits_total",
];

async function run(seed: number, processes: boolean): Promise<Report> {
  const options = { databaseUrl: inject("databaseUrl"), redisServer: inject("redisServer"), processes };
  const report = await runSeed(seed, options);
  if (report.violations.length > 0) expect.fail(tellViolations(report, options));
  return report;
}
