import { encodeMessageCursor } from "../packages/backscroll/src/domain/cursor.ts";
import type { Message } from "../packages/backscroll/src/domain/message.ts";
import { getMessagesAround } from "../packages/backscroll/src/service/history.ts";
import { type Bench, CONTENT, openBackscroll, say, USER } from "./bench-context.ts";
import { runSql, withSettings } from "./database.ts";
import { explain, type Plan } from "./plans.ts";
import { atMost, msText, ratioText, type Section, table } from "./report.ts";
import { alternate, median, ratio, type Timed } from "./rounds.ts";
import type { Size } from "./seed.ts";

const PAGE_SIZE = 50;
const RETRY = "retry of a save in the middle";
const DAY_MS = 86_400_000;
const SECONDS_A_MESSAGE = 20;

type SizeName = "small" | "middle" | "large";
const SIZE_NAMES: readonly SizeName[] = ["small", "middle", "large"];

interface ReadCase {
  readonly name: string;
  readonly size: SizeName;
  readonly run: () => Promise<unknown>;
}

/** Every way of reading and changing a conversation, in conversations of three sizes. Run first after a restart: `first` is cold. */
export async function measureHistory(bench: Bench, size: Size): Promise<Section> {
  say("history: first reads, plans, then rounds");
  const cases = SIZE_NAMES.flatMap((name) => readCases(bench, name, size[name]));
  const first = new Map<string, number>();
  for (const { name, size: sizeName, run } of cases) first.set(key(name, sizeName), await timeOf(run));
  const plans = new Map<string, readonly Plan[]>();
  for (const { name, size: sizeName, run } of cases) {
    if (sizeName === "large") plans.set(name, await explain(bench.database.url, run));
  }
  const timed = (own: readonly ReadCase[]) =>
    alternate(
      own.map(({ name, size: sizeName, run }): Timed => ({ name: key(name, sizeName), run })),
      bench.effort.blocks,
    );
  // A refused insert may cost its connection, which the next case would pay for.
  const times = new Map([
    ...(await timed(cases.filter(({ name }) => name !== RETRY))),
    ...(await timed(cases.filter(({ name }) => name === RETRY))),
  ]);
  const names = [...new Set(cases.map(({ name }) => name))].filter((name) => times.has(key(name, "large")));
  const cell = (name: string, sizeName: SizeName): string => {
    const values = times.get(key(name, sizeName));
    return values ? msText(median(values)) : "–";
  };
  const rows = names.map((name) => [
    name,
    cell(name, "small"),
    cell(name, "middle"),
    cell(name, "large"),
    times.has(key(name, "small")) ? ratioText(ratio(times, key(name, "large"), key(name, "small"))) : "–",
    msText(first.get(key(name, "large")) ?? Number.NaN),
    planCell(plans.get(name) ?? []),
  ]);
  const deep = `page ${Math.min(2000, size.large / PAGE_SIZE)}`;
  return {
    title: "A conversation as it grows",
    text: table(
      [
        "",
        ...SIZE_NAMES.map((name) => sizeText(size[name])),
        "largest : smallest",
        "first after restart",
        "plan at the largest",
      ],
      rows,
    ),
    details: [...plans].map(([name, own]) => ({
      title: `${name}, ${sizeText(size.large)}`,
      text: own.map(({ text }) => text).join("\n\n"),
    })),
    targets: [
      atMost(
        `${deep} of ${sizeText(size.large)}, of page 1`,
        1.5,
        ratio(times, key(deep, "large"), key("page 1", "large")),
      ),
      atMost(
        `recent 20 at ${sizeText(size.large)}, of ${sizeText(size.small)}`,
        1.3,
        ratio(times, key("recent 20", "large"), key("recent 20", "small")),
      ),
    ],
  };
}

function key(name: string, size: SizeName): string {
  return `${name} ${size}`;
}

function sizeText(messages: number): string {
  return `${messages.toLocaleString("en-US")} messages`;
}

async function timeOf(run: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await run();
  return performance.now() - startedAt;
}

export function planCell(plans: readonly Plan[]): string {
  return plans.map(({ summary }) => summary).join("<br>");
}

