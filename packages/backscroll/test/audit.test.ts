import pg from "pg";
import { expect, onTestFinished, vi } from "vitest";
import { AUDIT_ACTIONS } from "../src/domain/audit.ts";
import { noteActedFor, recordAudit } from "../src/service/audit.ts";
import { deleteConversation } from "../src/service/conversations.ts";
import { exportEverything, exportPerson } from "../src/service/export.ts";
import { deleteMessage } from "../src/service/messages.ts";
import { resolveUser } from "../src/service/users.ts";
import { authenticatedOn, bearer, startAuthenticated } from "./authenticated-services.ts";
import { expectProblem } from "./problem.ts";
import { type Services, test } from "./services.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";
const ADMIN = "admin@example.com";
const BY_ADA = { actor: { user: ADA }, actor_key_id: null, subject: { user: ADA } };

/** One database with a service whose admin reads the log. */
async function start() {
  const authenticated = await startAuthenticated();
  const { secret } = await authenticated.newKey(ADMIN, { scope: "admin" });
  const audit = async (query = ""): Promise<Record<string, unknown>[]> => {
    const { status, json, text } = await authenticated.send("GET", `/api/audit${query}`, bearer(secret));
    expect(status, text).toBe(200);
    return json.entries;
  };
  return { ...authenticated, admin: bearer(secret), audit };
}

async function seed({ conversations }: Services, user: string, id = "c"): Promise<void> {
  await conversations.createConversation(user, { id, title: "a secret title" });
  await conversations.saveMessage(user, id, { id: "m", role: "user", content: "a secret text" });
}

/** Everything in a table, as text. */
async function rowsOf({ deps }: Services, table: string): Promise<string> {
  const { rows } = await deps.db.pool.query(`select t::text as row from ${table} as t`);
  return rows.map(({ row }) => row).join("\n");
}

test("what people delete and export is written down with who did it, and nothing that was said", async () => {
  const { services, audit } = await start();
  const { conversations } = services;
  for (const id of ["c", "d"]) await seed(services, ADA, id);
  await conversations.deleteMessage(ADA, "c", "m");
  await conversations.exportConversation(ADA, "c");
  await conversations.deleteConversation(ADA, "c");
  await conversations.deleteConversation(ADA, "c", { permanent: true });
  await conversations.exportUser(ADA);
  await exportEverything(services.deps, { actor: null });

  const entries = await audit();
  expect(entries.map(({ id: _, at: __, ...entry }) => entry)).toEqual([
    { action: "everything_exported", actor: null, actor_key_id: null, subject: null, conversation_id: null },
    { action: "person_exported", ...BY_ADA, conversation_id: null },
    { action: "conversation_deleted", ...BY_ADA, conversation_id: "c" },
    { action: "conversation_trashed", ...BY_ADA, conversation_id: "c" },
    { action: "conversation_exported", ...BY_ADA, conversation_id: "c" },
    { action: "message_deleted", ...BY_ADA, conversation_id: "c" },
  ]);
  expect(JSON.stringify(entries)).not.toContain("secret");
});

test("what is not done is not written down", async () => {
  const { services, audit } = await start();
  const { conversations } = services;
  await seed(services, ADA);
  for (const deed of [
    () => conversations.deleteConversation(BOB, "c"),
    () => conversations.deleteConversation(ADA, "nowhere", { permanent: true }),
    () => conversations.deleteMessage(ADA, "c", "nowhere"),
    () => conversations.exportConversation(BOB, "c"),
  ]) {
    await expect(deed()).rejects.toThrow(/no such/);
  }
  expect(await audit()).toEqual([]);
});

test("a deed that cannot be written down is not done", async ({ services }) => {
  await seed(services, ADA);
  const at = { userId: await resolveUser(services.deps, ADA), conversationId: "c" };
  await services.deps.db.pool.query("alter table audit_log rename to audit_log_elsewhere");
  for (const deed of [
    () => deleteConversation(services.deps, at, { actor: null }),
    () => deleteConversation(services.deps, at, { actor: null, permanent: true }),
    () => deleteMessage(services.deps, at, { messageId: "m", actor: null }),
    () => exportPerson(services.deps, at.userId, { actor: null }),
    () => exportEverything(services.deps, { actor: null }),
  ]) {
    await expect(deed()).rejects.toThrow(/audit_log/);
  }
  for (const path of ["/api/conversations/c/export", "/api/me/export"]) {
    const answer = await services.call(ADA, "GET", path);
    expectProblem(answer, "internal");
    expect(answer.text).not.toContain("secret");
  }
  const { messages } = await services.conversations.getRecentMessages(ADA, "c");
  expect(messages.map(({ content }) => content)).toEqual(["a secret text"]);
});

