import { randomUUID } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { spendAtOnce, spendInTurn } from "./budget-conformance.ts";
import { startFaultyRedis } from "./faulty-redis.ts";
import { eventually, redisServer, redisServers } from "./live-fixture.ts";
import { linkTo } from "./redis-server.ts";

test("a budget of 10,000 that two servers spend is kept to the last one, and asks Redis a few hundred times", async () => {
  const redis = await startFaultyRedis();
  const servers = await redisServers(redis.url, "p:");
  let allowed = 0;
  for (let i = 0; i < 100; i += 1) allowed += await spendAtOnce(servers, "k", 10_000, 120);
  expect(allowed).toBe(10_000);
  const stats = String(await redis.ask("INFO", "commandstats"));
  const asked = Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1]);
  expect(asked).toBeGreaterThan(64);
  expect(asked).toBeLessThan(1_000);
});

test("a server that takes a share and is never asked again leaves over 98% to the other", async () => {
  const redis = await startFaultyRedis();
  const { one, other } = await redisServers(redis.url, "p:");
  await one.budgets.spend("k", 10_000);
  const spent = await spendInTurn(other.budgets, "k", 10_000, 10_000);
  expect(spent.filter(({ allowed }) => allowed).length).toBeGreaterThanOrEqual(9_800);
});

test("a budget that is spent is remembered: Redis is not asked again before the window ends", async () => {
  const redis = await startFaultyRedis();
  const { budgets } = await redisServer(redis.url, "p:");
  await spendInTurn(budgets, "k", 3, 4);
  await redis.ask("CONFIG", "RESETSTAT");
  const refused = await spendInTurn(budgets, "k", 3, 1_000);
  expect(refused.every(({ allowed }) => !allowed)).toBe(true);
  expect(String(await redis.ask("INFO", "commandstats"))).not.toContain("evalsha");
});

test("Redis knows neither key nor user, and forgets everything with its window", async () => {
  const redis = await startFaultyRedis();
  const { budgets, slots } = await redisServer(redis.url, "p:");
  await budgets.spend("reads:address:203.0.113.7", 10);
  await slots.open(4_711, 2);
  const keys = (await redis.ask("KEYS", "*")) as string[];
  expect(keys.toSorted()).toEqual([
    expect.stringMatching(/^p:budget:\{[\w-]{22}\}$/),
    expect.stringMatching(/^p:slots:\{[\w-]{22}\}$/),
  ]);
  for (const key of keys) {
    const ttl = Number(await redis.ask("PTTL", key));
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(60_000);
  }
});

test("a counter that lost its time to live gets one again", async () => {
  const redis = await startFaultyRedis();
  const { one, other } = await redisServers(redis.url, "p:");
  await one.budgets.spend("k", 2);
  const [key = ""] = (await redis.ask("KEYS", "*")) as string[];
  await redis.ask("PERSIST", key);
  await other.budgets.spend("k", 2);
  expect(Number(await redis.ask("PTTL", key))).toBeGreaterThan(0);
});

test("with Redis gone each server has a budget of its own, remembers what it knows, and shares again when Redis is back", async () => {
  const redis = await startFaultyRedis();
  const servers = await redisServers(redis.url, "p:");
  await spendInTurn(servers.one.budgets, "spent before", 5, 5);
  await redis.kill();
  expect((await servers.one.budgets.spend("spent before", 5)).allowed).toBe(false);
  expect(await spendAtOnce(servers, "k", 50, 400)).toBe(100);
  await redis.restart();
  await eventually(async () => {
    const key = randomUUID();
    await servers.one.budgets.spend(key, 10);
    return (await servers.other.budgets.spend(key, 10)).left;
  }).toBe(8);
});

test("with Redis frozen, whoever asks together waits for one deadline, and later ones for none", async () => {
  const redis = await startFaultyRedis();
  const { budgets } = await redisServer(redis.url, "p:", { deadlineMs: 300 });
  await budgets.spend("k", 10_000);
  redis.freeze();
  onTestFinished(() => redis.thaw());
  const keys = Array.from({ length: 5 }, () => randomUUID());
  const each = keys.flatMap((key) => Array.from({ length: 100 }, async () => budgets.spend(key, 60)));
  const asked = await Promise.all(each);
  expect(asked.filter(({ allowed }) => allowed)).toHaveLength(5 * 60);
  // No promise: nobody was asked.
  for (const key of keys) expect(budgets.spend(`${key} another`, 60)).toMatchObject({ allowed: true, left: 59 });
  redis.thaw();
  await eventually(() => budgets.spend(randomUUID(), 60) instanceof Promise).toBe(true);
});

test("an answer that was lost costs its share, and nobody gets more than the rest", async () => {
  const redis = await startFaultyRedis();
  const { budgets } = await redisServer(redis.url, "p:", { deadlineMs: 200 });
  await budgets.spend("k", 640);
  redis.freeze();
  onTestFinished(() => redis.thaw());
  const during = await spendInTurn(budgets, "k", 640, 20);
  expect(during.every(({ allowed }) => allowed)).toBe(true);
  redis.thaw();
  const after = await spendInTurn(budgets, "k", 640, 1_000);
  expect(after.filter(({ allowed }) => allowed).length).toBeLessThanOrEqual(640 - 21);
});

test("a flushed Redis begins a new window, and nothing fails", async () => {
  const redis = await startFaultyRedis();
  const { budgets } = await redisServer(redis.url, "p:");
  await spendInTurn(budgets, "k", 10, 5);
  await redis.ask("FLUSHALL");
  await redis.ask("SCRIPT", "FLUSH");
  expect(await budgets.spend("k", 10)).toMatchObject({ allowed: true });
});

test("the slots of a server that died lapse, and those of one that lives survive a flush", async () => {
  const redis = await startFaultyRedis();
  const options = { slots: { keepMs: 600, renewMs: 50 } };
  const living = await redisServer(redis.url, "p:", options);
  // It never renews anything.
  const dead = await redisServer(redis.url, "p:", { slots: { keepMs: 600, renewMs: 3_600_000 } });
  await dead.slots.open(1, 1);
  expect(await living.slots.open(1, 1)).toBeNull();
  await eventually(async () => (await living.slots.open(1, 1)) !== null).toBe(true);
  await redis.ask("FLUSHALL");
  const link = await linkTo(redis.url);
  await eventually(async () => link.send("", ["DBSIZE"])).toBe(1);
  expect(await dead.slots.open(1, 1)).toBeNull();
});

test("with Redis gone each server counts its own streams, and what was opened counts for all when Redis is back", async () => {
  const redis = await startFaultyRedis();
  const { one, other } = await redisServers(redis.url, "p:", { slots: { renewMs: 50 } });
  await redis.kill();
  const opened = [await one.slots.open(1, 2), await one.slots.open(1, 2), await one.slots.open(1, 2)];
  expect(opened.map((slot) => slot !== null)).toEqual([true, true, false]);
  await redis.restart();
  await eventually(async () => {
    const slot = await other.slots.open(1, 2);
    slot?.release();
    return slot;
  }).toBeNull();
});
