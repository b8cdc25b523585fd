import { parseArgs } from "node:util";
import { resolveUser } from "../packages/backscroll/src/service/users.ts";
import { measureAppends, measureBatchesInFlight } from "./appends.ts";
import { type Bench, type Effort, openBackscroll, say, USER } from "./bench-context.ts";
import { measureCache } from "./cache.ts";
import { commitText, machineText, today } from "./conditions.ts";
import { type BenchDatabase, openBenchDatabase } from "./database.ts";
import { measureExports, measureUsage } from "./exports.ts";
import { measureForeignReads } from "./foreign-reads.ts";
import { measureAppendGrowth, measureDeletions, measureHistory } from "./growth.ts";
import { measureIndexes } from "./indexes.ts";
import { measureLists } from "./lists.ts";
import { measureLog } from "./log.ts";
import { wastefulStatements } from "./plans.ts";
import { measureReads } from "./reads.ts";
import { none, type Section, toMarkdown } from "./report.ts";
import { writeResults } from "./results.ts";
import { seed, type Size } from "./seed.ts";
import { measureTurns } from "./turns.ts";

interface Run {
  readonly size: Size;
  readonly effort: Effort;
  readonly limitMs: number;
}

const FULL: Run = {
  size: { small: 100, middle: 10_000, large: 1_000_000, conversations: 5_000 },
  effort: {
    rounds: 10,
    roundMs: 300,
    blocks: 20,
    concurrencies: [1, 16, 64],
    foreignPairs: 10_000,
    turnLoads: [
      { turns: 100, tokensPerSecond: 30, tokens: 150, startedWithinMs: 1_000 },
      { turns: 1_000, tokensPerSecond: 3, tokens: 30, startedWithinMs: 5_000 },
    ],
  },
  limitMs: 780_000,
};
/** Says whether everything runs, not how fast it is. */
const QUICK: Run = {
  size: { small: 100, middle: 2_000, large: 50_000, conversations: 1_000 },
  effort: {
    rounds: 3,
    roundMs: 120,
    blocks: 3,
    concurrencies: [1, 16, 64],
    foreignPairs: 500,
    turnLoads: [{ turns: 20, tokensPerSecond: 30, tokens: 30, startedWithinMs: 200 }],
  },
  limitMs: 180_000,
};

const { values: flags } = parseArgs({ options: { quick: { type: "boolean", default: false } } });
const run = flags.quick ? QUICK : FULL;
const startedAt = Date.now();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
setTimeout(() => {
  say(`stopped: not done within ${run.limitMs / 1000} s`);
  process.exit(1);
}, run.limitMs).unref();

const database = await openBenchDatabase();
try {
  const { sections, restarted } = await measure(database, run);
  const targets = [none("statements that read a whole table or conversation for a few rows", wastefulStatements())];
  const report = { conditions: conditions(database, restarted), sections, targets };
  process.stdout.write(toMarkdown(report, { withDetails: false }));
  if (!flags.quick) writeResults("service", toMarkdown(report, { withDetails: true }));
} finally {
  await database.close();
}

async function measure(
  on: BenchDatabase,
  { size, effort }: Run,
): Promise<{ sections: readonly Section[]; restarted: boolean }> {
  const seeder = await openBackscroll(on.url);
  say(
    `seeding ${size.large.toLocaleString("en-US")} messages and ${size.conversations.toLocaleString("en-US")} conversations`,
  );
  const seeded = await seed(on.url, await resolveUser(seeder.deps, USER), size);
  await seeder.close();
  say("restarting the server");
  const restarted = await on.restart();
  const backscroll = await openBackscroll(on.url);
  try {
    // Connections are opened before anything is timed; the tables' pages are not yet in the server's buffers.
    await Promise.all(Array.from({ length: 4 }, () => backscroll.deps.db.pool.query("select pg_sleep(0.05)")));
    const bench: Bench = { database: on, backscroll, seeded, effort };
    const history = await measureHistory(bench, size);
    const lists = await measureLists(bench, size);
    const reads = await measureReads(bench);
    const cache = await measureCache(bench);
    const log = await measureLog(bench);
    const foreignReads = await measureForeignReads(bench);
    const turns = await measureTurns(bench);
    const appends = await measureAppends(bench);
    const inFlight = await measureBatchesInFlight(bench);
    const appendGrowth = await measureAppendGrowth(bench, size);
    const exports = await measureExports(bench, size);
    const deletions = await measureDeletions(bench, size);
    const usage = await measureUsage(bench);
    const indexes = await measureIndexes(bench, size);
    return {
      sections: [
        appends,
        inFlight,
        reads,
        cache,
        log,
        foreignReads,
        turns,
        appendGrowth,
        history,
        deletions,
        lists,
        exports,
        usage,
        indexes,
      ],
      restarted,
    };
  } finally {
    await backscroll.close();
  }
}

/** What the numbers hold for. */
function conditions(on: BenchDatabase, restarted: boolean): readonly string[] {
  const seconds = Math.round((Date.now() - startedAt) / 1000);
  return [
    `${today()}, ${commitText()}, ${seconds} s`,
    `${machineText()}; everything on it, over loopback`,
    `Node ${process.versions.node}; ${on.description}`,
    on.isEmbedded
      ? "the embedded server, a new cluster on the disk of the temporary folder"
      : "the server of `DATABASE_URL`, in schemas of its own",
    restarted
      ? "the server was restarted after the rows were written: its buffers were empty, the system's file cache was not"
      : "the server was not restarted: it is not ours",
  ];
}
