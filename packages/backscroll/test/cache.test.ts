import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { createMemoryCache } from "../src/cache/memory.ts";
import { createRedisCache } from "../src/cache/redis/redis-cache.ts";
import type { MessageJson } from "../src/domain/message.ts";
import { CONFORMANCE, SETTINGS } from "./cache-conformance.ts";
import { linkTo, startRedis, startRedisCluster } from "./redis-server.ts";

describe("in memory", () => {
  test.for(Object.entries(CONFORMANCE))("%s", ([, check]) =>
    check(async (settings) => createMemoryCache({ ...SETTINGS, ...settings }, { bytesMax: 1_000_000 })),
  );

  test("it stays within its bytes: the least recently used goes first", async () => {
    const cache = createMemoryCache(SETTINGS, { bytesMax: 100_000 });
    const at = (id: number): { userId: number; id: string } => ({ userId: 1, id: String(id) });
    const big = JSON.stringify("x".repeat(10_000)) as MessageJson;
    for (let id = 0; id < 100; id += 1) {
      await cache.lease(at(id), "t");
      await cache.fill(at(id), "t", { version: 1, messages: [big], whole: true, idleMs: 0 });
    }
    const kept = await Promise.all(
      Array.from({ length: 100 }, async (_, id) => (await cache.version(at(id))) !== null),
    );
    expect(kept.filter(Boolean).length).toBe(9);
    expect(kept.lastIndexOf(false)).toBe(90);
  });
});

describe("in Redis", () => {
  test.for(Object.entries(CONFORMANCE))("%s", async ([, check]) => {
    const link = await linkTo((await startRedis()).url);
    await check(async (settings) => createRedisCache(link, { ...SETTINGS, ...settings }, `${randomUUID()}:`));
  });

  test("two databases share a Redis without meeting, and dropping one leaves the other", async () => {
    const link = await linkTo((await startRedis()).url);
    const [one, two] = ["one[1]*:", "two:"].map((prefix) => createRedisCache(link, SETTINGS, prefix));
    const at = { userId: 1, id: "c" };
    for (const cache of [one, two]) {
      await cache?.lease(at, "t");
      await cache?.fill(at, "t", { version: 1, messages: [], whole: true, idleMs: 0 });
    }
    await one?.drop();
    expect(await one?.read(at, 1)).toBe("absent");
    expect(await two?.read(at, 1)).toEqual({ messages: [], hasMore: false });
  });

  test("a server that forgot the scripts is sent them again", async () => {
    const link = await linkTo((await startRedis()).url);
    const cache = createRedisCache(link, SETTINGS, "");
    const at = { userId: 1, id: "c" };
    for (let version = 1; version <= 3; version += 1) {
      await link.send("", ["SCRIPT", "FLUSH"]);
      await cache.lease(at, "t");
      expect(await cache.fill(at, "t", { version, messages: [], whole: true, idleMs: 0 })).toBe(true);
    }
  });

  test("a command is refused, not queued, while Redis is away", async () => {
    const redis = await startRedis();
    const cache = createRedisCache(await linkTo(redis.url), SETTINGS, "");
    redis.child.kill("SIGKILL");
    await expect.poll(() => cache.version({ userId: 1, id: "c" }).then(String, () => "refused")).toBe("refused");
  });
});

describe("in a Redis Cluster of three", () => {
  test("it conforms", { timeout: 60_000 }, async () => {
    const link = await linkTo(await startRedisCluster());
    for (const [name, check] of Object.entries(CONFORMANCE)) {
      await check(async (settings) => createRedisCache(link, { ...SETTINGS, ...settings }, `${randomUUID()}:`)).catch(
        (error: unknown) => {
          throw new Error(name, { cause: error });
        },
      );
    }
  });
});
