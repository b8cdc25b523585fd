import { randomUUID } from "node:crypto";
import type pg from "pg";
import { expect, onTestFinished } from "vitest";
import { ADA, MESSAGES } from "./cache-fixture.ts";
import { expectInOrder, headOf, makeConversation, startWriter, type StoredRow, type Writer } from "./past-service.ts";
import { newSchema, type Services, test } from "./services.ts";

async function start(services: Services, ids: readonly string[] = []): Promise<Writer> {
  await makeConversation(services, ids);
  return startWriter(services);
}

/** Another connection waits for a lock that this one holds. */
async function untilSomebodyWaitsFor({ query }: Writer): Promise<void> {
  await expect
    .poll(() => query("select from pg_stat_activity where pg_backend_pid() = any(pg_blocking_pids(pid))"))
    .toHaveLength(1);
}

test("a row without seq gets the next one, an id, and the time of an append; the conversation moves as by one", async ({
  services,
}) => {
  const writer = await start(services, ["m1"]);
  const before = await headOf(writer);

  const row = await writer.insert();

  expect(Number(row.seq)).toBe(2);
  expect(row.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const milliseconds = Number.parseInt(row.id.replaceAll("-", "").slice(0, 12), 16);
  expect(Math.abs(milliseconds - row.created_at.getTime())).toBeLessThan(60_000);
  expect(await headOf(writer)).toEqual({
    version: before.version + 1,
    lastSeq: 2,
    messageCount: 2,
    updatedAt: row.created_at,
  });
  const { json } = await services.call(ADA, "GET", `${MESSAGES}?consistency=strong`);
  expect(json.messages[0]).toMatchObject({ id: row.id, seq: 2, content: "by psql", status: "complete", version: 1 });
  await services.call(ADA, "POST", MESSAGES, { role: "user", content: "by the service" });
  await expectInOrder(writer);
});

test("rows that come with a seq are left alone", async ({ services }) => {
  const writer = await start(services, ["m1"]);
  const before = await headOf(writer);
  await writer.query(
    `insert into messages (user_id, conversation_id, seq, id, role, content, created_at)
     values ($1, $2, 7, gen_random_uuid(), 'user', '', now())`,
    [writer.userId, writer.conversationId],
  );
  expect(await headOf(writer)).toEqual(before);
});

test("a time that is given is kept, and never runs backwards along seq, nor into the future", async ({ services }) => {
  const writer = await start(services);
  const times = ["2024-05-01T10:00:00.000Z", "2024-05-01T09:00:00.000Z", "2024-05-02T10:00:00.000Z"];
  const rows = [];
  for (const time of times) rows.push(await writer.insert({ created_at: time }));
  expect(rows.map(({ created_at: at }) => at.toISOString())).toEqual([times[0], times[0], times[2]]);
  const future = await writer.insert({ created_at: "2999-01-01T00:00:00.000Z" });
  expect(Math.abs(future.created_at.getTime() - Date.now())).toBeLessThan(60_000);
  await writer.insert({ created_at: times[0] as string });
  await expectInOrder(writer);
});

test("many rows of one statement, and of COPY, take their places in the order they were written in", async ({
  services,
}) => {
  const writer = await start(services, ["m1"]);
  await writer.query(
    `insert into messages (user_id, conversation_id, role, content)
     select $1, $2, 'user', format('%s', n) from generate_series(1, 500) as n order by n`,
    [writer.userId, writer.conversationId],
  );
  const lines = Array.from({ length: 50 }, (_, n) => `${writer.userId}\t${writer.conversationId}\tuser\t${n + 501}\n`);
  await copyIn(writer, "copy messages (user_id, conversation_id, role, content) from stdin", lines.join(""));
  await expectInOrder(writer);
  const contents = await writer.query<{ content: string }>("select content from messages order by seq");
  expect(contents.slice(1).map(({ content }) => content)).toEqual(Array.from({ length: 550 }, (_, n) => String(n + 1)));
});

/** `pg` has the messages of COPY, and no method for it. */
function copyIn({ client }: Writer, text: string, data: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const query = {
      submit: (connection: CopyConnection) => connection.query(text),
      handleCopyInResponse(connection: CopyConnection) {
        connection.sendCopyFromChunk(Buffer.from(data));
        connection.endCopyFrom();
      },
      handleCommandComplete: () => undefined,
      handleReadyForQuery: () => resolve(),
      handleError: reject,
    };
    client.query(query as unknown as pg.Submittable);
  });
}

