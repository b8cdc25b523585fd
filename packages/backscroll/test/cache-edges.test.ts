import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { toStoredId } from "../src/domain/ids.ts";
import { finishErasures } from "../src/service/conversations.ts";
import { resolveUser } from "../src/service/users.ts";
import { ADA, idsOf, keysOf, MESSAGES, read, save, sourceOf, startCached, untilHit } from "./cache-fixture.ts";

test("what is committed while a server gives up waiting and closes is told, before it is acknowledged", async () => {
  const { services, another, redis } = await startCached(1);
  const closing = await another({ drainTimeoutMs: 0 });
  await untilHit(services);
  const client = new pg.Client({ connectionString: services.databaseUrl });
  await client.connect();
  onTestFinished(() => client.end());
  await client.query("begin");
  await client.query("select from conversations for update");
  const saved = closing.call(ADA, "POST", MESSAGES, { id: "m2", role: "user", content: "late" });
  await expect
    .poll(async () => (await client.query("select from pg_locks where not granted")).rowCount)
    .toBeGreaterThan(0);
  const closed = closing.close();
  await expect.poll(() => closing.deps.db.pool.ending).toBe(true);
  await client.query("commit");
  expect((await saved).status).toBe(201);
  expect(await idsOf(services)).toEqual(["m2", "m1"]);
  await closed;
  expect(await redis.ask("PING")).toBe("PONG");
});

test("a person's large messages slow nobody down: what is cached of one conversation stays below a megabyte", async () => {
  const { services, redis } = await startCached(0);
  const { messages } = await keysOf(services);
  for (const chars of [100, 15_000, 16_600, 130_000]) {
    await services.call(ADA, "POST", "/api/conversations", { id: "c" });
    await untilHit(services);
    for (let i = 0; i < 25; i += 1) {
      await services.call(ADA, "POST", MESSAGES, { role: "user", content: "漢".repeat(chars) });
    }
    const bytes = Number((await redis.ask("MEMORY", "USAGE", messages, "SAMPLES", "0")) ?? 0);
    expect(bytes).toBeLessThan(1_200_000);
    const shown = await read(services);
    expect(shown.json.messages).toHaveLength(20);
    expect(shown.json.messages[0].content).toHaveLength(chars);
    await services.call(ADA, "DELETE", "/api/conversations/c?permanent=true");
  }
});

test("a Redis that is full goes on answering what it has, and is not taken for dead", async () => {
  const { services, redis } = await startCached(3, { cacheTimeoutMs: 1_000 });
  await untilHit(services);
  await redis.ask("CONFIG", "SET", "maxmemory-policy", "noeviction");
  await redis.ask("CONFIG", "SET", "maxmemory", "1");
  for (let i = 0; i < 20; i += 1) {
    const { json } = await services.call(ADA, "POST", "/api/conversations", {});
    const other = await services.call(ADA, "GET", `/api/conversations/${json.conversation_id}/messages`);
    expect(other.headers.get("x-backscroll-cache")).toBe("bypass");
    expect(await sourceOf(services)).toBe("hit");
  }
  expect(services.deps.cache.state).toBe("ok");
});

test("an erasure that another server finishes is told to the cache", async () => {
  const { services } = await startCached(2);
  await untilHit(services);
  const userId = await resolveUser(services.deps, ADA);
  // What a server leaves that dies right after this COMMIT.
  await services.deps.db.pool.query(
    "update conversations set erasing = true, deleted_at = now(), version = version + 1 where user_id = $1 and id = $2",
    [userId, toStoredId(userId, "c").id],
  );
  await finishErasures(services.deps);
  expect((await read(services)).status).toBe(404);
});

test("what PostgreSQL refuses leaves the cache alone", async () => {
  const { services } = await startCached(1);
  await untilHit(services);
  const refused = await services.call(ADA, "POST", MESSAGES, { role: "user", content: "x", tokens_used: 2 ** 31 });
  expect(refused.status).toBe(400);
  await services.deps.db.pool.query("alter table messages add constraint refused check (content <> 'no')");
  expect((await services.call(ADA, "POST", MESSAGES, { role: "user", content: "no" })).status).toBe(500);
  expect(await sourceOf(services)).toBe("hit");
  await save(services, "m2");
  expect(await idsOf(services)).toEqual(["m2", "m1"]);
});
