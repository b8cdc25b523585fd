import { execFileSync } from "node:child_process";
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import type { BackscrollInternals } from "../packages/backscroll/src/create.ts";
import { resolveUser } from "../packages/backscroll/src/service/users.ts";
import { findPgBouncer } from "../packages/backscroll/test/find-pgbouncer.ts";
import { startPgBouncer } from "../packages/backscroll/test/pgbouncer.ts";
import { CONTENT, openBackscroll, say, USER } from "./bench-context.ts";
import { openBenchDatabase } from "./database.ts";
import { rateText, ratioText, table } from "./report.ts";
import { writeResults } from "./results.ts";
import { inProcess, interleave, median, ratio, type Subject } from "./rounds.ts";
import { newConversations } from "./seed.ts";

/** What statements without a name cost, and PgBouncer before PostgreSQL: `npm run bench:pgbouncer`, two minutes. */
const { values: flags } = parseArgs({ options: { quick: { type: "boolean", default: false } } });
const EFFORT = flags.quick ? { rounds: 3, roundMs: 120 } : { rounds: 10, roundMs: 300 };
const CONCURRENCIES = [1, 16, 64];
const MESSAGES = 20;
const LIMIT_MS = 400_000;
const DIRECT = "`PG_PREPARE=on`, direct";
const UNPREPARED = "`PG_PREPARE=off`, direct";
const POOLED = "`PG_PREPARE=off`, PgBouncer";

type Operation = (backscroll: BackscrollInternals, id: string) => Promise<unknown>;

const OPERATIONS: readonly (readonly [string, Operation])[] = [
  ["newest 20 messages", ({ conversations }, id) => conversations.getRecentMessages(USER, id, { limit: MESSAGES })],
  ["list of conversations", ({ conversations }) => conversations.listUserConversations(USER)],
  ["append", ({ conversations }, id) => conversations.saveMessage(USER, id, { role: "user", content: CONTENT })],
];

setTimeout(() => {
  say(`stopped: not done within ${LIMIT_MS / 1000} s`);
  process.exit(1);
}, LIMIT_MS).unref();

const database = await openBenchDatabase();
const pooler = await startPgBouncer(database.url, { default_pool_size: 20 });
const environment = { CACHE: "off" };
const ways: readonly (readonly [string, BackscrollInternals])[] = [
  [DIRECT, await openBackscroll(database.url, environment)],
  [UNPREPARED, await openBackscroll(database.url, { ...environment, PG_PREPARE: "off" })],
  [POOLED, await openBackscroll(pooler.url, { ...environment, PG_PREPARE: "off", DATABASE_DIRECT_URL: database.url })],
];
try {
  const report = await measure();
  process.stdout.write(report);
  if (!flags.quick) writeResults("pgbouncer", report);
} finally {
  await Promise.all(ways.map(([, backscroll]) => backscroll.close()));
  await pooler.stop();
  await database.close();
}

async function measure(): Promise<string> {
  const rows: string[][] = [];
  for (const concurrency of CONCURRENCIES) {
    for (const [what, operation] of OPERATIONS) {
      say(`${what}, ${concurrency}`);
      const rates = await interleave(await subjectsOf(operation, concurrency), { ...EFFORT, concurrency });
      for (const [name, values] of rates) {
        const against = name === DIRECT ? "" : ratioText(ratio(rates, name, DIRECT));
        rows.push([String(concurrency), what, name, against, rateText(median(values))]);
      }
    }
  }
  const version = execFileSync(findPgBouncer(), ["--version"], { encoding: "utf8" }).split("\n")[0] ?? "";
  return [
    "## PgBouncer, and statements without a name",
    `Written by \`npm run bench:pgbouncer\`: ${new Date().toISOString().slice(0, 10)}; ${cpus()[0]?.model.trim()}, ` +
      `${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB; ${version} in transaction mode, 20 connections; ` +
      "everything on one machine, so the pooler takes its CPU from the others. The library, without a cache; the three take " +
      `turns in rounds of ${EFFORT.roundMs} ms, ${EFFORT.rounds} each.`,
    table(["concurrency", "", "", "of prepared and direct", "median"], rows),
    "",
  ].join("\n\n");
}

/** A conversation of its own for each, and for each who asks: nobody waits for another's lock. */
async function subjectsOf(operation: Operation, concurrency: number): Promise<readonly Subject[]> {
  const [, first] = ways[0] ?? [];
  if (!first) return [];
  const userId = await resolveUser(first.deps, USER);
  return Promise.all(
    ways.map(async ([name, backscroll]) => {
      const ids = await newConversations(database.url, userId, concurrency);
      const messages = Array.from({ length: MESSAGES }, () => ({ role: "user" as const, content: CONTENT }));
      for (const id of ids) await backscroll.conversations.saveMessages(USER, id, messages);
      return inProcess(name, (worker) => operation(backscroll, ids[worker % ids.length] ?? ""));
    }),
  );
}
