import { expect, test, vi } from "vitest";
import { openRedisCache } from "../src/create-cache.ts";
import { cachedAs } from "../src/domain/session.ts";
import { markErasing } from "../src/postgres/erasure.ts";
import { findDatabaseId } from "../src/postgres/installation.ts";
import { finishErasures } from "../src/service/conversations.ts";
import { toRef } from "../src/service/messages.ts";
import { toSessionRef } from "../src/service/sessions.ts";
import { resolveUser } from "../src/service/users.ts";
import { ADA, type Cached, startCached } from "./cache-fixture.ts";
import { expectProblem } from "./problem.ts";
import type { Answer, Services } from "./services.ts";

const BOB = "bob@example.com";

interface TwoServers extends Cached {
  readonly other: Services;
}

/** Two servers on one Redis, and Ada's session `s` in her conversation `c`, which is cached and trusted on both. */
async function startTwo(options: Parameters<typeof startCached>[1] = {}): Promise<TwoServers> {
  const cached = await startCached(0, options);
  const other = await cached.another();
  await cached.services.call(ADA, "POST", "/api/conversations", { id: "d" });
  await put(cached.services, "c");
  for (const services of [cached.services, other]) await untilHit(services);
  return { ...cached, other };
}

function put(services: Services, conversation: string): Promise<Answer> {
  return services.call(ADA, "PUT", "/api/sessions/s", { conversation_id: conversation });
}

function get(services: Services, user = ADA): Promise<Answer> {
  return services.call(user, "GET", "/api/sessions/s");
}

async function sourceOf(services: Services): Promise<string | null> {
  return (await get(services)).headers.get("x-backscroll-cache");
}

async function untilHit(services: Services): Promise<void> {
  await expect.poll(() => sourceOf(services)).toBe("hit");
}

/** @returns where the session leads, as a server tells */
async function leadsTo(services: Services): Promise<string | null> {
  const { status, json } = await get(services);
  return status === 200 ? json.conversation_id : json.code;
}

async function keyOf(services: Services): Promise<string> {
  const userId = await resolveUser(services.deps, ADA);
  const { id } = cachedAs(toSessionRef({ userId, sessionId: "s" }));
  return `backscroll:${await findDatabaseId(services.deps.db)}:conversation:{${userId}:${id}}`;
}

test("a session is a miss and then hits, which ask PostgreSQL nothing", async () => {
  const { services } = await startCached(0);
  await put(services, "c");
  expect(await sourceOf(services)).toBe("miss");
  await untilHit(services);
  const queries = vi.spyOn(services.deps.db, "query");
  expect(await leadsTo(services)).toBe("c");
  expect(queries.mock.calls).toEqual([]);
  queries.mockRestore();
});

test("the keys of a cached session do not tell its id, and `cache drop` drops them", async () => {
  const { services, redis } = await startTwo();
  const of = await keyOf(services);
  const keysOfSessions = async (): Promise<string[]> =>
    ((await redis.ask("KEYS", "*session:*")) as string[]).toSorted();
  expect(await keysOfSessions()).toEqual([`${of}:messages`, `${of}:version`]);
  expect(of).toMatch(/\{\d+:session:[0-9a-f-]{36}\}$/);
  expect(await redis.ask("TTL", `${of}:messages`)).toBeGreaterThan(0);

  const databaseId = await findDatabaseId(services.deps.db);
  const options = { connectTimeoutMs: 5_000, onError: () => undefined };
  const { cache } = await openRedisCache(services.config, databaseId, options);
  await cache.drop();
  await cache.close();
  expect(await keysOfSessions()).toEqual([]);
});

