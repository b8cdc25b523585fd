import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { createMemoryCache } from "../src/cache/memory.ts";
import { createRedisCache } from "../src/cache/redis/redis-cache.ts";
import type { MessageJson } from "../src/domain/message.ts";
import { CONFORMANCE, SETTINGS } from "./cache-conformance.ts";
import { linkTo, startRedis, startRedisCluster } from "./redis-server.ts";

const text = (n: number): MessageJson => JSON.stringify({ seq: n }) as MessageJson;

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

  test("a conversation that lost one of its keys is dropped by the next append, and filled anew", async () => {
    const link = await linkTo((await startRedis()).url);
    const cache = createRedisCache(link, SETTINGS, "");
    for (const evicted of ["messages", "version"]) {
      const at = { userId: 1, id: randomUUID() };
      const key = `conversation:{1:${at.id}}`;
      await cache.lease(at, "t");
      await cache.fill(at, "t", { version: 1, messages: [text(1)], whole: true, idleMs: 0 });
      await link.send(key, ["DEL", `${key}:${evicted}`]);
      expect(await cache.append(at, { versionBefore: 1, version: 2, messages: [text(2)] })).toBe("dropped");
      expect(await cache.read(at, 1)).toBe("absent");
      expect(await cache.version(at)).toBeNull();
      await cache.lease(at, "t");
      expect(await cache.fill(at, "t", { version: 2, messages: [text(2), text(1)], whole: true, idleMs: 0 })).toBe(
        true,
      );
      expect(await cache.append(at, { versionBefore: 2, version: 3, messages: [text(3)] })).toBe("extended");
    }
  });

  test("a lost list under a version that is newer than the append stays lost", async () => {
    const link = await linkTo((await startRedis()).url);
    const cache = createRedisCache(link, SETTINGS, "");
    const at = { userId: 1, id: "c" };
    await cache.lease(at, "t");
    await cache.fill(at, "t", { version: 3, messages: [text(3)], whole: true, idleMs: 0 });
    await link.send("", ["DEL", "conversation:{1:c}:messages"]);
    expect(await cache.append(at, { versionBefore: 2, version: 3, messages: [text(3)] })).toBe("ignored");
    expect(await cache.read(at, 1)).toBe("absent");
  });

  test("list and version live equally long: after a fill, an append, and hits", async () => {
    const link = await linkTo((await startRedis()).url);
    const settings = { ...SETTINGS, ttlMs: 100_000, activeTtlMs: 20_000 };
    // Another process: one that has filled or hit it just now need not renew it.
    const [cache, other] = [createRedisCache(link, settings, ""), createRedisCache(link, settings, "")];
    const at = { userId: 1, id: "c" };
    const ttls = async (): Promise<number[]> => {
      const found = ["messages", "version"].map((key) => link.send("", ["PTTL", `conversation:{1:c}:${key}`]));
      return (await Promise.all(found)).map((ms) => Math.ceil(Number(ms) / 5_000) * 5_000);
    };
    await cache.lease(at, "t");
    await cache.fill(at, "t", { version: 1, messages: [text(1)], whole: true, idleMs: 0 });
    expect(await ttls()).toEqual([100_000, 100_000]);
    await other.read(at, 1);
    expect(await ttls()).toEqual([100_000, 100_000]);
    await cache.append(at, { versionBefore: 1, version: 2, messages: [text(2)] });
    expect(await ttls()).toEqual([20_000, 20_000]);
    // Half the ttl, and an eighth until the next renewal.
    const third = createRedisCache(link, settings, "");
    await third.read(at, 1);
    await expect.poll(ttls).toEqual([65_000, 65_000]);
  });

  test("a fill whose lease was there when dropping began leaves nothing, wherever in the scan it lands", async () => {
    const link = await linkTo((await startRedis()).url);
    const filler = createRedisCache(link, SETTINGS, "p:");
    const all = Array.from({ length: 3_000 }, (_, id) => ({ userId: 1, id: String(id) }));
    await Promise.all(all.map((at) => filler.lease(at, "t")));
    // Fills a few more after each command of the drop, as other servers do meanwhile.
    let filled = 0;
    const fillSome = async (): Promise<void> => {
      const some = all.slice(filled, (filled += 30));
      await Promise.all(
        some.map((at) => filler.fill(at, "t", { version: 1, messages: [text(1)], whole: true, idleMs: 0 })),
      );
    };
    const dropper = createRedisCache(
      {
        ...link,
        sendToAll: (run) =>
          link.sendToAll((send) =>
            run(async (args) => {
              const reply = await send(args);
              if (args[0] === "SCAN") await fillSome();
              return reply;
            }),
          ),
      },
      SETTINGS,
      "p:",
    );
    await dropper.drop();
    expect(filled).toBeGreaterThan(100);
    expect(await link.send("", ["DBSIZE"])).toBe(0);
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
