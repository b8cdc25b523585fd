import type { Logger } from "pino";
import type { Registry } from "prom-client";
import { CoherentCache } from "./cache/coherent-cache.ts";
import type { CacheSettings, ConversationCache } from "./cache/conversation-cache.ts";
import type { HistoryCache } from "./cache/history-cache.ts";
import { createMemoryCache } from "./cache/memory.ts";
import { type CacheMetrics, createCacheMetrics, registerCacheState } from "./cache/metrics.ts";
import type { WatchLink } from "./cache/redis/link-metrics.ts";
import { traceLink } from "./cache/redis/traced-link.ts";
import { createNoCache } from "./cache/no-cache.ts";
import type { LinkOptions } from "./cache/redis/link.ts";
import type { LocatedLink } from "./cache/redis/redis-link.ts";
import { parseRedisUrl } from "./cache/redis/url.ts";
import type { Config } from "./config.ts";
import { logText } from "./domain/logged-error.ts";
import { sessionCachedAs } from "./domain/session.ts";
import { type AnnouncementOptions, openAnnouncements } from "./postgres/announcements.ts";
import { findVersion } from "./postgres/conversations.ts";
import { findDatabaseId } from "./postgres/installation.ts";
import type { Database } from "./postgres/pool.ts";
import { findSessionVersion } from "./postgres/sessions.ts";
import { NO_TRACER, type Tracer } from "./tracing/tracer.ts";

const REDIS_CONNECT_MS = 1_000;
/** Reads begin to use the cache when the other servers are heard; starting does not wait longer for that. */
const LISTEN_MS = 2_000;

export interface CreatedCache {
  readonly cache: HistoryCache;
  /** for people: where recent messages are kept */
  readonly description: string;
  close(): Promise<void>;
}

export interface CacheSurroundings {
  readonly db: Database;
  readonly connectionString: string;
  readonly registry: Registry;
  readonly watchLink: WatchLink;
  readonly tracer: Tracer;
  readonly log: Logger;
  /** another Backscroll runs on the same embedded PostgreSQL, and has a cache in its memory */
  readonly besideService: boolean;
  readonly onWrittenPast: Required<AnnouncementOptions>["onWrittenPast"];
}

/** Puts the cache together: where it is, what it knows of PostgreSQL, and how it hears of other servers. */
export async function createCache(config: Config, surroundings: CacheSurroundings): Promise<CreatedCache> {
  const { db, connectionString, registry, watchLink, log, besideService } = surroundings;
  const metrics = createCacheMetrics(registry);
  const kind = cacheKindOf(config, besideService);
  if (kind === "off") return { cache: createNoCache(metrics), description: "none", close: () => Promise.resolve() };

  const databaseId = await findDatabaseId(db);
  const channel = { connectionString, databaseId };
  if (kind === "beside-service") return createTeller(metrics, surroundings, channel);
  const made =
    kind === "memory"
      ? openMemoryCache(config)
      : await openRedisCache(config, databaseId, {
          connectTimeoutMs: REDIS_CONNECT_MS,
          onError: (error) => log.warn({ error: logText(error) }, "Redis does not answer"),
          onLink: (link) => watchLink("cache", link),
          tracer: surroundings.tracer,
        });
  const cache = new CoherentCache({
    cache: made.cache,
    findVersion(at) {
      const session = sessionCachedAs(at);
      return session ? findSessionVersion(db, session) : findVersion(db, at);
    },
    announce: (at) => announcements.announce(at),
    settings: { deadlineMs: config.cacheTimeoutMs, auditIntervalMs: config.cacheAuditIntervalMs },
    metrics,
    log,
  });
  registerCacheState(registry, cache);
  const heard = Promise.withResolvers<void>();
  // Only now: what it says has to be heard by the cache.
  const announcements = openAnnouncements(db, {
    ...channel,
    onAnnounced: (at) => cache.announced(at),
    onWrittenPast: surroundings.onWrittenPast,
    onListening(listening) {
      cache.listening(listening);
      if (listening) heard.resolve();
    },
    onError: (error) => log.warn({ error: logText(error) }, "other servers are not heard: the cache is bypassed"),
  });
  const timer = setTimeout(heard.resolve, LISTEN_MS);
  await Promise.all([heard.promise, cache.probe()]);
  clearTimeout(timer);
  return {
    cache,
    description: made.description,
    async close() {
      await cache.close();
      await announcements.close();
    },
  };
}