test("who acts for somebody is written down once a key, person and day, on two servers at once", async () => {
  const first = await start();
  const second = await authenticatedOn(first.services.databaseUrl);
  const keys = await Promise.all(["one", "two"].map((user) => first.newKey(user, { scope: "admin" })));
  const calls = keys.flatMap(({ secret }) =>
    [ADA, BOB].flatMap((user) =>
      [first, second, first, second].map(({ send }) =>
        send("GET", "/api/conversations", { "x-api-key": secret, "x-backscroll-user": user }),
      ),
    ),
  );
  for (const { status, text } of await Promise.all(calls)) expect(status, text).toBe(200);

  const seen = (await first.audit("?action=acted_for")).map(({ actor_key_id, subject, actor }) =>
    JSON.stringify([actor_key_id, actor, subject]),
  );
  const expected = keys.flatMap(({ id }, index) =>
    [ADA, BOB].map((user) => JSON.stringify([id, { user: ["one", "two"][index] }, { user }])),
  );
  expect(seen.toSorted()).toEqual(expected.toSorted());
});

test("a server whose clock is ahead at midnight writes down both days", async ({ services }) => {
  const { deps } = services;
  const [backend, ada] = [await resolveUser(deps, ADMIN), await resolveUser(deps, ADA)];
  const actFor = (): Promise<void> => noteActedFor(deps, { userId: backend, keyId: null }, ada);
  onTestFinished(() => void vi.useRealTimers());
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 86_400_000 });
  await actFor();
  // Now it is that day for PostgreSQL, too.
  await deps.db.pool.query(`
    alter table audit_log disable trigger user;
    update audit_log set at = at - interval '1 day';
    alter table audit_log enable trigger user`);
  await actFor();
  const { rows } = await deps.db.pool.query("select count(distinct at::date)::int as days from audit_log");
  expect(rows).toEqual([{ days: 2 }]);
});

test("a key that acts for its own owner acts for nobody else", async () => {
  const { send, admin, audit } = await start();
  expect((await send("GET", "/api/me", { ...admin, "x-backscroll-user": ADMIN })).status).toBe(200);
  expect(await audit()).toEqual([]);
});

test("who cannot be written down to act for somebody does not act for them", async () => {
  const { services, send, admin } = await start();
  await seed(services, ADA);
  await services.deps.db.pool.query("alter table audit_log rename to audit_log_elsewhere");
  const answer = await send("GET", "/api/conversations/c/messages", { ...admin, "x-backscroll-user": ADA });
  expectProblem(answer, "internal");
});

test("what a backend does for somebody names the backend, its key and them", async () => {
  const { services, newKey, send, audit } = await start();
  const { id, secret } = await newKey(BOB, { scope: "admin" });
  await seed(services, ADA);
  const headers = { "x-api-key": secret, "x-backscroll-user": ADA };
  expect((await send("DELETE", "/api/conversations/c", headers)).status).toBe(200);
  expect(await audit("?action=conversation_trashed")).toMatchObject([
    { actor: { user: BOB }, actor_key_id: id, subject: { user: ADA }, conversation_id: "c" },
  ]);
});

test("once somebody is gone, nothing left in the database tells that the entries were theirs", async () => {
  const { services, audit } = await start();
  // An app may make its ids of an address.
  await seed(services, ADA, "chat-of-ada.example.com");
  await services.conversations.deleteConversation(ADA, "chat-of-ada.example.com", { permanent: true });
  const before = await rowsOf(services, "audit_log");
  const userId = await resolveUser(services.deps, ADA);
  await services.deps.db.pool.query("delete from users where id = $1", [userId]);

  expect(await rowsOf(services, "audit_log")).toBe(before);
  expect(before).not.toMatch(/chat-of|6368617/); // "cha" in hexadecimal
  expect(await rowsOf(services, "audit_persons")).toBe("");
  expect(await audit()).toMatchObject([
    { action: "conversation_deleted", actor: { user: null }, subject: { user: null }, conversation_id: null },
  ]);
  expect(await audit(`?user=${ADA}`)).toEqual([]);
});

test("somebody of the same name who comes later is somebody else", async () => {
  const { services, audit } = await start();
  await seed(services, ADA);
  await services.conversations.deleteConversation(ADA, "c");
  await services.deps.db.pool.query("delete from users where subject = $1", [ADA]);
  services.deps.userIds.clear();
  await seed(services, ADA);
  await services.conversations.deleteConversation(ADA, "c");

  expect((await audit()).map(({ subject }) => subject)).toEqual([{ user: ADA }, { user: null }]);
  expect(await audit(`?user=${ADA}`)).toHaveLength(1);
});