interface CopyConnection {
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

test("an id that is there already: refused, given way, or updated, as the statement says, and nothing moves", async ({
  services,
}) => {
  const writer = await start(services, ["m1"]);
  const { id } = await writer.insert();
  const before = await headOf(writer);
  await expect(writer.insert({ id })).rejects.toMatchObject({ code: "23505", constraint: "messages_id_key" });
  const values = [writer.userId, writer.conversationId, id, randomUUID()];
  const insert = "insert into messages (user_id, conversation_id, id, role, content) values";
  const skipped = await writer.query(
    `${insert} ($1, $2, $3, 'user', 'again'), ($1, $2, $4, 'user', 'new'), ($1, $2, $4, 'user', 'twice')
     on conflict do nothing returning content`,
    values,
  );
  expect(skipped).toEqual([{ content: "new" }]);
  expect(await headOf(writer)).toMatchObject({ version: before.version + 1, lastSeq: 3, messageCount: 3 });
  const [updated] = await writer.query<StoredRow & { version: number }>(
    `${insert} ($1, $2, $3, 'user', 'updated')
     on conflict (user_id, conversation_id, id) do update set content = excluded.content returning *`,
    values.slice(0, 3),
  );
  expect(updated).toMatchObject({ seq: "2", content: "updated", version: 2 });
  await expectInOrder(writer);
});

test("what is rolled back takes no place: the transaction, or a savepoint of it", async ({ services }) => {
  const writer = await start(services, ["m1"]);
  await writer.query("begin");
  await writer.insert({ content: "kept" });
  await writer.query("savepoint a");
  await writer.insert({ content: "gone" });
  await writer.query("rollback to savepoint a");
  const kept = await writer.insert({ content: "kept, too" });
  await writer.query("commit");
  expect(Number(kept.seq)).toBe(3);
  await writer.query("begin");
  await writer.insert();
  await writer.query("rollback");
  expect(Number((await writer.insert()).seq)).toBe(4);
  await expectInOrder(writer);
});

test("of two that write the same id at once the second gives way, and takes no place", async ({ services }) => {
  const [one, two] = [await start(services, ["m1"]), await startWriter(services)];
  const { query, userId, conversationId } = two;
  const id = randomUUID();
  await one.query("begin");
  await one.insert({ id });
  const second = query(
    "insert into messages (user_id, conversation_id, id, role, content) values ($1, $2, $3, 'user', '') on conflict do nothing returning seq",
    [userId, conversationId, id],
  );
  await untilSomebodyWaitsFor(one);
  await one.query("commit");
  expect(await second).toEqual([]);
  await expectInOrder(one);
});

test("writers at once, past the service and through it, leave no gap", async ({ services }) => {
  const writer = await start(services, ["m1"]);
  const others = await Promise.all([startWriter(services), startWriter(services)]);
  const saves = Array.from({ length: 40 }, (_, n) =>
    services.call(ADA, "POST", MESSAGES, { role: "user", content: `service ${n}` }),
  );
  const inserts = others.map(async (other) => {
    for (let n = 0; n < 40; n += 1) await other.insert();
  });
  for (const { status } of await Promise.all(saves)) expect(status).toBe(201);
  await Promise.all(inserts);
  expect((await headOf(writer)).messageCount).toBe(121);
  await expectInOrder(writer);
});

test("what there is not, and what is in the trash, is refused with a reason", async ({ services }) => {
  const writer = await start(services, ["m1"]);
  await expect(writer.insert({ conversation_id: randomUUID() })).rejects.toMatchObject({
    code: "23503",
    constraint: "messages_conversation_fkey",
    message: expect.stringMatching(/^user \d+ has no conversation /) as string,
  });
  await services.call(ADA, "DELETE", "/api/conversations/c");
  await expect(writer.insert()).rejects.toMatchObject({
    code: "55000",
    message: expect.stringContaining("is in the trash") as string,
  });
});

test("whatever the writer's search_path and temporary tables are, it is the tables beside the written one", async ({
  services,
}) => {
  await makeConversation(services, ["m1"]);
  const schema = /search_path=(\w+)/.exec(decodeURIComponent(services.databaseUrl))?.[1];
  const elsewhere = await newSchema();
  onTestFinished(elsewhere.drop);
  const writer = await startWriter(services, elsewhere.databaseUrl);
  await writer.query("create table conversations (user_id bigint)");
  const path = await writer.query("show search_path");
  const insert = `insert into ${schema}.messages (user_id, conversation_id, role, content) values ($1, $2, 'user', '')`;
  await writer.query(`${insert} returning seq`, [writer.userId, writer.conversationId]);
  expect(await writer.query("show search_path")).toEqual(path);
  const own = await startWriter(services);
  await own.query("create temporary table installation (database_id uuid)");
  await own.query("create temporary table conversations (user_id bigint)");
  const [row] = await own.query<{ seq: string }>(`${insert} returning seq`, [own.userId, own.conversationId]);
  expect(row?.seq).toBe("3");
});

test("a role that may not see Backscroll's secret may write", async ({ services }) => {
  const writer = await start(services, ["m1"]);
  const schema = /search_path=(\w+)/.exec(decodeURIComponent(services.databaseUrl))?.[1];
  const role = `app_of_${schema}`;
  await writer.query(`create role ${role}`);
  onTestFinished(async () => {
    await writer.query("reset role");
    await writer.query(`drop owned by ${role}`);
    await writer.query(`drop role ${role}`);
  });
  await writer.query(`grant usage on schema ${schema} to ${role}`);
  for (const right of [
    "select, insert, update on users, conversations, messages",
    "select on sessions, usage_daily",
    "select (database_id) on installation",
  ])
    await writer.query(`grant ${right} to ${role}`);
  await writer.query(`set role ${role}`);
  await writer.insert();
  await writer.query("update messages set content = 'edited' where seq = 2");
  await writer.query("update conversations set deleted_at = now()");
  await expect(writer.query("select secret from installation")).rejects.toMatchObject({ code: "42501" });
});

test("a changed row is an edit: its version, its time, its conversation's, and a late retry of its save is known", async ({
  services,
}) => {
  const writer = await start(services, ["m1"]);
  const before = await headOf(writer);
  await writer.query("update messages set content = 'by psql'");
  const { json } = await services.call(ADA, "GET", `${MESSAGES}?consistency=strong`);
  expect(json.messages[0]).toMatchObject({ content: "by psql", version: 2, edited_at: expect.any(String) as string });
  expect(await headOf(writer)).toMatchObject({ version: before.version + 1, lastSeq: 1, messageCount: 1 });
  const retried = await services.call(ADA, "POST", MESSAGES, { id: "m1", role: "user", content: "text of m1" });
  expect([200, 201]).toContain(retried.status);
  // What is not said anew is no edit, and does not bring its conversation to the top of the list.
  const { updatedAt } = await headOf(writer);
  await writer.query(`update messages set metadata = '{"a": 1}'`);
  const noted = await services.call(ADA, "GET", `${MESSAGES}?consistency=strong`);
  expect(noted.json.messages[0]).toMatchObject({
    metadata: { a: 1 },
    version: 3,
    edited_at: json.messages[0].edited_at,
  });
  expect((await headOf(writer)).updatedAt).toEqual(updatedAt);
  await expect(writer.query("update messages set seq = 9")).rejects.toMatchObject({ code: "55000" });
});

test("an edit through the service that meets one past it is done again, when PostgreSQL undoes it", async ({
  services,
}) => {
  const writer = await start(services, ["m1"]);
  await writer.query("begin");
  await writer.query("select from messages for update");
  const edited = services.call(ADA, "PATCH", `${MESSAGES}/m1`, { content: "by the service" });
  await untilSomebodyWaitsFor(writer);
  // Now each waits for the other's row.
  const past = writer.query("update messages set content = 'by psql'").then(() => writer.query("commit"));
  const answer = await edited;
  await past.catch((error: { code?: string }) => {
    expect(error.code).toBe("40P01");
    return writer.query("rollback");
  });
  expect(answer.status).toBe(200);
  expect(answer.json).toMatchObject({ content: "by the service" });
});

test("appends and edits of the service run none of it", async ({ services }) => {
  const writer = await start(services);
  for (const name of ["append_past_service", "edit_past_service", "move_past_service"]) {
    await writer.query(
      `create or replace function ${name}() returns trigger language plpgsql as $$ begin raise exception 'it ran'; end $$`,
    );
  }
  await expect(writer.insert()).rejects.toThrow("it ran");
  const call = (method: string, path: string, body?: unknown): Promise<number> =>
    services.call(ADA, method, path, body).then(({ status }) => status);
  expect(await call("POST", MESSAGES, { id: "m1", role: "user", content: "one" })).toBe(201);
  expect(await call("POST", "/api/conversations/messages", { conversation_id: "c", message: "Hello" })).toBe(200);
  expect(await call("PATCH", `${MESSAGES}/m1`, { content: "edited" })).toBe(200);
  expect(await call("DELETE", `${MESSAGES}/m1`)).toBe(200);
  expect(await call("PATCH", "/api/conversations/c", { title: "Trip" })).toBe(200);
  expect(await call("DELETE", "/api/conversations/c")).toBe(200);
  expect(await call("POST", "/api/conversations/c/restore")).toBe(200);
  expect(await call("DELETE", "/api/conversations/c?permanent=true")).toBe(200);
});