/** No cache, but the servers that have one are told of every change. */
function createTeller(
  metrics: CacheMetrics,
  { db, log }: CacheSurroundings,
  channel: Pick<AnnouncementOptions, "connectionString" | "databaseId">,
): CreatedCache {
  const announcements = openAnnouncements(db, {
    ...channel,
    onAnnounced: () => undefined,
    onListening: () => undefined,
    onError: (error) => log.debug({ error: logText(error) }, "other servers are not heard; nothing is cached here"),
  });
  const tell: HistoryCache["changed"] = (at) =>
    announcements.announce(at).catch((error: unknown) => {
      const fields = { userId: at.userId, conversationId: at.id, error: logText(error) };
      log.warn(fields, "the servers could not be told of a change: the audit of their caches will find it");
    });
  return { cache: createNoCache(metrics, tell), description: "none", close: () => announcements.close() };
}

export function cacheKindOf(config: Config, besideService: boolean): "redis" | "memory" | "off" | "beside-service" {
  if (config.cache === "off") return "off";
  if (config.cache === "redis" || (config.cache === undefined && config.redisUrl !== undefined)) return "redis";
  // Whatever cache the servers have, they hear what is announced; a cache in this process would be none of theirs.
  if (besideService) return "beside-service";
  return config.cache ?? (config.databaseUrl === undefined ? "memory" : "off");
}

interface OpenedCache {
  readonly cache: ConversationCache;
  /** for people; without the password */
  readonly description: string;
}

function openMemoryCache(config: Config): OpenedCache {
  const cache = createMemoryCache(cacheSettings(config), { bytesMax: config.cacheMemoryMb * 1_048_576 });
  return { cache, description: `in memory, ${config.cacheMemoryMb} MB` };
}

const REDIS_NAMES = { single: "Redis", cluster: "Redis Cluster", sentinel: "Redis by Sentinel" };

/** Connects to the Redis of `redisUrl`, which must be there; goes on when Redis is not, see `connectRedis`. */
export async function openRedisCache(
  config: Config,
  databaseId: string,
  {
    onLink,
    tracer = NO_TRACER,
    ...options
  }: Pick<LinkOptions, "connectTimeoutMs" | "onError"> & {
    /** told of the connection */
    readonly onLink?: (link: LocatedLink) => void;
    readonly tracer?: Tracer;
  },
): Promise<OpenedCache> {
  const { redisUrl = "" } = config;
  const { topology, servers } = parseRedisUrl(redisUrl);
  // Large, and not needed without it.
  const [{ connectRedis }, { createRedisCache }] = await Promise.all([
    import("./cache/redis/link.ts"),
    import("./cache/redis/redis-cache.ts"),
  ]);
  const link = await connectRedis(redisUrl, options);
  onLink?.(link);
  return {
    cache: createRedisCache(traceLink(link, tracer), cacheSettings(config), `${config.cacheKeyPrefix}${databaseId}:`),
    description: `${REDIS_NAMES[topology]}, ${servers.map(({ host, port }) => `${host}:${port}`).join(", ")}`,
  };
}

function cacheSettings(config: Config): CacheSettings {
  return {
    messageLimit: config.cacheMessageLimit,
    ttlMs: config.cacheTtl * 1_000,
    activeTtlMs: config.cacheActiveTtl * 1_000,
    idleTtlMs: config.cacheIdleTtl * 1_000,
    fillDeadlineMs: config.cacheFillTimeoutMs,
  };
}
