import { exportPerson } from "../packages/backscroll/src/service/export.ts";
import { type Bench, say, USER } from "./bench-context.ts";
import { runSql } from "./database.ts";
import { planCell } from "./growth.ts";
import { serveHttp } from "./http.ts";
import { explain, type Plan } from "./plans.ts";
import { msText, type Section, table } from "./report.ts";
import { alternate, median } from "./rounds.ts";
import type { Size } from "./seed.ts";

interface Streamed {
  readonly bytes: number;
  readonly ms: number;
  /** most memory of this process during the first half of the bytes, and during the second */
  readonly rssBytesFirstHalf: number;
  readonly rssBytesSecondHalf: number;
}

/** Exports of the largest conversation and of many small ones: throughput, and memory as they go on. */
export async function measureExports({ backscroll, seeded, database }: Bench, size: Size): Promise<Section> {
  const { conversations, deps } = backscroll;
  const http = await serveHttp(backscroll.fetch);
  try {
    const rows: string[][] = [];
    const details: { title: string; text: string }[] = [];
    const add = async (name: string, open: () => Promise<AsyncIterable<string | Uint8Array>>): Promise<void> => {
      say(name);
      let streamed: Streamed | undefined;
      const plans = await explain(database.url, async () => {
        streamed = await stream(await open());
      });
      if (!streamed) return;
      const megabytes = streamed.bytes / 1e6;
      rows.push([
        name,
        `${megabytes.toFixed(0)} MB in ${(streamed.ms / 1000).toFixed(1)} s`,
        `${(megabytes / (streamed.ms / 1000)).toFixed(0)} MB/s`,
        `${((streamed.rssBytesSecondHalf - streamed.rssBytesFirstHalf) / 1e6).toFixed(0)} MB`,
        planCell(plans),
      ]);
      details.push({ title: name, text: plans.map(({ text }) => text).join("\n\n") });
    };
    await stream(await conversations.exportConversation(USER, seeded.middleId)); // warms up
    const what = `${size.large.toLocaleString("en-US")} messages`;
    await add(`export of ${what}, JSON`, () => conversations.exportConversation(USER, seeded.largeId));
    await add(`export of ${what}, Markdown`, () => conversations.exportConversation(USER, seeded.largeId, "markdown"));
    await add(`export of ${what}, JSON over HTTP`, async () =>
      http.open(`/api/conversations/${seeded.largeId}/export`),
    );
    await add(`export of ${size.conversations.toLocaleString("en-US")} conversations of four messages`, () =>
      exportPerson(deps, seeded.busyUserId, { actor: null }),
    );
    return {
      title: "Exports",
      text:
        `${table(["", "size and time", "throughput", "memory, second half less first", "plan of a batch in the middle"], rows)}\n\n` +
        "Memory is the process's resident set, garbage and all; what it held at most in the second half of the bytes, less the same of the first half, must not follow the size.",
      details,
    };
  } finally {
    await http.close();
  }
}

async function stream(pieces: AsyncIterable<string | Uint8Array>): Promise<Streamed> {
  const startedAt = performance.now();
  const memory: number[] = [];
  let bytes = 0;
  let sampledAt = 0;
  for await (const piece of pieces) {
    bytes += typeof piece === "string" ? Buffer.byteLength(piece) : piece.byteLength;
    if (bytes - sampledAt < 2_000_000 && memory.length > 0) continue;
    sampledAt = bytes;
    memory.push(process.memoryUsage.rss());
  }
  const half = Math.floor(memory.length / 2);
  return {
    bytes,
    ms: performance.now() - startedAt,
    rssBytesFirstHalf: Math.max(...memory.slice(0, half)),
    rssBytesSecondHalf: Math.max(...memory.slice(half)),
  };
}

/** The usage of somebody with all those messages: the first time all of them are counted, later only new ones. */
export async function measureUsage({ backscroll, seeded, database, effort }: Bench): Promise<Section> {
  say("usage");
  const { conversations } = backscroll;
  const today = new Date().toISOString().slice(0, 10);
  const from = new Date(Date.parse(today) - 365 * 86_400_000).toISOString().slice(0, 10);
  const getUsage = (): Promise<unknown> => conversations.getUsage(USER, { from, to: today });
  const startedAt = performance.now();
  let firstMs = 0;
  // A fold is gone once it ran: what it looked like is explained on the same rows, as if nothing were counted yet.
  let foldPlans: readonly Plan[] = [];
  const counted = await runSql(
    database.url,
    "select sum(last_seq - usage_seq) as messages from conversations where user_id = $1",
    [seeded.userId],
  );
  foldPlans = await explain(database.url, async () => {
    await getUsage();
    firstMs = performance.now() - startedAt;
    await runSql(database.url, "update conversations set usage_seq = 0 where user_id = $1", [seeded.userId]);
  });
  await getUsage();
  const times = await alternate([{ name: "later", run: getUsage }], effort.blocks);
  const later = await explain(database.url, getUsage);
  const messages = Number(counted[0]?.["messages"]);
  return {
    title: "Usage",
    text: table(
      ["", "time", "plan"],
      [
        [
          `first, ${messages.toLocaleString("en-US")} messages to count`,
          `${msText(firstMs)}, ${((firstMs * 1000) / messages).toFixed(1)} µs a message`,
          planCell(foldPlans),
        ],
        ["later, none to count", msText(median(times.get("later") ?? [])), planCell(later)],
      ],
    ),
    details: [
      { title: "usage, first", text: foldPlans.map(({ text }) => text).join("\n\n") },
      { title: "usage, later", text: later.map(({ text }) => text).join("\n\n") },
    ],
  };
}
