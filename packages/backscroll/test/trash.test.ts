import { expect } from "vitest";
import { expectProblem } from "./problem.ts";
import { createServices, newSchema, type Services, test } from "./services.ts";

const ADA = "ada@example.com";

async function create(services: Services, id: string): Promise<void> {
  expect((await services.call(ADA, "POST", "/api/conversations", { id, title: id })).status).toBe(201);
  await services.call(ADA, "POST", `/api/conversations/${id}/messages`, { id: "m", role: "user", content: "x" });
}

async function remove(services: Services, id: string, query = ""): Promise<void> {
  const { status, json } = await services.call(ADA, "DELETE", `/api/conversations/${id}${query}`);
  expect(status).toBe(200);
  expect(json).toEqual({ message: "Conversation deleted successfully" });
}

async function idsOf(services: Services, path: string): Promise<string[]> {
  const { json } = await services.call(ADA, "GET", path);
  expect(json.pagination.total).toBe(json.conversations.length);
  return json.conversations.map(({ conversation_id }: { conversation_id: string }) => conversation_id);
}

/** Rows of every table but the users' and the usage. */
async function rows(services: Services): Promise<Record<string, number>> {
  const { rows: found } = await services.deps.db.pool.query(
    `select (select count(*) from conversations)::int as conversations, (select count(*) from messages)::int as messages,
            (select count(*) from deleted_messages)::int as deleted_messages`,
  );
  return found[0];
}

test("what is deleted leaves the list and comes into the trash; restored it is as it was", async ({ services }) => {
  await create(services, "kept");
  await create(services, "c");
  await services.call(ADA, "PATCH", "/api/conversations/c", { pinned: true, metadata: { a: 1 } });
  const before = await services.call(ADA, "GET", "/api/conversations/c");
  const messages = await services.call(ADA, "GET", "/api/conversations/c/messages");

  await remove(services, "c");
  expect(await idsOf(services, "/api/conversations")).toEqual(["kept"]);
  expect(await idsOf(services, "/api/conversations?q=c")).toEqual([]);
  expectProblem(await services.call(ADA, "GET", "/api/conversations/c"), "conversation_not_found");
  const { json: trash } = await services.call(ADA, "GET", "/api/trash");
  const { metadata: _, ...summary } = before.json;
  expect(trash.conversations).toEqual([{ ...summary, deleted_at: expect.any(String) }]);

  const restored = await services.call(ADA, "POST", "/api/conversations/c/restore");
  expect(restored.json).toEqual(before.json);
  expect(await idsOf(services, "/api/trash")).toEqual([]);
  expect(await idsOf(services, "/api/conversations")).toEqual(["c", "kept"]);
  expect((await services.call(ADA, "GET", "/api/conversations/c/messages")).text).toBe(messages.text);
});

test("what is not in the trash cannot be restored, and what is there cannot be deleted into it again", async ({
  services,
}) => {
  await create(services, "c");
  expectProblem(await services.call(ADA, "POST", "/api/conversations/c/restore"), "conversation_not_found");
  await remove(services, "c");
  expectProblem(await services.call(ADA, "DELETE", "/api/conversations/c"), "conversation_not_found");
  await services.call(ADA, "POST", "/api/conversations/c/restore");
  expectProblem(await services.call(ADA, "POST", "/api/conversations/c/restore"), "conversation_not_found");
});

test("an id in the trash is taken, an id that is erased is free", async ({ services }) => {
  await create(services, "c");
  await remove(services, "c");
  expectProblem(
    await services.call(ADA, "POST", "/api/conversations", { id: "c", title: "c" }),
    "conversation_id_conflict",
  );
  await remove(services, "c", "?permanent=true");
  expect((await services.call(ADA, "POST", "/api/conversations", { id: "c", title: "another" })).status).toBe(201);
  expect((await services.call(ADA, "GET", "/api/conversations/c/messages")).json.messages).toEqual([]);
});

test("the trash is by last deleted, in pages", async ({ services }) => {
  for (let i = 0; i < 5; i += 1) {
    await create(services, `c${i}`);
    await remove(services, `c${i}`);
    await services.deps.db.pool.query(
      "update conversations set deleted_at = now() - $2::int * interval '1 hour' where client_id = $1",
      [`c${i}`, 10 - i],
    );
  }
  expect(await idsOf(services, "/api/trash")).toEqual(["c4", "c3", "c2", "c1", "c0"]);
  const { json } = await services.call(ADA, "GET", "/api/trash?page=2&page_size=2");
  expect(json.conversations.map(({ conversation_id }: { conversation_id: string }) => conversation_id)).toEqual([
    "c2",
    "c1",
  ]);
  expect(json.pagination).toEqual({ total: 5, page: 2, page_size: 2, total_pages: 3, has_next: true, has_prev: true });
});