function readCases({ backscroll, seeded }: Bench, size: SizeName, messages: number): readonly ReadCase[] {
  const id = conversationOf(seeded, size);
  const { conversations, deps } = backscroll;
  const middleSeq = Math.floor(messages / 2);
  const middleTime = new Date(Date.now() - DAY_MS - (messages - middleSeq) * SECONDS_A_MESSAGE * 1000);
  const windowEnd = new Date(middleTime.getTime() + Math.min(1000, messages / 4) * SECONDS_A_MESSAGE * 1000);
  const lastPage = Math.ceil(messages / PAGE_SIZE);
  const page = (number: number) => () => conversations.getFullHistory(USER, id, { page: number, pageSize: PAGE_SIZE });
  let found: Promise<Message> | undefined;
  const middle = (): Promise<Message> => (found ??= messageBefore(backscroll, id, middleSeq));
  const pages = [1, 100, 2000].filter((number) => number <= lastPage);
  // A short run has no page 2000: its deepest stands for it.
  if (size === "large" && lastPage < 2000) pages.push(lastPage);
  const cases: [name: string, run: () => Promise<unknown>][] = [
    ["recent 20", () => conversations.getRecentMessages(USER, id, { limit: 20 })],
    ...pages.map((number): [string, () => Promise<unknown>] => [`page ${number}`, page(number)]),
    ["last page", page(lastPage)],
    [
      "before a cursor in the middle",
      () => conversations.getRecentMessages(USER, id, { before: encodeMessageCursor(middleSeq) }),
    ],
    [
      "after a cursor in the middle",
      () => conversations.getMessagesAfter(USER, id, { after: encodeMessageCursor(middleSeq) }),
    ],
    [
      "around a message in the middle",
      async () =>
        getMessagesAround(deps, { userId: seeded.userId, conversationId: id }, { around: (await middle()).id }),
    ],
    [
      "recent 20 of a time window in the middle",
      () => conversations.getRecentMessages(USER, id, { from: middleTime, to: windowEnd }),
    ],
    [
      "page 1 of that window",
      () => conversations.getFullHistory(USER, id, { from: middleTime, to: windowEnd, page: 1, pageSize: PAGE_SIZE }),
    ],
    [
      "edit of a message in the middle",
      async () => conversations.editMessage(USER, id, (await middle()).id, await middle()),
    ],
    [RETRY, async () => conversations.saveMessage(USER, id, await middle())],
  ];
  return cases.map(([name, run]) => ({ name, size, run }));
}

function conversationOf(seeded: Bench["seeded"], size: SizeName): string {
  return size === "small" ? (seeded.smallIds[0] ?? "") : size === "middle" ? seeded.middleId : seeded.largeId;
}

async function messageBefore({ conversations }: Bench["backscroll"], id: string, seq: number): Promise<Message> {
  const { messages } = await conversations.getRecentMessages(USER, id, { before: encodeMessageCursor(seq), limit: 1 });
  if (!messages[0]) throw new Error(`no message before ${seq}`);
  return messages[0];
}

/** Appends to conversations of three sizes, one at a time; also without the disk, which would hide what grows. */
export async function measureAppendGrowth(bench: Bench, size: Size): Promise<Section> {
  say("append as a conversation grows");
  const hasty = await openBackscroll(withSettings(bench.database.url, { synchronous_commit: "off" }));
  try {
    const durable = await alternate(appendCases(bench, bench.backscroll), bench.effort.blocks * 2);
    const undelayed = await alternate(appendCases(bench, hasty), bench.effort.blocks * 2);
    const plans = await explain(
      bench.database.url,
      appendCases(bench, bench.backscroll)[2]?.run ?? (() => Promise.resolve()),
    );
    const batch = await explain(bench.database.url, () =>
      Promise.all(
        [...bench.seeded.smallIds, bench.seeded.largeId].map((id) =>
          bench.backscroll.conversations.saveMessage(USER, id, { role: "user", content: CONTENT }),
        ),
      ),
    );
    const all = [...plans, ...batch.filter(({ statement }) => statement === "insert_message_batch")];
    const rows = [
      { name: "append", times: durable },
      { name: "append, not waiting for the disk", times: undelayed },
    ].map(({ name, times }) => [
      name,
      msText(median(times.get("small") ?? [])),
      msText(median(times.get("middle") ?? [])),
      msText(median(times.get("large") ?? [])),
      ratioText(ratio(times, "middle", "small")),
      ratioText(ratio(times, "large", "small")),
    ]);
    const compared = `append at ${sizeText(size.large)}, of ${sizeText(size.small)}`;
    return {
      title: "Appending as a conversation grows",
      text: `${table(["", ...SIZE_NAMES.map((name) => sizeText(size[name])), "middle : smallest", "largest : smallest"], rows)}\n\n${planCell(all)}`,
      details: all.map(({ statement, text }) => ({ title: statement, text })),
      targets: [
        atMost(compared, 1.3, ratio(durable, "large", "small")),
        atMost(`${compared}, not waiting for the disk`, 1.3, ratio(undelayed, "large", "small")),
      ],
    };
  } finally {
    await hasty.close();
  }
}