test("nothing in Redis tells a session's id: an app may take it for a secret", async () => {
  const { services, redis } = await startTwo();
  const secret = "the-zebra-is-under-the-stairs";
  await services.call(ADA, "PUT", `/api/sessions/${secret}`, { conversation_id: "c", context: { note: "kept" } });
  const read = (): Promise<Answer> => services.call(ADA, "GET", `/api/sessions/${secret}`);
  await expect.poll(async () => (await read()).headers.get("x-backscroll-cache")).toBe("hit");
  expect((await read()).json).toMatchObject({ session_id: secret, context: { note: "kept" } });
  const keys = (await redis.ask("KEYS", "*session:*:messages")) as string[];
  const cached = await Promise.all(keys.map((key) => redis.ask("LRANGE", key, "0", "-1")));
  expect(JSON.stringify([keys, cached])).toContain("kept");
  expect(JSON.stringify([keys, cached])).not.toContain(secret);
});

test.for<[string, (services: Services) => Promise<Answer>, string]>([
  ["put elsewhere", (services) => put(services, "d"), "d"],
  ["deleted", (services) => services.call(ADA, "DELETE", "/api/sessions/s"), "session_not_found"],
  ["in the trash", (services) => services.call(ADA, "DELETE", "/api/conversations/c"), "session_not_found"],
  [
    "erased with its conversation",
    (services) => services.call(ADA, "DELETE", "/api/conversations/c?permanent=true"),
    "session_not_found",
  ],
])("a session that is %s on one server is so on the other at once", async ([, change, expected]) => {
  const { services, other } = await startTwo();
  const { status, text } = await change(services);
  expect(status, text).toBe(200);
  for (const server of [other, services, other]) expect(await leadsTo(server)).toBe(expected);
});

test("a session that comes back from the trash does so on the other server at once", async () => {
  const { services, other } = await startTwo();
  await services.call(ADA, "DELETE", "/api/conversations/c");
  expect(await leadsTo(other)).toBe("session_not_found");
  await other.call(ADA, "POST", "/api/conversations/c/restore");
  for (const server of [services, other]) expect(await leadsTo(server)).toBe("c");
});

test("a session that a turn gave a new conversation leads there on the other server at once", async () => {
  const { services, other } = await startTwo();
  await services.call(ADA, "DELETE", "/api/conversations/c?permanent=true");
  const turn = await services.call(ADA, "POST", "/api/chat", { message: "Hello", session_id: "s" });
  expect(turn.status, turn.text).toBe(200);
  expect(await leadsTo(other)).toBe(turn.json.conversation_id);
  const next = await other.call(ADA, "POST", "/api/chat", { message: "Hello", session_id: "s" });
  expect(next.json.conversation_id).toBe(turn.json.conversation_id);
});

test("a hit that has expired is not there", async () => {
  const { services, redis, other } = await startTwo();
  await services.deps.db.pool.query("update sessions set expires_at = now() - interval '1 s'");
  // At the version that the cache has, as when time alone has passed.
  const of = await keyOf(services);
  const [json = ""] = (await redis.ask("LRANGE", `${of}:messages`, "0", "0")) as string[];
  const expired = JSON.stringify({ ...JSON.parse(json), expires_at: new Date(Date.now() - 1_000).toISOString() });
  await redis.ask("LSET", `${of}:messages`, "0", expired);
  expect(await leadsTo(other)).toBe("session_not_found");
  const turn = await other.call(ADA, "POST", "/api/chat", { message: "Hello", session_id: "s" });
  expect(turn.json.conversation_id).not.toBe("c");
  expect(await leadsTo(services)).toBe(turn.json.conversation_id);
});

test("while Redis is away sessions come from PostgreSQL, and when it is back what it brings is compared", async () => {
  const { services, other, redis } = await startTwo();
  await redis.ask("SAVE");
  await redis.kill();
  expect((await put(services, "d")).status).toBe(200);
  for (const server of [services, other]) expect(await leadsTo(server)).toBe("d");
  await redis.restart();
  for (let i = 0; i < 20; i += 1) for (const server of [services, other]) expect(await leadsTo(server)).toBe("d");
  for (const server of [services, other]) {
    await expect.poll(() => sourceOf(server), { timeout: 10_000 }).toBe("hit");
    expect(await leadsTo(server)).toBe("d");
  }
});

