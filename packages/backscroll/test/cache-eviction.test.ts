import { expect, onTestFinished, test } from "vitest";
import { type LoadSize, underLoad } from "./cache-load.ts";
import { type FaultyRedis, startFaultyRedis } from "./faulty-redis.ts";
import { startService } from "./service-process.ts";
import { newSchema } from "./services.ts";

/** Some 6 MB of messages to cache, in a Redis with room for one. */
const SIZE: LoadSize = { clients: 8, conversations: 8, messages: 30, contentChars: 4_000 };
const MEMORY = "2mb";
const REQUESTS = 1_500;

async function runOn(redis: FaultyRedis): ReturnType<typeof underLoad<"full">> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const { url } = await startService([], { DATABASE_URL: databaseUrl, REDIS_URL: redis.url, LOG_LEVEL: "error" });
  return underLoad(url, SIZE, { full: (answered) => answered(REQUESTS) });
}

/** @returns a figure of INFO, 0 when it is not there */
async function figure(redis: FaultyRedis, section: string, name: RegExp): Promise<number> {
  return Number(name.exec(String(await redis.ask("INFO", section)))?.[1] ?? 0);
}

test("a full Redis that evicts: no failed request, no wrong answer", { timeout: 120_000 }, async () => {
  const redis = await startFaultyRedis(["--maxmemory", MEMORY, "--maxmemory-policy", "allkeys-lru"]);
  const { phases, failures, wrong } = await runOn(redis);
  expect(failures).toEqual([]);
  expect(wrong).toEqual([]);
  expect(await figure(redis, "stats", /evicted_keys:(\d+)/)).toBeGreaterThan(20);
  expect(phases.full.sources.hit).toBeGreaterThan(0);
});

test("a full Redis that refuses writes: no failed request, no wrong answer", { timeout: 120_000 }, async () => {
  const redis = await startFaultyRedis(["--maxmemory", MEMORY, "--maxmemory-policy", "noeviction"]);
  const { phases, failures, wrong } = await runOn(redis);
  expect(failures).toEqual([]);
  expect(wrong).toEqual([]);
  expect(await figure(redis, "errorstats", /errorstat_OOM:count=(\d+)/)).toBeGreaterThan(20);
  expect(phases.full.sources.hit).toBeGreaterThan(0);
});
