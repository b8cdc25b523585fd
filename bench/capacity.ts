import { readFileSync } from "node:fs";
import { USER, openBackscroll, say } from "./bench-context.ts";
import { type BenchDatabase, openBenchDatabase, runSql } from "./database.ts";
import { type BenchRedis, openBenchRedis } from "./redis.ts";
import { table } from "./report.ts";
import { writeResults } from "./results.ts";

/** What a message takes in PostgreSQL and in Redis: `npm run bench:capacity`, a minute. */
const CONTENT_BYTES = [200, 1_000, 4_000] as const;
const CONVERSATIONS = 400;
const MESSAGES = 50;
const CACHED = 20;
const WRITERS = 8;
const LIMIT_MS = 300_000;

/** This repository's own documentation: text that compresses as text does. */
const CORPUS = ["../README.md", "../ARCHITECTURE.md", "../docs/cache.md", "../docs/security.md"]
  .map((path) => readFileSync(new URL(path, import.meta.url), "utf8").replaceAll(/[^ -~\n]/g, ""))
  .join("\n");

/** Bytes of one message of so many bytes of content; `conversation`: of one conversation. */
interface Taken {
  readonly content: number;
  readonly heap: number;
  readonly toast: number;
  readonly indexes: number;
  readonly wal: number;
  readonly conversation: number;
  readonly redisMessage: number;
}

setTimeout(() => {
  say(`stopped: not done within ${LIMIT_MS / 1000} s`);
  process.exit(1);
}, LIMIT_MS).unref();

const database = await openBenchDatabase();
const redis = await openBenchRedis();
try {
  const taken: Taken[] = [];
  for (const content of CONTENT_BYTES) taken.push(await measure(database, redis, content));
  const report = toMarkdown(taken, database.description);
  process.stdout.write(report);
  writeResults("capacity", report);
} finally {
  await redis.close();
  await database.close();
}

async function measure(on: BenchDatabase, cache: BenchRedis, content: number): Promise<Taken> {
  say(`${content} bytes: ${CONVERSATIONS} conversations of ${MESSAGES} messages`);
  const url = await on.newSchema(`capacity_${content}`);
  const writer = await openBackscroll(url, { CACHE: "off" });
  const ids: string[] = [];
  let wal = 0;
  try {
    for (let nth = 0; nth < CONVERSATIONS; nth += 1) {
      ids.push((await writer.conversations.createConversation(USER, { title: `Conversation ${nth}` })).id);
    }
    await runSql(on.url, "checkpoint");
    const before = await walBytes(on.url);
    const queue = [...ids];
    let written = 0;
    const write = async (): Promise<void> => {
      for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
        for (let seq = 1; seq <= MESSAGES; seq += 1) {
          const isQuestion = seq % 2 === 1;
          const told = isQuestion ? {} : { model: "bench-model", tokensUsed: Math.round(content / 4) };
          const message = {
            role: isQuestion ? "user" : "assistant",
            content: prose(content, (written += 1)),
            ...told,
          } as const;
          await writer.conversations.saveMessage(USER, id, message);
        }
      }
    };
    await Promise.all(Array.from({ length: WRITERS }, write));
    wal = (await walBytes(on.url)) - before;
  } finally {
    await writer.close();
  }
  await runSql(url, "vacuum analyze");
  const [size] = await runSql(
    url,
    `select pg_relation_size('messages') as heap, pg_indexes_size('messages') as indexes,
            pg_table_size('messages') - pg_relation_size('messages') as toast,
            pg_total_relation_size('conversations') as conversations`,
  );
  const messages = CONVERSATIONS * MESSAGES;
  return {
    content,
    heap: Number(size?.["heap"]) / messages,
    toast: Number(size?.["toast"]) / messages,
    indexes: Number(size?.["indexes"]) / messages,
    wal: wal / messages,
    conversation: Number(size?.["conversations"]) / CONVERSATIONS,
    redisMessage: await measureRedis(url, cache, ids),
  };
}

/** @returns bytes that one cached message takes, its share of the conversation's keys included */
async function measureRedis(url: string, cache: BenchRedis, ids: readonly string[]): Promise<number> {
  const reader = await openBackscroll(url, { REDIS_URL: cache.url });
  try {
    const read = (id: string): Promise<unknown> =>
      reader.conversations.getRecentMessages(USER, id, { limit: CACHED - 1 });
    // What Redis keeps once, for its clients and scripts, is there before.
    const [first = "", ...rest] = ids;
    await read(first);
    const before = await cache.memoryBytes();
    for (const id of rest) await read(id);
    return ((await cache.memoryBytes()) - before) / rest.length / CACHED;
  } finally {
    await reader.close();
  }
}

async function walBytes(url: string): Promise<number> {
  const [row] = await runSql(url, "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') as bytes");
  return Number(row?.["bytes"]);
}

/** @returns so many bytes of it, from another place for each `nth` */
function prose(bytes: number, nth: number): string {
  const start = (nth * 7_919) % (CORPUS.length - bytes);
  // Neither end is white space, which might be taken off.
  return `.${CORPUS.slice(start, start + bytes - 2)}.`;
}

function bytes(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function toMarkdown(taken: readonly Taken[], server: string): string {
  const rows = taken.map((one) => [
    bytes(one.content),
    bytes(one.heap),
    bytes(one.toast),
    bytes(one.indexes),
    `**${bytes(one.heap + one.toast + one.indexes)}**`,
    bytes(one.wal),
    `**${bytes(one.redisMessage)}**`,
  ]);
  const overhead = (each: (one: Taken) => number): string => {
    const [small] = taken;
    return small === undefined ? "–" : bytes(each(small) - small.content);
  };
  return [
    "# Capacity",
    "Written by `npm run bench:capacity`. Bytes a message, of English prose.",
    `- ${new Date().toISOString().slice(0, 10)}; ${server}\n` +
      `- ${CONVERSATIONS} conversations of ${MESSAGES} messages, each message saved by itself, ${WRITERS} writers; after a vacuum\n` +
      `- Redis: ${CACHED} messages of each conversation, their share of its keys included`,
    table(["content", "rows", "TOAST", "indexes", "PostgreSQL in all", "WAL", "Redis, cached"], rows),
    `Beside its content a message of ${CONTENT_BYTES[0]} bytes takes ${overhead((one) => one.heap + one.toast + one.indexes)} bytes in PostgreSQL, ` +
      `${overhead((one) => one.wal)} of WAL and ${overhead((one) => one.redisMessage)} in Redis. ` +
      `A conversation takes ${bytes(taken[0]?.conversation ?? Number.NaN)} bytes more in PostgreSQL, its versions that vacuum has not yet reused included.`,
    "",
  ].join("\n\n");
}
