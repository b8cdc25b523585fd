import { expect, test } from "vitest";
import { SLOW, doctor, migratedDatabase } from "./doctor-fixture.ts";
import { linkTo, startRedis, startRedisNodes, startSentinel } from "./redis-server.ts";

test("a Redis that is not there exits 3 and says what to start", SLOW, async () => {
  const told = await doctor({ REDIS_URL: "redis://:planted-secret@127.0.0.1:1" });
  expect(told.code).toBe(3);
  expect(told.check("redis")).toMatchObject({
    status: "fail",
    detail: "127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1",
    fix: expect.stringContaining("Start Redis, or correct the host and port in REDIS_URL") as string,
  });
  expect(told.output).not.toContain("planted-secret");
});

test("a Redis that is frozen is left after its deadline, and the rest is told", SLOW, async () => {
  const redis = await startRedis();
  redis.child.kill("SIGSTOP");
  const told = await doctor({ ...(await migratedDatabase()), REDIS_URL: redis.url });
  expect(told.code).toBe(3);
  expect(told.check("redis")).toMatchObject({
    detail: `127.0.0.1:${redis.port}: no answer within 4 s`,
    fix: expect.stringContaining("ping") as string,
  });
  expect(told.check("postgres")?.status).toBe("ok");
});

test("a wrong password for Redis exits 3, and neither it nor the right one is shown", SLOW, async () => {
  const { port } = await startRedis(["--requirepass", "the-real-secret"]);
  const told = await doctor({ REDIS_URL: `redis://:planted-secret@127.0.0.1:${port}` });
  expect(told.code).toBe(3);
  expect(told.check("redis")?.fix).toBe("Correct the user and password in REDIS_URL");
  expect(told.output).not.toContain("secret");
  const right = await doctor({ REDIS_URL: `redis://:the-real-secret@127.0.0.1:${port}` });
  expect(right.check("redis")?.status).toBe("ok");
});

test("a full Redis that evicts nothing is a warning; one that evicts is as it should be", SLOW, async () => {
  const redis = await startRedis(["--maxmemory", "50mb", "--maxmemory-policy", "noeviction"]);
  const told = await doctor({ ...(await migratedDatabase()), REDIS_URL: redis.url });
  expect(told.code).toBe(0);
  expect(told.check("redis-memory")).toMatchObject({
    status: "warn",
    fix: "redis-cli config set maxmemory-policy allkeys-lru, and the same in redis.conf",
  });
  const link = await linkTo(redis.url);
  await link.send("", ["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
  expect((await doctor({ REDIS_URL: redis.url })).check("redis-memory")).toMatchObject({
    status: "ok",
    detail: expect.stringContaining("of 50.0 MB used, allkeys-lru") as string,
  });
});

test("looking leaves no key behind", SLOW, async () => {
  const redis = await startRedis();
  await doctor({ REDIS_URL: redis.url });
  const link = await linkTo(redis.url);
  expect(await link.send("", ["DBSIZE"])).toBe(0);
});

test("a user of Redis who may not do what Backscroll does is told what they need", SLOW, async () => {
  const redis = await startRedis();
  const link = await linkTo(redis.url);
  const allow = (...rules: string[]): Promise<unknown> =>
    link.send("", ["ACL", "SETUSER", "app", "reset", "on", ">the-real-secret", ...rules]);
  await allow("~other:*", "+@read", "+@connection", "+info");
  const url = `redis://app:the-real-secret@127.0.0.1:${redis.port}`;
  const told = await doctor({ REDIS_URL: url });
  expect(told.code).toBe(1);
  expect(told.check("redis-rights")).toMatchObject({
    status: "fail",
    detail: expect.stringContaining("NOPERM") as string,
    fix: expect.stringContaining("acl setuser") as string,
  });
  await allow(
    "~backscroll:*",
    "&backscroll:*",
    "+@read",
    "+@write",
    "+@scripting",
    "+@pubsub",
    "+@connection",
    "-@dangerous",
    "+info",
  );
  expect((await doctor({ REDIS_URL: url })).check("redis-rights")?.status).toBe("ok");
});

test("a replica takes no writes", SLOW, async () => {
  const master = await startRedis();
  const replica = await startRedis(["--replicaof", `127.0.0.1 ${master.port}`]);
  const told = await doctor({ REDIS_URL: replica.url });
  expect(told.code).toBe(1);
  expect(told.check("redis-writable")?.fix).toContain("redis+sentinel://");
});

test("one Sentinel of two that is away is a warning; without any of them nothing is found", SLOW, async () => {
  const master = await startRedis();
  const sentinel = await startSentinel(master.port);
  const url = sentinel.url.replace("/chat", ",127.0.0.1:1/chat");
  const told = await doctor({ ...(await migratedDatabase()), REDIS_URL: url });
  expect(told.code).toBe(0);
  expect(told.check("redis")).toMatchObject({
    status: "warn",
    detail: expect.stringContaining("Sentinel 127.0.0.1:1") as string,
  });
  expect(told.check("redis-version")?.status).toBe("ok");
  expect((await doctor({ REDIS_URL: sentinel.url.replace("/chat", "/other") })).check("redis")).toMatchObject({
    status: "fail",
    fix: expect.stringContaining("master's name") as string,
  });
});

test("every master of a cluster is looked at", SLOW, async () => {
  const { url, nodes } = await startRedisNodes(0);
  const told = await doctor({ REDIS_URL: url });
  for (const { port } of nodes) expect(told.check("redis")?.detail).toContain(`127.0.0.1:${port}`);
  expect(told.check("redis")?.status).toBe("ok");
  nodes[2]?.child.kill("SIGKILL");
  const broken = await doctor({ REDIS_URL: url });
  expect(broken.code).toBe(3);
  expect(broken.check("redis")?.detail).toContain(`127.0.0.1:${nodes[2]?.port}: connect ECONNREFUSED`);
});

test("a time in the cache that is too short for people to come back is a warning", SLOW, async () => {
  const told = await doctor({ CACHE_TTL: "5" });
  expect(told.check("cache-ttl")).toMatchObject({ status: "warn", fix: expect.stringContaining("3600") as string });
});