test("after 30 days the trash does not show a conversation and does not give it back", async ({ services }) => {
  await create(services, "young");
  await create(services, "old");
  for (const id of ["young", "old"]) await remove(services, id);
  const setAge = (id: string, interval: string): Promise<unknown> =>
    services.deps.db.pool.query("update conversations set deleted_at = now() - $2::interval where client_id = $1", [
      id,
      interval,
    ]);
  await setAge("young", "29 days 23:59:00");
  await setAge("old", "30 days 00:00:01");
  expect(await idsOf(services, "/api/trash")).toEqual(["young"]);
  expectProblem(await services.call(ADA, "POST", "/api/conversations/old/restore"), "conversation_not_found");
  expect((await services.call(ADA, "POST", "/api/conversations/young/restore")).status).toBe(200);
  await remove(services, "old", "?permanent=true");
});

test("a permanent deletion, from the trash or not, leaves no row and nothing to restore", async ({ services }) => {
  for (const first of [false, true]) {
    await create(services, "c");
    await services.call(ADA, "DELETE", "/api/conversations/c/messages/m");
    await services.call(ADA, "POST", "/api/conversations/c/messages", { role: "user", content: "y" });
    if (first) await remove(services, "c");
    await remove(services, "c", "?permanent=true");
    expect(await rows(services)).toEqual({ conversations: 0, messages: 0, deleted_messages: 0 });
    expectProblem(await services.call(ADA, "POST", "/api/conversations/c/restore"), "conversation_not_found");
    expectProblem(await services.call(ADA, "DELETE", "/api/conversations/c?permanent=true"), "conversation_not_found");
    expect(await idsOf(services, "/api/trash")).toEqual([]);
  }
});

test("permanent=false is the trash", async ({ services }) => {
  await create(services, "c");
  await remove(services, "c", "?permanent=false");
  expect(await idsOf(services, "/api/trash")).toEqual(["c"]);
});

test("12,000 messages are erased to the last row, and nobody else's are touched", async ({ services }) => {
  await create(services, "kept");
  await create(services, "c");
  await insertMany(services, "c", 12_000);
  await remove(services, "c", "?permanent=true");
  expect(await rows(services)).toEqual({ conversations: 1, messages: 1, deleted_messages: 0 });
});

test("saves and an erasure at the same time leave no row behind", async ({ services }) => {
  await create(services, "c");
  const saves = Array.from({ length: 40 }, (_, i) =>
    services.call(ADA, "POST", "/api/conversations/c/messages", { id: `s${i}`, role: "user", content: "x" }),
  );
  const answers = await Promise.all([
    ...saves.slice(0, 20),
    services.call(ADA, "DELETE", "/api/conversations/c?permanent=true"),
    ...saves.slice(20),
  ]);
  for (const { status } of answers) expect([200, 201, 404]).toContain(status);
  expect(await rows(services)).toEqual({ conversations: 0, messages: 0, deleted_messages: 0 });
});

test("a start finishes the erasures that a server which died left half done", async () => {
  const { databaseUrl, drop } = await newSchema();
  const first = await createServices({ databaseUrl });
  await create(first, "kept");
  for (let i = 0; i < 3; i += 1) {
    await create(first, `c${i}`);
    await insertMany(first, `c${i}`, 50);
  }
  await first.deps.db.pool.query(
    "update conversations set erasing = true, deleted_at = now() where client_id <> 'kept'",
  );
  await first.deps.db.pool.query(
    "delete from messages where seq < 30 and conversation_id in (select id from conversations where erasing)",
  );
  expectProblem(await first.call(ADA, "POST", "/api/conversations/c1/restore"), "conversation_not_found");
  expect(await idsOf(first, "/api/trash")).toEqual([]);
  await first.close();

  const second = await createServices({ databaseUrl });
  await expect
    .poll(() => rows(second), { timeout: 10_000 })
    .toEqual({ conversations: 1, messages: 1, deleted_messages: 0 });
  await second.close();
  await drop();
});

/** As the service would have left it, in two statements. */
async function insertMany(services: Services, id: string, n: number): Promise<void> {
  const { pool } = services.deps.db;
  await pool.query(
    `insert into messages (user_id, conversation_id, seq, id, role, content, created_at)
     select c.user_id, c.id, c.last_seq + n, gen_random_uuid(), 'user', 'x', now()
       from conversations as c, generate_series(1, $2::int) as n where c.client_id = $1`,
    [id, n],
  );
  await pool.query(
    "update conversations set last_seq = last_seq + $2::int, message_count = message_count + $2::int where client_id = $1",
    [id, n],
  );
}