function appendCases(
  { seeded }: Bench,
  { conversations }: Pick<Bench["backscroll"], "conversations">,
): readonly Timed[] {
  let turn = 0;
  return SIZE_NAMES.map((name) => ({
    name,
    run() {
      // Small ones take turns, or they would not stay small.
      const small = seeded.smallIds[(turn += 1) % seeded.smallIds.length] ?? "";
      const id = name === "small" ? small : conversationOf(seeded, name);
      return conversations.saveMessage(USER, id, { role: "user", content: CONTENT });
    },
  }));
}

const DELETED = 1000;
const DELETE_MS_MAX = 20_000;

/** Pages of the largest conversation once messages all over it are gone. */
export async function measureDeletions(bench: Bench, size: Size): Promise<Section> {
  say(`pages after deleting ${DELETED} scattered messages`);
  const { backscroll, seeded, database } = bench;
  const { conversations } = backscroll;
  const step = Math.floor(size.large / DELETED);
  const doomed = await runSql(
    database.url,
    "select id from messages where user_id = $1 and conversation_id = $2 and seq % $3 = 7 and seq <= $4 order by seq",
    [seeded.userId, seeded.largeId, step, size.large],
  );
  const left = doomed.map((row) => String(row["id"])).values();
  let deleted = 0;
  /** @returns whether there was one left */
  const deleteOne = async (): Promise<boolean> => {
    const { value: id } = left.next();
    if (id === undefined) return false;
    await conversations.deleteMessage(USER, seeded.largeId, id);
    deleted += 1;
    return true;
  };
  const deletion = await explain(database.url, deleteOne);
  const startedAt = performance.now();
  const deleteInTurn = async (): Promise<void> => {
    while (performance.now() - startedAt < DELETE_MS_MAX && (await deleteOne())) continue;
  };
  await Promise.all(Array.from({ length: 4 }, deleteInTurn));
  const deleteMs = (performance.now() - startedAt) / deleted;
  await runSql(database.url, "analyze deleted_messages");
  const page = (id: string, number: number) => () =>
    conversations.getFullHistory(USER, id, { page: number, pageSize: PAGE_SIZE });
  const deep = Math.min(2000, Math.floor(size.large / PAGE_SIZE) - 1 - Math.ceil(DELETED / PAGE_SIZE));
  const last = Math.ceil((size.large - deleted) / PAGE_SIZE);
  const intact = `page 1 of ${sizeText(size.middle)}, none deleted`;
  const cases: readonly Timed[] = [
    { name: intact, run: page(seeded.middleId, 1) },
    { name: "page 1", run: page(seeded.largeId, 1) },
    { name: `page ${deep}`, run: page(seeded.largeId, deep) },
    { name: `last page, ${last}`, run: page(seeded.largeId, last) },
  ];
  const times = await alternate(cases, bench.effort.blocks);
  const rows: string[][] = [];
  const details = [];
  for (const { name, run } of cases) {
    const plans = await explain(database.url, run);
    rows.push([
      name,
      msText(median(times.get(name) ?? [])),
      ratioText(ratio(times, name, "page 1")),
      ratioText(ratio(times, name, intact)),
      planCell(plans),
    ]);
    details.push({ title: `${name}, after deletions`, text: plans.map(({ text }) => text).join("\n\n") });
  }
  return {
    title: `After deleting ${deleted} scattered messages of ${sizeText(size.large)}`,
    text: `${table(["", "median", "of page 1", "of a conversation with none deleted", "plan"], rows)}\n\nA deletion took ${msText(deleteMs)}, four at a time: ${planCell(deletion)}`,
    details,
    targets: [
      atMost(
        `page ${deep} of ${sizeText(size.large)} after ${deleted} deletions, of page 1 there`,
        1.5,
        ratio(times, `page ${deep}`, "page 1"),
      ),
    ],
  };
}
