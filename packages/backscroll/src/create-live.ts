import type { Logger } from "pino";
import type { WatchLink } from "./cache/redis/link-metrics.ts";
import type { Config } from "./config.ts";
import { logText } from "./domain/logged-error.ts";
import type { Live } from "./live/live.ts";
import { createMemoryBudgets } from "./live/memory/budgets.ts";
import { createMemoryChangeFeed } from "./live/memory/change-feed.ts";
import { createMemoryReplyStreams } from "./live/memory/reply-streams.ts";
import { createMemorySignals } from "./live/memory/signals.ts";
import { createMemoryStreamSlots } from "./live/memory/stream-slots.ts";
import type { Tracer } from "./tracing/tracer.ts";

const REDIS_CONNECT_MS = 1_000;

export interface CreatedLive extends Live {
  /** Waits a moment for what has been told, then disconnects. */
  close(): Promise<void>;
}

export interface LiveSurroundings {
  readonly databaseId: string;
  /** of the database: what Redis must not know is hidden under it */
  readonly secret: Buffer;
  readonly log: Logger;
  readonly watchLink: WatchLink;
  readonly tracer: Tracer;
}

/**
 * Puts together what is true only now: in the Redis of `redisUrl`, which all servers share and which need not be
 * there yet; in this process when there is none, and then no other server hears of it.
 *
 * @throws when the URL is none of Redis
 */
export async function createLive(config: Config, surroundings: LiveSurroundings): Promise<CreatedLive> {
  return config.redisUrl === undefined ? createMemoryLive() : createRedisLive(config, config.redisUrl, surroundings);
}

function createMemoryLive(): CreatedLive {
  const feed = createMemoryChangeFeed();
  return {
    streams: createMemoryReplyStreams(),
    signals: createMemorySignals(),
    feed,
    budgets: createMemoryBudgets(),
    slots: createMemoryStreamSlots(),
    close: () => feed.close(),
  };
}

async function createRedisLive(
  { cacheKeyPrefix, cacheTimeoutMs }: Config,
  url: string,
  { databaseId, secret, log, watchLink, tracer }: LiveSurroundings,
): Promise<CreatedLive> {
  // Its client takes longer to load than most of the rest: only who has a Redis waits for it, and keeps it in memory.
  const [{ boundLink }, { connectRedis }, { traceLink }, { createNameKey }] = await Promise.all([
    import("./cache/redis/bounded-link.ts"),
    import("./cache/redis/link.ts"),
    import("./cache/redis/traced-link.ts"),
    import("./live/redis/key-names.ts"),
  ]);
  const [{ createRedisBudgets }, { createRedisChangeFeed }, { createRedisReplyStreams }] = await Promise.all([
    import("./live/redis/budgets.ts"),
    import("./live/redis/change-feed.ts"),
    import("./live/redis/reply-streams.ts"),
  ]);
  const [{ createRedisSignals }, { createRedisStreamSlots }] = await Promise.all([
    import("./live/redis/signals.ts"),
    import("./live/redis/stream-slots.ts"),
  ]);
  const prefix = `${cacheKeyPrefix}${databaseId}:`;
  const connecting = (what: string): { connectTimeoutMs: number; onError: (error: Error) => void } => ({
    connectTimeoutMs: REDIS_CONNECT_MS,
    onError: (error) => log.warn({ error: logText(error) }, what),
  });
  // Not the cache's: a long reply must not keep a cached read waiting.
  const link = await connectRedis(
    url,
    connecting("Redis does not answer: running replies, changes and limits stay here"),
  );
  watchLink("live", link);
  const signals = createRedisSignals(url, link, prefix, connecting("signals of other servers are not heard"));
  const streams = createRedisReplyStreams(link, prefix);
  const feed = createRedisChangeFeed(link, signals, prefix);
  // Nobody waits for replies and changes to be told: only these are part of what a request takes.
  const bounded = boundLink(traceLink(link, tracer), cacheTimeoutMs);
  const nameKey = createNameKey(prefix, secret);
  const slots = createRedisStreamSlots(bounded, nameKey);
  return {
    streams,
    signals,
    feed,
    budgets: createRedisBudgets(bounded, nameKey),
    slots,
    async close() {
      await Promise.all([feed.close(), streams.close(), slots.close()]);
      bounded.close();
      signals.close();
      link.close();
    },
  };
}