test("a change that Redis missed is announced to the other servers", async () => {
  const { services, other, redis } = await startTwo({ cacheTimeoutMs: 50 });
  redis.freeze();
  expect((await put(services, "d")).status).toBe(200);
  expect(await leadsTo(services)).toBe("d");
  redis.thaw();
  await expect.poll(() => leadsTo(other)).toBe("d");
  await untilHit(other);
  expect(await leadsTo(other)).toBe("d");
});

test("an audit finds what was written past Backscroll", async () => {
  const { services } = await startCached(0, { cacheAuditIntervalMs: 100 });
  await services.call(ADA, "POST", "/api/conversations", { id: "d" });
  await put(services, "c");
  await untilHit(services);
  const d = toRef({ userId: await resolveUser(services.deps, ADA), conversationId: "d" });
  await services.deps.db.pool.query("update sessions set conversation_id = $1, version = version + 1", [d.id]);
  await expect.poll(() => leadsTo(services)).toBe("d");
});

test("what a process that died left of an erasure, the next one finishes, and the cache is told", async () => {
  const { services, other } = await startTwo();
  const at = toRef({ userId: await resolveUser(services.deps, ADA), conversationId: "c" });
  expect(await markErasing(services.deps.db, at)).toBe(true);
  await finishErasures(other.deps);
  expect(await leadsTo(services)).toBe("session_not_found");
});

test("a retry takes what is cached away before it answers: whoever tried first may have died before it could", async () => {
  const { services, other, redis } = await startTwo();
  const of = await keyOf(services);
  const [list, version] = [
    (await redis.ask("LRANGE", `${of}:messages`, "0", "-1")) as string[],
    (await redis.ask("GET", `${of}:version`)) as string,
  ];
  const asBefore = async (): Promise<void> => {
    await redis.ask("DEL", `${of}:messages`);
    await redis.ask("RPUSH", `${of}:messages`, ...list);
    await redis.ask("SET", `${of}:version`, version);
    expect(await leadsTo(other)).toBe("c");
  };
  await put(services, "d");
  await asBefore();
  await put(services, "d");
  expect(await leadsTo(other)).toBe("d");

  await services.call(ADA, "DELETE", "/api/sessions/s");
  await asBefore();
  expectProblem(await services.call(ADA, "DELETE", "/api/sessions/s"), "session_not_found");
  expect(await leadsTo(other)).toBe("session_not_found");
});

test("a turn finds a session that the cache has from before, without asking for ever", async () => {
  const { services, other, redis } = await startTwo();
  const of = await keyOf(services);
  const list = (await redis.ask("LRANGE", `${of}:messages`, "0", "-1")) as string[];
  const version = (await redis.ask("GET", `${of}:version`)) as string;
  await services.call(ADA, "DELETE", "/api/conversations/c?permanent=true");
  const { json } = await services.call(ADA, "POST", "/api/chat", { message: "Hello", session_id: "s" });
  await redis.ask("DEL", `${of}:messages`);
  await redis.ask("RPUSH", `${of}:messages`, ...list);
  await redis.ask("SET", `${of}:version`, version);
  const turn = await other.call(ADA, "POST", "/api/chat", { message: "Hello", session_id: "s" });
  expect(turn.json.conversation_id).toBe(json.conversation_id);
});

test("another person's session is not found, however warm it is", async () => {
  const { services, other } = await startTwo();
  for (const server of [services, other]) expectProblem(await get(server, BOB), "session_not_found");
  const turn = await other.call(BOB, "POST", "/api/chat", { message: "Hello", session_id: "s" });
  expect(turn.status).toBe(200);
  expect(turn.json.conversation_id).not.toBe("c");
  for (const server of [services, other]) expect(await leadsTo(server)).toBe("c");
});
