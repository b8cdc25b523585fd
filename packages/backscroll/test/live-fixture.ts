import { expect, onTestFinished } from "vitest";
import { boundLink } from "../src/cache/redis/bounded-link.ts";
import { connectRedis } from "../src/cache/redis/link.ts";
import type { Change, ChangeFeed } from "../src/live/change-feed.ts";
import type { Live } from "../src/live/live.ts";
import { createMemoryBudgets } from "../src/live/memory/budgets.ts";
import { createMemoryChangeFeed } from "../src/live/memory/change-feed.ts";
import { createMemoryReplyStreams } from "../src/live/memory/reply-streams.ts";
import { createMemorySignals } from "../src/live/memory/signals.ts";
import { createMemoryStreamSlots } from "../src/live/memory/stream-slots.ts";
import { createRedisBudgets, type RedisBudgetOptions } from "../src/live/redis/budgets.ts";
import { createRedisChangeFeed, type RedisFeedOptions } from "../src/live/redis/change-feed.ts";
import { createNameKey } from "../src/live/redis/key-names.ts";
import { createRedisReplyStreams } from "../src/live/redis/reply-streams.ts";
import { createRedisSignals } from "../src/live/redis/signals.ts";
import { createRedisStreamSlots, type RedisSlotOptions } from "../src/live/redis/stream-slots.ts";

/** Polls often, and for as long as a busy machine may take. */
export function eventually<Value>(
  probe: () => Value | Promise<Value>,
  message?: string,
): ReturnType<typeof expect.poll<Value>> {
  return expect.poll(probe, { interval: 10, timeout: 15_000, ...(message !== undefined && { message }) });
}

export interface FeedOptions extends Partial<RedisFeedOptions> {
  readonly budgets?: RedisBudgetOptions;
  readonly slots?: Partial<RedisSlotOptions>;
  /** of one call about budgets and slots */
  readonly deadlineMs?: number;
}

/** Two servers that share what is live. */
export interface Servers {
  readonly one: Live;
  readonly other: Live;
}

/** In memory there is one server, so both are the same. */
export function memoryServers({ entriesMax, keepMs, budgets }: FeedOptions = {}): Servers {
  const live: Live = {
    streams: createMemoryReplyStreams(),
    signals: createMemorySignals(),
    feed: createMemoryChangeFeed({
      ...(entriesMax !== undefined && { entriesMax }),
      ...(keepMs !== undefined && { keepMs }),
    }),
    budgets: createMemoryBudgets(budgets),
    slots: createMemoryStreamSlots(),
  };
  return { one: live, other: live };
}

export async function redisServers(url: string, prefix: string, options: FeedOptions = {}): Promise<Servers> {
  const [one, other] = await Promise.all([redisServer(url, prefix, options), redisServer(url, prefix, options)]);
  return { one, other };
}

/** A server's part; it ends with the test. */
export async function redisServer(url: string, prefix: string, options: FeedOptions = {}): Promise<Live> {
  const connecting = { connectTimeoutMs: 5_000, onError: () => undefined };
  const link = await connectRedis(url, connecting);
  const signals = createRedisSignals(url, link, prefix, connecting);
  const streams = createRedisReplyStreams(link, prefix);
  const { budgets, slots: slotOptions, deadlineMs = 5_000, ...feedOptions } = options;
  const feed = createRedisChangeFeed(link, signals, prefix, feedOptions);
  const bounded = boundLink(link, deadlineMs);
  const nameKey = createNameKey(prefix, Buffer.from("of the database"));
  const slots = createRedisStreamSlots(bounded, nameKey, slotOptions);
  onTestFinished(async () => {
    await Promise.all([feed.close(), slots.close()]);
    bounded.close();
    signals.close();
    link.close();
  });
  return { streams, signals, feed, budgets: createRedisBudgets(bounded, nameKey, budgets), slots };
}

/** Somebody who follows a user's changes. */
export interface Listening {
  /** so far, without the first entry */
  readonly heard: readonly Change[];
  /** the last id seen: a cursor to come back with */
  readonly cursor: string;
  readonly stop: () => Promise<void>;
}

/** @returns once the first entry has come; it ends with the test */
export async function listenTo(feed: ChangeFeed, userId: number, cursor: string | null = null): Promise<Listening> {
  const stopping = new AbortController();
  const entries = feed.follow(userId, cursor, stopping.signal);
  const first = await entries.next();
  if (first.done) throw new Error("a feed begins with an entry");
  expect(first.value.change).toBeNull();
  const heard: Change[] = [];
  let last = first.value.id;
  const ended = (async () => {
    for await (const { id, change } of entries) {
      last = id;
      if (change) heard.push(change);
    }
  })();
  const stop = async (): Promise<void> => {
    stopping.abort();
    await ended;
  };
  onTestFinished(stop);
  return {
    heard,
    get cursor() {
      return last;
    },
    stop,
  };
}

export const change = (n: number | string): Change => ({ type: "conversation_updated", conversation_id: String(n) });
export const changes = (from: number, to: number): Change[] =>
  Array.from({ length: to - from + 1 }, (_, i) => change(from + i));
export const RESYNC: Change = { type: "resync" };
