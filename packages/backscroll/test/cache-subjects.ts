import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { loadScript, type Script } from "../src/cache/redis/scripts.ts";
import { createNaiveCache } from "./naive-cache.ts";
import { type FaultyRedis, startFaultyRedis } from "./faulty-redis.ts";
import { type CommandMatcher, type RedisRelay, startRedisRelay } from "./redis-relay.ts";
import { startService } from "./service-process.ts";
import { createServices, newSchema, type Services } from "./services.ts";

const NAIVE_SERVER = fileURLToPath(new URL("./naive-server.ts", import.meta.url));
/** So long that in a race only the order decides, never the clock. */
const NO_DEADLINE_MS = 10_000;

interface ServerSettings {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** how long a call to the cache may take; the guide's has no such thing */
  readonly timeoutMs: number;
  /** everybody is `you@localhost`, as in a process of its own */
  readonly local: boolean;
}

/** A cache to be asked whether it lies, and the service around it. */
export interface Subject {
  /** which command to Redis brings in what a reader read */
  readonly isFill: CommandMatcher;
  /** which one tells of a new message */
  readonly isAppend: CommandMatcher;
  create(settings: ServerSettings): Promise<Services>;
  /** Starts it in a process of its own. @returns where it answers, and what kills it */
  start(settings: ServerSettings): Promise<Mortal>;
}

interface Mortal {
  readonly url: string;
  /** SIGKILL */
  kill(): Promise<void>;
}

export const OURS: Subject = {
  isFill: runs(loadScript("fill")),
  isAppend: runs(loadScript("append")),
  create: ({ timeoutMs, ...settings }) =>
    createServices({ ...settings, cacheTimeoutMs: timeoutMs, cacheAuditIntervalMs: 600_000 }),
  async start({ databaseUrl, redisUrl, timeoutMs }) {
    const environment = { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, CACHE_TIMEOUT_MS: String(timeoutMs) };
    const { url, child, ended } = await startService([], environment);
    return {
      url,
      async kill() {
        child.kill("SIGKILL");
        await ended;
      },
    };
  },
};

/** @see createNaiveCache */
export const NAIVE: Subject = {
  isFill: ([name]) => name === "RPUSH",
  isAppend: ([name]) => name === "LPUSH",
  create: ({ databaseUrl, redisUrl, local }) => createNaive({ databaseUrl, redisUrl, local }, { seesRetries: true }),
  async start({ databaseUrl, redisUrl }) {
    const child = spawn(process.execPath, ["--conditions=backscroll-source", NAIVE_SERVER], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl },
    });
    const ended = once(child, "close");
    const kill = async (): Promise<void> => {
      child.kill("SIGKILL");
      await ended;
    };
    onTestFinished(kill);
    const [line] = await once(child.stdout, "data");
    return { url: (JSON.parse(String(line)) as Mortal).url, kill };
  },
};

/** The same, where a retry that finds its message stored leaves the cache as it is. */
export const NAIVE_ABOUT_RETRIES: Subject = {
  ...NAIVE,
  create: ({ databaseUrl, redisUrl, local }) => createNaive({ databaseUrl, redisUrl, local }, { seesRetries: false }),
};

async function createNaive(
  { databaseUrl, redisUrl, local }: Omit<ServerSettings, "timeoutMs">,
  options: { seesRetries: boolean },
): Promise<Services> {
  const historyCache = await createNaiveCache(redisUrl, options);
  onTestFinished(() => historyCache.close());
  return createServices({ databaseUrl, local, historyCache });
}

function runs({ sha1, source }: Script): CommandMatcher {
  return ([name, script]) => script === (name === "EVALSHA" ? sha1 : source);
}

/** A database, a Redis that can be harmed, and servers on both. */
export interface World {
  readonly subject: Subject;
  readonly redis: FaultyRedis;
  server(options?: ServerOptions): Promise<Server>;
  process(): Promise<Mortal & { readonly relay: RedisRelay }>;
}

interface ServerOptions {
  readonly timeoutMs?: number;
  readonly local?: boolean;
}

export interface Server {
  readonly call: Services["call"];
  /** between it and Redis */
  readonly relay: RedisRelay;
}

export async function createWorld(subject: Subject): Promise<World> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const redis = await startFaultyRedis();
  const base = { databaseUrl, timeoutMs: NO_DEADLINE_MS, local: false };
  return {
    subject,
    redis,
    async server(options = {}) {
      const relay = await startRedisRelay(redis.port);
      const services = await subject.create({ ...base, redisUrl: relay.url, ...options });
      onTestFinished(() => services.close());
      return { call: (...request) => services.call(...request), relay };
    },
    async process() {
      const relay = await startRedisRelay(redis.port);
      return { ...(await subject.start({ ...base, redisUrl: relay.url, local: true })), relay };
    },
  };
}
