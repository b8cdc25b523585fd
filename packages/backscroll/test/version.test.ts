import { expect, onTestFinished, test as plain } from "vitest";
import type { ConversationRef } from "../src/domain/conversation.ts";
import { mintId, toStoredId } from "../src/domain/ids.ts";
import { insertMessageBatch, insertMessages } from "../src/postgres/append.ts";
import { findVersion } from "../src/postgres/conversations.ts";
import { insertImportedConversation } from "../src/postgres/import.ts";
import { listNewestMessages, listOldestMessages, WHOLE } from "../src/postgres/messages.ts";
import { migrate, readMigrations } from "../src/postgres/migrate.ts";
import { openDatabase } from "../src/postgres/pool.ts";
import { resolveUser } from "../src/service/users.ts";
import { ADA, begin, MESSAGES, save } from "./changes-fixture.ts";
import { newSchema, type Services, test } from "./services.ts";

const CONVERSATION = "/api/conversations/c";

async function ref(services: Services): Promise<ConversationRef> {
  const userId = await resolveUser(services.deps, ADA);
  return { userId, id: toStoredId(userId, "c").id };
}

async function version(services: Services): Promise<number> {
  return (await findVersion(services.deps.db, await ref(services))) ?? Number.NaN;
}

test.for(["made", "imported"])(
  "a conversation %s with the id of one erased for good is ahead of every version that one had",
  async (way, { services }) => {
    await begin(services, 5);
    for (let i = 0; i < 50; i += 1) await save(services, { role: "user", content: `more ${i}` });
    await services.call(ADA, "PATCH", `${MESSAGES}/m1`, { content: "edited" });
    await services.call(ADA, "DELETE", `${MESSAGES}/m2`);
    const erasing = (await version(services)) + 1;
    expect((await services.call(ADA, "DELETE", `${CONVERSATION}?permanent=true`)).status).toBe(200);

    if (way === "made") await begin(services, 0);
    else {
      const empty = { title: "C", metadata: {}, pinned: false, archived: false, createdAt: new Date(0) };
      await insertImportedConversation(services.deps.db, await ref(services), { clientId: "c", ...empty });
    }

    expect(await version(services)).toBeGreaterThan(erasing);
  },
);

test("every change moves the version by one; what changes no message leaves it", async ({ services }) => {
  await begin(services, 3);
  const before = await version(services);
  await services.call(ADA, "PATCH", `${MESSAGES}/m1`, { content: "edited" });
  await services.call(ADA, "DELETE", `${MESSAGES}/m2`);
  await save(services, { messages: [1, 2].map((n) => ({ role: "user", content: `${n}` })) });
  expect(await version(services)).toBe(before + 3);
  await services.call(ADA, "PATCH", CONVERSATION, { title: "Another", pinned: true });
  expect(await version(services)).toBe(before + 3);
  await services.call(ADA, "DELETE", CONVERSATION);
  await services.call(ADA, "POST", `${CONVERSATION}/restore`);
  expect(await version(services)).toBe(before + 5);
});

test("a conversation in the trash, erased, of somebody else or of nobody has no version", async ({ services }) => {
  await begin(services, 1);
  const at = await ref(services);
  const { db } = services.deps;
  expect(await findVersion(db, { ...at, userId: at.userId + 1 })).toBeNull();
  expect(await findVersion(db, { ...at, id: mintId() })).toBeNull();
  await services.call(ADA, "DELETE", CONVERSATION);
  expect(await findVersion(db, at)).toBeNull();
  await services.call(ADA, "DELETE", `${CONVERSATION}?permanent=true`);
  expect(await findVersion(db, at)).toBeNull();
});

test("versions are exact in JavaScript, up to the last that a double can tell apart", async ({ services }) => {
  await begin(services, 0);
  const at = await ref(services);
  const { db } = services.deps;
  const message = { role: "user", content: "x" } as const;
  const start = await version(services);
  expect(start).toSatisfy(Number.isSafeInteger);
  expect(Math.abs(start / 1_000 - Date.now())).toBeLessThan(60_000);

  for (const last of [start, Number.MAX_SAFE_INTEGER - 3]) {
    await db.pool.query("update conversations set version = $1", [last]);
    expect(await insertMessages(db, at, [message])).toMatchObject({ versionBefore: last, version: last + 1 });
    const batch = { at, messages: [message] };
    expect(await insertMessageBatch(db, [batch, batch])).toMatchObject([
      { versionBefore: last + 1, version: last + 2 },
      { versionBefore: last + 2, version: last + 3 },
    ]);
    expect(await version(services)).toBe(last + 3);
    const { rows } = await db.pool.query<{ version: string }>("select version from conversations");
    expect(rows).toEqual([{ version: String(last + 3) }]);
  }
});

plain("a conversation older than the rule keeps its version, and a new one is ahead of it", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const [first, ...later] = await readMigrations();
  if (!first) throw new Error("no migrations");
  await migrate(databaseUrl, [first]);
  const limits = { max: 1, connectionTimeoutMs: 5_000, statementTimeoutMs: 5_000, onIdleError: () => undefined };
  const db = openDatabase({ connectionString: databaseUrl, ...limits });
  onTestFinished(() => db.close());
  await db.pool.query("insert into users (issuer, subject) values ('i', 's')");
  const insert = async (): Promise<ConversationRef> => {
    const at = { userId: 1, id: mintId() };
    await db.pool.query("insert into conversations (user_id, id, title, title_source) values ($1, $2, '', 'user')", [
      at.userId,
      at.id,
    ]);
    return at;
  };
  const old = await insert();
  await migrate(databaseUrl, [first, ...later]);
  expect(await findVersion(db, old)).toBe(0);
  expect(await findVersion(db, await insert())).toBeGreaterThan(1_700_000_000_000_000);
});

test("a window says how long nothing has changed, by PostgreSQL's clock", async ({ services }) => {
  await begin(services, 2);
  const at = await ref(services);
  const { db } = services.deps;
  const idle = async (): Promise<number[]> => {
    const windows = await Promise.all([listNewestMessages, listOldestMessages].map((list) => list(db, at, bounds)));
    return windows.map((window) => window?.idleMs ?? Number.NaN);
  };
  const bounds = { ...WHOLE, limit: 5 };
  const set = (expression: string): Promise<unknown> =>
    db.pool.query(`update conversations set updated_at = ${expression}`);

  await set("statement_timestamp() - interval '40 days'");
  for (const ms of await idle()) expect(ms - 40 * 86_400_000).toSatisfy((over: number) => over >= 0 && over < 60_000);
  await set("statement_timestamp() + interval '1 hour'");
  expect(await idle()).toEqual([0, 0]);
  await save(services, { role: "user", content: "x" });
  await set("statement_timestamp()");
  for (const ms of await idle())
    expect(ms).toSatisfy((now: number) => Number.isInteger(now) && now >= 0 && now < 60_000);
});
