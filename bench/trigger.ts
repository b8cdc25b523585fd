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
import { inProcess, interleave, median, ratio, type Subject } from "./rounds.ts";
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
    const subjects = await Promise.all(
      sides.map(async (side): Promise<Subject> => {
        const ids = await newConversations(side.url, side.userId, concurrency);
        return inProcess(side.name, await of(side, ids));
      }),
    );
    const pair = (one: string): readonly Subject[] =>
      subjects.filter((subject) => subject.name === one || subject.name === WITHOUT);
    // Two at a time: of three, the one in the middle would never come first.
    const rates = await interleave(pair(WITH), { ...EFFORT, concurrency });
    const noise = await interleave(pair(SAME), { ...EFFORT, concurrency });
    rows.push([
      name,
      String(concurrency),
      ratioText(ratio(rates, WITH, WITHOUT)),
      ratioText(ratio(noise, SAME, WITHOUT)),
      rateText(median(rates.get(WITH) ?? [])),
    ]);
  }
  return [
    "## Triggers for writers past the service",
    `Written by \`npm run bench:trigger\`: ${today()}, ${commitText()}; ${machineText()}; ${database.description}. What the ` +
      "service's own statements reach with the triggers of migration 0005, of what they reach where the triggers were dropped; " +
      "and, to say what such a ratio is worth, a third schema without them, of the second. The library, without a cache; the " +
      `two of each pair take turns in rounds of ${EFFORT.roundMs} ms, ${EFFORT.rounds} each.`,
    table(["", "concurrency", "with, of without", "without, of without", "median, with"], rows),
    "",
  ].join("\n\n");
}
