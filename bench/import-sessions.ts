import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { say } from "./bench-context.ts";
import { commitText, machineText, today } from "./conditions.ts";
import { type BenchDatabase, openBenchDatabase, runSql } from "./database.ts";
import { type Run, runImport } from "./import-sessions/command.ts";
import { type MadeDump, makeDump, sessionLengths } from "./import-sessions/dumps.ts";
import { table, type Target, targetTable } from "./report.ts";
import { writeResults } from "./results.ts";

/** `backscroll import sessions`, whole, again, killed and resumed, and how much memory it takes: `npm run bench:import`. */
const { values: flags } = parseArgs({
  options: {
    messages: { type: "string", default: "1000000" },
    gigabytes: { type: "string", default: "2" },
    kills: { type: "string", default: "5" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
  },
});
const [messages, gigabytes, kills, seed] = [flags.messages, flags.gigabytes, flags.kills, flags.seed].map(Number) as [
  number,
  number,
  number,
  number,
];
if (![messages, kills, seed].every(Number.isInteger) || messages < 1_000 || !(gigabytes > 0 && gigabytes <= 8)) {
  process.stderr.write("--messages from 1000, --gigabytes up to 8, --kills and --seed must be numbers\n");
  process.exit(2);
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
const temporary = mkdtempSync(join(tmpdir(), "backscroll-bench-import-"));
process.once("exit", () => rmSync(temporary, { recursive: true, force: true, maxRetries: 5 }));

const CONTENT_BYTES = 200;
const LARGE_CONTENT_BYTES = 4_000;
const ONE_OWNER = ["--user", "ada@example.com"];
/** Behind the messages: each session has to be held until it says whose it is. */
const OWNERS = ["--user-field", "context.email"];
/** Of the large dump, one session is so much. */
const LARGEST_SHARE = 0.9;

const database = await openBenchDatabase();
try {
  const dump = await makeDump(join(temporary, "dump.json"), sessionLengths(messages), CONTENT_BYTES);
  say(`a dump of ${dump.messages} messages in ${dump.sessions} sessions, ${megabytes(dump.bytes)}`);
  const cleanUrl = await database.newSchema("import_clean");
  const first = await runImport({ file: dump.file, url: cleanUrl, owner: ONE_OWNER, temporary });
  say(`imported in ${Math.round(first.seconds)} s, ${Math.round(first.peakMb)} MB at most`);
  const second = await runImport({ file: dump.file, url: cleanUrl, owner: ONE_OWNER, temporary });
  say(`again in ${Math.round(second.seconds)} s`);
  const killed = await importKilled(database, dump, first.seconds);
  const isSame = (await digest(cleanUrl)) === (await digest(killed.url));
  say(`killed ${killed.kills} times and resumed: ${isSame ? "the same" : "NOT THE SAME"}`);
  rmSync(dump.file);
  await dropTables(killed.url);
  const large = await makeLarge();
  const largeUrl = await database.newSchema("import_large");
  const largeRun = await runImport({ file: large.file, url: largeUrl, owner: OWNERS, temporary });
  say(`${megabytes(large.bytes)} in ${Math.round(largeRun.seconds)} s, ${Math.round(largeRun.peakMb)} MB at most`);
  const report = toMarkdown({ dump, first, second, killed, isSame, large, largeRun });
  process.stdout.write(report);
  writeResults("import", report);
} finally {
  await database.close();
}

interface Killed {
  readonly url: string;
  readonly kills: number;
  readonly seconds: number;
  readonly last: Run;
}

/** Killed at random points, some in the beginning of what is left and some late, and then left to its end. */
async function importKilled(on: BenchDatabase, { file }: MadeDump, wholeSeconds: number): Promise<Killed> {
  const url = await on.newSchema("import_killed");
  let state = seed;
  const random = (): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) / 2 ** 32;
  let seconds = 0;
  let done = 0;
  for (; done < kills; done += 1) {
    const run = await runImport(
      { file, url, owner: ONE_OWNER, temporary },
      1_000 + (random() * wholeSeconds * 800) / kills,
    );
    seconds += run.seconds;
    if (run.counts !== null) return { url, kills: done, seconds, last: run };
  }
  const last = await runImport({ file, url, owner: ONE_OWNER, temporary });
  return { url, kills: done, seconds: seconds + last.seconds, last };
}

/** The sum of the hashes of all rows, without what differs from run to run: versions, and times of writing. */
async function digest(url: string): Promise<string> {
  const [row] = await runSql(
    url,
    `select (select row(count(*), sum(hashtextextended(m::text, 0)::numeric)) from messages as m)::text as messages,
            (select row(count(*), sum(hashtextextended(row(user_id, id, title, title_source, metadata, last_seq, message_count,
                                                         created_at, updated_at)::text, 0)::numeric))
               from conversations)::text as conversations,
            (select row(count(*), sum(hashtextextended(row(user_id, session_id, id, conversation_id, context, created_at)::text, 0)::numeric))
               from sessions)::text as sessions`,
  );
  return JSON.stringify(row);
}

async function dropTables(url: string): Promise<void> {
  await runSql(url, "drop table messages cascade");
}

/** One session that is most of the dump, and small ones around it. */
function makeLarge(): Promise<MadeDump> {
  const all = Math.round((gigabytes * 1e9) / (LARGE_CONTENT_BYTES + 110));
  const largest = Math.round(all * LARGEST_SHARE);
  const others = [...sessionLengths(all - largest)];
  const lengths = [...others.slice(0, others.length / 2), largest, ...others.slice(others.length / 2)];
  return makeDump(join(temporary, "large.json"), lengths, LARGE_CONTENT_BYTES);
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6).toLocaleString("en-US")} MB`;
}

interface Measured {
  readonly dump: MadeDump;
  readonly first: Run;
  readonly second: Run;
  readonly killed: Killed;
  readonly isSame: boolean;
  readonly large: MadeDump;
  readonly largeRun: Run;
}

function toMarkdown({ dump, first, second, killed, isSame, large, largeRun }: Measured): string {
  const targets: readonly Target[] = [
    {
      name: "messages that a second import adds",
      wanted: "0",
      reached: String(second.counts?.messages.saved),
      met: second.counts?.messages.saved === 0 && second.counts.messages.skipped === dump.messages,
    },
    {
      name: `killed ${killed.kills} times and resumed, against one clean run`,
      wanted: "the same rows",
      reached: isSame ? "the same rows" : "other rows",
      met: isSame && killed.kills > 0,
    },
  ];
  return [
    "## A dump of sessions",
    `Written by \`npm run bench:import\`: ${today()}, ${commitText()}; ${machineText()}; Node ${process.versions.node}; ${database.description}.`,
    `- as Python writes it, with naive times and NaN; of one person (\`--user\`), the large one of 50, each session naming its own behind its messages (\`--user-field\`)\n` +
      `- ${dump.sessions.toLocaleString("en-US")} sessions of 4 to 2,000 messages of ${CONTENT_BYTES} bytes; the large dump has one session of ` +
      `${Math.round(LARGEST_SHARE * 100)}% of it, of messages of ${LARGE_CONTENT_BYTES} bytes, and ${(large.sessions - 1).toLocaleString("en-US")} small ones\n` +
      `- killed by SIGKILL at random times (seed ${seed}); all its runs together took ${Math.round(killed.seconds)} s`,
    table(
      ["", "dump", "messages", "added", "time", "messages", "RSS, at most"],
      [
        line("first import", dump, first),
        line("again", dump, second),
        line("the last one after the kills", dump, killed.last),
        line("the large dump", large, largeRun),
      ],
    ),
    targetTable(targets),
    "",
  ].join("\n\n");
}

function line(what: string, { bytes, messages }: MadeDump, run: Run): string[] {
  return [
    what,
    megabytes(bytes),
    messages.toLocaleString("en-US"),
    (run.counts?.messages.saved ?? 0).toLocaleString("en-US"),
    `${Math.round(run.seconds)} s`,
    `${Math.round(messages / run.seconds).toLocaleString("en-US")}/s`,
    `${Math.round(run.peakMb)} MB`,
  ];
}