test("the log is read in pages, newest first, by person and by what was done", async () => {
  const { services, send, admin, audit } = await start();
  const [ada, bob] = await Promise.all([ADA, BOB].map((user) => resolveUser(services.deps, user)));
  const [adaId, bobId] = [ada as number, bob as number];
  for (let i = 0; i < 7; i += 1) {
    const [actor, subjectId] = i % 3 === 0 ? [adaId, bobId] : [bobId, i % 3 === 1 ? bobId : adaId];
    const action = i < 4 ? "conversation_trashed" : "conversation_exported";
    await recordAudit(services.deps.db, { action, actor: { userId: actor, keyId: null }, subjectId });
  }
  const all = await audit();
  expect(all.map(({ id }) => Number(id))).toEqual(all.map(({ id }) => Number(id)).toSorted((a, b) => b - a));
  expect(all).toHaveLength(7);

  const paged: unknown[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const { json } = await send("GET", `/api/audit?limit=2${cursor && `&cursor=${cursor}`}`, admin);
    expect(json.entries.length).toBeLessThanOrEqual(2);
    paged.push(...json.entries);
    cursor = json.next_cursor;
  }
  expect(paged).toEqual(all);
  const ofAda = all.filter((entry) => JSON.stringify(entry).includes(ADA));
  expect(ofAda.length).toBeLessThan(all.length);
  expect(await audit(`?user=${ADA}`)).toEqual(ofAda);
  expect(await audit(`?user=${ADA}&action=conversation_exported`)).toEqual(
    ofAda.filter(({ action }) => action === "conversation_exported"),
  );
  expect(await audit("?user=nobody")).toEqual([]);
});

test("the log is for admins, and its parameters are checked", async () => {
  const { newKey, send, admin } = await start();
  const { secret } = await newKey(ADA);
  expectProblem(await send("GET", "/api/audit", bearer(secret)), "forbidden");
  for (const query of ["?limit=0", "?limit=201", "?action=looked", "?user=%00", "?of=x"]) {
    expectProblem(await send("GET", `/api/audit${query}`, admin), "invalid_request");
  }
  expectProblem(await send("GET", "/api/audit?cursor=bTE", admin), "invalid_cursor");
});

test("the table takes rows, and gives none up: not to its owner either", async ({ services }) => {
  const { pool } = services.deps.db;
  await recordAudit(services.deps.db, { action: "everything_exported", actor: null, subjectId: null });
  const before = await rowsOf(services, "audit_log");
  for (const sql of [
    "update audit_log set action = 'acted_for'",
    "delete from audit_log",
    "truncate audit_log",
    "insert into audit_log (id, action) overriding system value values (1, 'acted_for') on conflict (id) do update set at = now()",
  ]) {
    await expect(pool.query(sql), sql).rejects.toThrow("append-only");
  }
  expect(await rowsOf(services, "audit_log")).toBe(before);
});

test("the table takes every action that the service may write, and no other", async ({ services }) => {
  for (const action of AUDIT_ACTIONS) await recordAudit(services.deps.db, { action, actor: null, subjectId: null });
  const other = services.deps.db.pool.query("insert into audit_log (action) values ('looked')");
  await expect(other).rejects.toThrow("audit_log_action_check");
});

test("two transactions that write of the same two people for the first time wait for each other, and both commit", async ({
  services,
}) => {
  const { deps } = services;
  const [ada, bob] = await Promise.all([ADA, BOB].map((user) => resolveUser(deps, user)));
  const record = (actor: number, subjectId: number): Promise<string> =>
    deps.db.transaction((db) =>
      recordAudit(db, { action: "person_exported", actor: { userId: actor, keyId: null }, subjectId }),
    );
  await Promise.all(
    Array.from({ length: 10 }, (_, i) =>
      i % 2 ? record(ada as number, bob as number) : record(bob as number, ada as number),
    ),
  );
  const { rows } = await deps.db.pool.query<{ persons: string; entries: string }>(
    "select (select count(*) from audit_persons) as persons, (select count(*) from audit_log) as entries",
  );
  expect(rows).toEqual([{ persons: "2", entries: "10" }]);
});

test("an owner of the tables keeps a role that only writes from changing the log", async ({ services }) => {
  // As docs/security.md advises it.
  const client = new pg.Client({ connectionString: services.databaseUrl });
  await client.connect();
  try {
    await client.query("begin");
    const role = `writer_${process.pid}_${Date.now().toString(36)}`;
    const { rows } = await client.query<{ schema: string }>("select current_schema() as schema");
    await client.query(`create role ${role}`);
    await client.query(`grant usage on schema ${rows[0]?.schema} to ${role}`);
    await client.query(`grant select, insert on audit_log to ${role}`);
    await client.query(`set local role ${role}`);
    await client.query("insert into audit_log (action) values ('everything_exported')");
    await client.query("savepoint before");
    await expect(client.query("alter table audit_log disable trigger all")).rejects.toThrow("must be owner");
    await client.query("rollback to before");
    await expect(client.query("delete from audit_log")).rejects.toThrow("permission denied");
  } finally {
    await client.query("rollback");
    await client.end();
  }
});
