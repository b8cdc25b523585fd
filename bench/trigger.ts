import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { BackscrollInternals } from "../packages/backscroll/src/create.ts";
import { createAppender } from "../packages/backscroll/src/service/appender.ts";
import { ConversationService } from "../packages/backscroll/src/service/conversation-service.ts";
import { resolveUser } from "../packages/backscroll/src/service/users.ts";
import { CONTENT, openBackscroll, say, USER } from "./bench-context.ts";
import { commitText, machineText, today } from "./conditions.ts";
import { openBenchDatabase, runSql } from "./database.ts";
import { rateText, ratioText, table } from "./report.ts";
import { writeResults } from "./results.ts";
import { interleave, measureRate, median, type Rates, ratio, type Subject } from "./rounds.ts";
import { newConversations } from "./seed.ts";

/** What the triggers for writers past the service cost the service itself: `npm run bench:trigger`, four minutes. */
const { values: flags } = parseArgs({ options: { quick: { type: "boolean", default: false } } });
const EFFORT = flags.quick ? { rounds: 3, roundMs: 120 } : { rounds: 16, roundMs: 400 };
const LIMIT_MS = 600_000;
const WITH = "as they are";
const WITHOUT = "without the triggers";
const SAME = "without, once more";

/** One schema of the measured server, and a service on it. */
interface Side {
  readonly name: string;
  readonly url: string;
  readonly backscroll: BackscrollInternals;
  readonly userId: number;
}

interface Work {
  readonly name: string;
  readonly concurrency: number;
  readonly of: (side: Side, ids: readonly string[]) => Promise<(worker: number) => Promise<unknown>>;
}

const append =
  (batching: boolean): Work["of"] =>
  async ({ backscroll }, ids) => {
    const appender = createAppender(backscroll.deps.db, { batching });
    const service = new ConversationService({ ...backscroll.deps, appender });
    return (worker) => service.saveMessage(USER, ids[worker % ids.length] ?? "", { role: "user", content: CONTENT });
  };

const edit: Work["of"] = async ({ backscroll: { conversations } }, ids) => {
  const messages = new Map<string, string>();
  for (const id of ids)
    messages.set(id, (await conversations.saveMessage(USER, id, { role: "user", content: CONTENT })).id);
  return (worker) => {
    const id = ids[worker % ids.length] ?? "";
    return conversations.editMessage(USER, id, messages.get(id) ?? "", { content: CONTENT });
  };
};

const WORKS: readonly Work[] = [
  ...[1, 16, 64].map((concurrency) => ({ name: "append, alone", concurrency, of: append(false) })),
  ...[16, 64].map((concurrency) => ({ name: "append, batched", concurrency, of: append(true) })),
  { name: "edit", concurrency: 1, of: edit },
  { name: "edit", concurrency: 16, of: edit },
];

setTimeout(() => {
  say(`stopped: not done within ${LIMIT_MS / 1000} s`);
  process.exit(1);
}, LIMIT_MS).unref();

const database = await openBenchDatabase();
const sides: Side[] = [];
try {
  for (const name of [WITH, WITHOUT, SAME]) sides.push(await openSide(name));
  const report = await measure();
  process.stdout.write(report);
  if (!flags.quick) writeResults("triggers", report);
} finally {
  await Promise.all(sides.map(({ backscroll }) => backscroll.close()));
  await database.close();
}

async function openSide(name: string): Promise<Side> {
  const url = await database.newSchema(`triggers_${sides.length}`);
  const backscroll = await openBackscroll(url, { CACHE: "off" });
  if (name !== WITH) {
    await runSql(
      url,
      `drop trigger messages_append_past_service on messages; drop trigger messages_edit_past_service on messages;
       drop trigger conversations_move_past_service on conversations;
       drop trigger conversations_delete_past_service on conversations`,
    );
  }
  return { name, url, backscroll, userId: await resolveUser(backscroll.deps, USER) };
}

async function measure(): Promise<string> {
  const rows: string[][] = [];
  for (const { name, concurrency, of } of WORKS) {
    say(`${name}, ${concurrency}`);
    const works = await Promise.all(
      sides.map(async (side): Promise<Operation> => {
        const ids = await newConversations(side.url, side.userId, concurrency);
        return { side, run: await of(side, ids) };
      }),
    );
    // Two at a time: of three, the one in the middle would never come first.
    const subject = await compare(works, WITH, concurrency);
    const noise = await compare(works, SAME, concurrency);
    rows.push([
      name,
      String(concurrency),
      ratioText(ratio(subject.perCpuSecond, WITH, WITHOUT)),
      ratioText(ratio(noise.perCpuSecond, SAME, WITHOUT)),
      ratioText(ratio(subject.perSecond, WITH, WITHOUT)),
      ratioText(ratio(noise.perSecond, SAME, WITHOUT)),
      rateText(median(subject.perSecond.get(WITH) ?? [])),
    ]);
  }
  return [
    "## Triggers for writers past the service",
    `Written by \`npm run bench:trigger\`: ${today()}, ${commitText()}; ${machineText()}; ${database.description}. What the ` +
      "service's own statements reach with the triggers of migration 0005, of what they reach where the triggers were dropped: in a " +
      "second of the CPU that PostgreSQL takes for them, which load on the machine hardly changes, and in a second. Beside each, to " +
      "say what it is worth, a third schema without them, of the second. The library, without a cache; the two of each pair take " +
      `turns in rounds of ${EFFORT.roundMs} ms, ${EFFORT.rounds} each.`,
    table(
      ["", "concurrency", "a second of CPU", "the same, without", "a second", "the same, without", "median, with"],
      rows,
    ),
    "",
  ].join("\n\n");
}

interface Operation {
  readonly side: Side;
  readonly run: (worker: number) => Promise<unknown>;
}

/** One side beside the one without triggers, turn about. */
async function compare(
  works: readonly Operation[],
  one: string,
  concurrency: number,
): Promise<{ readonly perSecond: Rates; readonly perCpuSecond: Rates }> {
  const perCpuSecond = new Map<string, number[]>();
  const subjects: Subject[] = [];
  for (const { side, run } of works.filter(({ side: { name } }) => name === one || name === WITHOUT)) {
    const backends = await backendsOf(side);
    const rates: number[] = [];
    perCpuSecond.set(side.name, rates);
    subjects.push({
      name: side.name,
      async run(workers, ms) {
        const before = cpuSeconds(backends);
        let done = 0;
        const perSecond = await measureRate(workers, ms, async (worker) => {
          await run(worker);
          done += 1;
        });
        rates.push(done / (cpuSeconds(backends) - before));
        return perSecond;
      },
    });
  }
  const perSecond = await interleave(subjects, { ...EFFORT, concurrency });
  for (const rates of perCpuSecond.values()) rates.shift(); // the round that warms up
  return { perSecond, perCpuSecond };
}

/** @returns the processes of PostgreSQL that serve a side's pool, all of its connections open */
async function backendsOf({ backscroll: { deps, config } }: Side): Promise<readonly number[]> {
  const asked = Array.from({ length: config.databasePoolMax }, () =>
    deps.db.pool.query<{ pid: number }>("select pg_backend_pid() as pid from pg_sleep(0.1)"),
  );
  return (await Promise.all(asked)).flatMap(({ rows }) => rows.map(({ pid }) => pid));
}

/** Of Linux: nanoseconds on a CPU are the first field. */
function cpuSeconds(pids: readonly number[]): number {
  const all = pids.map((pid) => Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[0]));
  return all.reduce((sum, each) => sum + each, 0) / 1e9;
}
