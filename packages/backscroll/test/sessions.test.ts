import { expect } from "vitest";
import { DEFAULT_TITLE } from "../src/domain/conversation.ts";
import { cachedAs } from "../src/domain/session.ts";
import { forgetExpiredSessions, getSession } from "../src/service/sessions.ts";
import { resolveUser } from "../src/service/users.ts";
import { expectProblem } from "./problem.ts";
import { type Answer, type Services, test } from "./services.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";
const DAY_MS = 86_400_000;

function put(services: Services, body: unknown, { user = ADA, id = "s" } = {}): Promise<Answer> {
  return services.call(user, "PUT", `/api/sessions/${id}`, body);
}

function get(services: Services, { user = ADA, id = "s" } = {}): Promise<Answer> {
  return services.call(user, "GET", `/api/sessions/${id}`);
}

async function create(services: Services, id: string, user = ADA): Promise<void> {
  expect((await services.call(user, "POST", "/api/conversations", { id })).status).toBe(201);
}

/** Moves every session's times so far into the past, past Backscroll: it is not told. */
async function age(services: Services, ms: number): Promise<void> {
  await services.deps.db.pool.query(
    `update sessions set created_at = created_at - $1 * interval '1 ms', updated_at = updated_at - $1 * interval '1 ms',
            expires_at = expires_at - $1 * interval '1 ms', version = version + 1`,
    [ms],
  );
  // Whoever writes with psql has to wait for the audit.
  const userId = await resolveUser(services.deps, ADA);
  const { rows } = await services.deps.db.pool.query<{ id: string }>("select id from sessions");
  for (const { id } of rows) await services.deps.cache.changed(cachedAs({ userId, id }));
}

test("a session is put, read and deleted; its conversation stays", async ({ services }) => {
  await create(services, "c");
  const made = await put(services, { conversation_id: "c", context: { theme: "dark", nested: [1, null] } });
  expect(made.status).toBe(201);
  expect(made.json).toEqual({
    session_id: "s",
    conversation_id: "c",
    context: { theme: "dark", nested: [1, null] },
    created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    updated_at: made.json.created_at,
    expires_at: expect.any(String),
  });
  expect(Date.parse(made.json.expires_at) - Date.parse(made.json.created_at)).toBe(30 * DAY_MS);
  expect((await get(services)).json).toEqual(made.json);
  expect((await get(services)).json).toEqual(made.json);

  const deleted = await services.call(ADA, "DELETE", "/api/sessions/s");
  expect([deleted.status, deleted.json]).toEqual([200, { message: "Session deleted successfully" }]);
  expectProblem(await get(services), "session_not_found");
  expectProblem(await services.call(ADA, "DELETE", "/api/sessions/s"), "session_not_found");
  expect((await services.call(ADA, "GET", "/api/conversations/c")).status).toBe(200);
});

test("a session that is put again is in the other conversation, with the other context", async ({ services }) => {
  await create(services, "c");
  await create(services, "d");
  const first = await put(services, { conversation_id: "c", context: { a: 1 } });
  await age(services, 1_000);
  const second = await put(services, { conversation_id: "d" });
  expect(second.status).toBe(200);
  expect(second.json).toMatchObject({ conversation_id: "d", context: {} });
  expect(Date.parse(second.json.created_at)).toBe(Date.parse(first.json.created_at) - 1_000);
  expect(Date.parse(second.json.updated_at)).toBeGreaterThanOrEqual(Date.parse(first.json.updated_at));
  expect((await get(services)).json).toEqual(second.json);
});

test.for([
  ["no conversation", {}],
  ["a conversation that is no id", { conversation_id: "a b" }],
  ["an unknown field", { conversation_id: "c", ttl: 1 }],
  ["a context that is no object", { conversation_id: "c", context: [1] }],
  ["a context that PostgreSQL cannot keep", { conversation_id: "c", context: { a: "\u0000" } }],
  ["a context that is too large", { conversation_id: "c", context: { a: "x".repeat(262_144) } }],
] as const)("%s is refused", async ([, body], { services }) => {
  await create(services, "c");
  expectProblem(await put(services, body), "invalid_request");
  expectProblem(await get(services), "session_not_found");
});

test("keys of a context are set and removed, the others stay, and the conversation too", async ({ services }) => {
  await create(services, "c");
  const { json: made } = await put(services, { conversation_id: "c", context: { a: 1, b: 2, n: { x: 1 } } });
  const changed = await services.call(ADA, "PATCH", "/api/sessions/s", {
    context: { b: null, n: { y: 2 } },
    remove: ["a"],
  });
  expect(changed.status).toBe(200);
  expect(changed.json).toMatchObject({ conversation_id: "c", context: { b: null, n: { y: 2 } } });
  expect(changed.json.created_at).toBe(made.created_at);
  expect((await get(services)).json).toEqual(changed.json);
});

test("changes of a context at once lose none of each other's keys", async ({ services }) => {
  await create(services, "c");
  await put(services, { conversation_id: "c" });
  const keys = Array.from({ length: 20 }, (_, i) => [`k${i}`, i] as const);
  const changes = keys.map(([key, i]) => services.call(ADA, "PATCH", "/api/sessions/s", { context: { [key]: i } }));
  for (const { status } of await Promise.all(changes)) expect(status).toBe(200);
  expect((await get(services)).json.context).toEqual(Object.fromEntries(keys));
});

test.for([
  ["nothing", {}],
  ["an unknown field", { context: {}, conversation_id: "c" }],
  ["a context that is no object", { context: [1] }],
  ["a context that PostgreSQL cannot keep", { context: { a: "\u0000" } }],
  ["more than a context holds, with what is there", { context: { more: "x".repeat(130_000) } }],
  ["a key that is no text", { remove: [1] }],
  ["too many keys", { remove: Array(1_001).fill("a") }],
] as const)("a change of a context by %s is refused, and changes nothing", async ([, body], { services }) => {
  await create(services, "c");
  const { json } = await put(services, { conversation_id: "c", context: { much: "x".repeat(140_000) } });
  expectProblem(await services.call(ADA, "PATCH", "/api/sessions/s", body), "invalid_request");
  expect((await get(services)).json).toEqual(json);
});

test("a context is changed only of a session that is there", async ({ services }) => {
  const change = (): Promise<Answer> => services.call(ADA, "PATCH", "/api/sessions/s", { context: { a: 1 } });
  expectProblem(await change(), "session_not_found");
  await create(services, "c");
  await put(services, { conversation_id: "c" });
  expectProblem(await services.call(BOB, "PATCH", "/api/sessions/s", { context: { a: 1 } }), "session_not_found");
  await services.call(ADA, "DELETE", "/api/conversations/c");
  expectProblem(await change(), "session_not_found");
  await services.call(ADA, "POST", "/api/conversations/c/restore");
  await age(services, 30 * DAY_MS + 1);
  expectProblem(await change(), "session_not_found");
});

test("a session whose context is changed lives on", async ({ services }) => {
  await create(services, "c");
  await put(services, { conversation_id: "c" });
  await age(services, 29 * DAY_MS);
  const { json } = await services.call(ADA, "PATCH", "/api/sessions/s", { remove: ["\u0000"] });
  expect(Date.parse(json.expires_at) - Date.now()).toBeGreaterThan(29.9 * DAY_MS);
});

test("a session's id is an id like every other", async ({ services }) => {
  await create(services, "c");
  const longest = `A-z_0.:${"x".repeat(121)}`;
  expect((await put(services, { conversation_id: "c" }, { id: longest })).json.session_id).toBe(longest);
  expect((await get(services, { id: longest })).status).toBe(200);
  for (const id of [`${longest}x`, "a%20b", "a%2Fb", "%7Bs%7D"]) {
    expectProblem(await put(services, { conversation_id: "c" }, { id }), "invalid_request");
    expectProblem(await get(services, { id }), "invalid_request");
  }
});

test("a session can only be put into a conversation of one's own that is there", async ({ services }) => {
  await create(services, "c");
  const { conversationId: theirs } = await services.newConversation(BOB);
  await services.call(ADA, "POST", "/api/conversations", { id: "trashed" });
  await services.call(ADA, "DELETE", "/api/conversations/trashed");
  await put(services, { conversation_id: "c" });
  for (const id of [theirs, "trashed", "never-there"]) {
    expectProblem(await put(services, { conversation_id: id }), "conversation_not_found");
    expectProblem(await put(services, { conversation_id: id }, { id: "other" }), "conversation_not_found");
  }
  expect((await get(services)).json.conversation_id).toBe("c");
  expectProblem(await get(services, { id: "other" }), "session_not_found");
});

test("two people's sessions of one name never meet, cached or not", async ({ services }) => {
  for (const user of [ADA, BOB]) {
    await create(services, "c", user);
    await put(services, { conversation_id: "c", context: { of: user } }, { user });
  }
  for (const user of [ADA, BOB, ADA, BOB]) expect((await get(services, { user })).json.context).toEqual({ of: user });
  await put(services, { conversation_id: "c" }, { id: "of-ada" });
  await expect.poll(async () => (await get(services, { id: "of-ada" })).headers.get("x-backscroll-cache")).toBe("hit");
  const [theirs, missing] = [
    await get(services, { user: BOB, id: "of-ada" }),
    await get(services, { user: BOB, id: "none" }),
  ];
  expectProblem(theirs, "session_not_found");
  expect({ ...theirs.json, request_id: "" }).toEqual({ ...missing.json, request_id: "" });
  expectProblem(await services.call(BOB, "DELETE", "/api/sessions/of-ada"), "session_not_found");
  expect((await get(services, { id: "of-ada" })).status).toBe(200);
});

test("a session is not there while its conversation is in the trash, and gone with it for good", async ({
  services,
}) => {
  await create(services, "c");
  const { json: made } = await put(services, { conversation_id: "c" });
  await get(services);
  await services.call(ADA, "DELETE", "/api/conversations/c");
  expectProblem(await get(services), "session_not_found");
  await services.call(ADA, "POST", "/api/conversations/c/restore");
  expect((await get(services)).json).toEqual(made);
  await services.call(ADA, "DELETE", "/api/conversations/c?permanent=true");
  expectProblem(await get(services), "session_not_found");
  expect((await services.deps.db.pool.query("select from sessions")).rowCount).toBe(0);
});

test("erasing a conversation takes as many sessions with it as it has", async ({ services }) => {
  await create(services, "c");
  await put(services, { conversation_id: "c" });
  await services.deps.db.pool.query(`
    insert into sessions (user_id, session_id, id, conversation_id, expires_at)
    select user_id, 'more-' || n, gen_random_uuid(), conversation_id, expires_at from sessions, generate_series(1, 250) n`);
  await services.call(ADA, "DELETE", "/api/conversations/c?permanent=true");
  expect((await services.deps.db.pool.query("select from sessions")).rowCount).toBe(0);
});

test("a session that has expired is not there, and what is put in its name is a new one", async ({ services }) => {
  await create(services, "c");
  const { json: first } = await put(services, { conversation_id: "c", context: { a: 1 } });
  await age(services, 30 * DAY_MS + 1);
  expectProblem(await get(services), "session_not_found");
  expectProblem(await get(services), "session_not_found"); // from the cache
  const again = await put(services, { conversation_id: "c" });
  expect(again.status).toBe(201);
  expect(again.json.created_at).toBe(again.json.updated_at);
  expect(Date.parse(again.json.created_at)).toBeGreaterThanOrEqual(Date.parse(first.created_at));
  await age(services, 30 * DAY_MS + 1);
  expectProblem(await services.call(ADA, "DELETE", "/api/sessions/s"), "session_not_found");
});

test("a session that is used lives on, and is written at most once a day for that", async ({ services }) => {
  await create(services, "c");
  await put(services, { conversation_id: "c", context: { a: 1 } });
  const versionOf = async (): Promise<string> =>
    (await services.deps.db.pool.query<{ version: string }>("select version from sessions")).rows[0]?.version ?? "";
  const written = await versionOf();
  for (let i = 0; i < 3; i += 1) await get(services);
  expect(await versionOf()).toBe(written);

  await age(services, 29 * DAY_MS);
  const aged = await versionOf();
  const kept = await get(services);
  expect(kept.json).toMatchObject({ conversation_id: "c", context: { a: 1 } });
  expect(Date.parse(kept.json.expires_at) - Date.now()).toBeGreaterThan(29.9 * DAY_MS);
  expect(Date.parse(kept.json.expires_at) - Date.parse(kept.json.updated_at)).toBeGreaterThan(58 * DAY_MS);
  expect(Number(await versionOf())).toBe(Number(aged) + 1);
  for (let i = 0; i < 3; i += 1) expect((await get(services)).json).toEqual(kept.json);
  expect(Number(await versionOf())).toBe(Number(aged) + 1);
});

test("many who use a session at once keep it once", async ({ services }) => {
  await create(services, "c");
  await put(services, { conversation_id: "c" });
  await age(services, 29 * DAY_MS);
  const { rows: before } = await services.deps.db.pool.query("select version from sessions");
  const answers = await Promise.all(Array.from({ length: 10 }, () => get(services)));
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
  const { rows: after } = await services.deps.db.pool.query("select version from sessions");
  expect(Number(after[0].version)).toBe(Number(before[0].version) + 1);
});

test("sessions that have expired are deleted in batches, the others stay", async ({ services }) => {
  await create(services, "c");
  await put(services, { conversation_id: "c" });
  await services.deps.db.pool.query(`
    insert into sessions (user_id, session_id, id, conversation_id, expires_at)
    select user_id, 'old-' || n, gen_random_uuid(), conversation_id, now() - n * interval '1 s'
      from sessions, generate_series(1, 350) n`);
  await Promise.all([forgetExpiredSessions(services.deps), forgetExpiredSessions(services.deps)]);
  const { rows } = await services.deps.db.pool.query("select session_id from sessions");
  expect(rows).toEqual([{ session_id: "s" }]);
  expect((await get(services)).status).toBe(200);
});

test("the library has the same sessions", async ({ services }) => {
  const { conversations, deps } = services;
  const { id } = await conversations.createConversation(ADA);
  const put = await conversations.putSession(ADA, "s", { conversationId: id, context: { a: 1 } });
  expect(put).toMatchObject({ id: "s", conversationId: id, context: { a: 1 } });
  expect(await conversations.getSession(ADA, "s")).toEqual(put);
  await expect(conversations.getSession(BOB, "s")).rejects.toMatchObject({ code: "session_not_found" });
  for (const sessionId of ["", "\u0000", "x".repeat(321)]) {
    await expect(conversations.getSession(ADA, sessionId)).rejects.toMatchObject({ code: "invalid_request" });
  }
  await expect(conversations.getSession(ADA, "")).rejects.toMatchObject({ code: "invalid_request" });
  const turn = await conversations.sendMessage(ADA, { message: "hello", sessionId: "s" });
  expect(turn.conversationId).toBe(id);
  const streamed = await conversations.streamMessage(ADA, { message: "hello", sessionId: "new" });
  await streamed.finished();
  expect(await conversations.getSession(ADA, "new")).toMatchObject({ conversationId: streamed.conversationId });
  // Beside the reply, as in every conversation that nobody has named.
  await expect
    .poll(async () => (await conversations.getConversation(ADA, streamed.conversationId)).title)
    .not.toBe(DEFAULT_TITLE);
  await conversations.deleteSession(ADA, "s");
  const at = { userId: await resolveUser(deps, ADA), sessionId: "s" };
  await expect(getSession(deps, at)).rejects.toMatchObject({ code: "session_not_found" });
});

test("appending by a session's id begins the session; one message or many, with any idempotency key", async ({
  services,
}) => {
  const append = (body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
    services.call(ADA, "POST", "/api/sessions/s/messages", body, headers);
  const one = await append({ id: "m1", role: "user", content: "A hotel in Rome" });
  expect([one.status, one.json.id]).toEqual([201, "m1"]);
  expect((await append({ id: "m1", role: "user", content: "A hotel in Rome" })).status).toBe(200);
  expectProblem(await append({ id: "m1", role: "user", content: "A hotel in Bari" }), "message_id_conflict");
  expectProblem(await append({ role: "stranger", content: "Hello" }), "invalid_request");

  const many = {
    messages: [
      { role: "assistant", content: "Where?" },
      { role: "user", content: "At the sea" },
    ],
  };
  const keyed = await append(many, { "idempotency-key": "k" });
  expect(keyed.status).toBe(201);
  expect((await append(many, { "idempotency-key": "k" })).json).toEqual(keyed.json);

  const { conversation_id: id } = (await get(services)).json;
  expect(one.json.conversation_id).toBe(id);
  const { messages } = (await services.call(ADA, "GET", `/api/conversations/${id}/messages`)).json;
  expect(messages.map(({ content }: { content: string }) => content)).toEqual([
    "At the sea",
    "Where?",
    "A hotel in Rome",
  ]);
  expect((await services.call(ADA, "GET", `/api/conversations/${id}`)).json.title).toBe("A hotel in Rome");
});

test("appending to a session whose conversation is gone begins a new one", async ({ services }) => {
  const append = (): Promise<Answer> =>
    services.call(ADA, "POST", "/api/sessions/s/messages", { role: "user", content: "Hello" });
  const before = (await append()).json.conversation_id;
  await services.call(ADA, "DELETE", `/api/conversations/${before}`);
  const after = (await append()).json.conversation_id;
  expect(after).not.toBe(before);
  expect((await get(services)).json.conversation_id).toBe(after);
});

test("sessions are listed in the order of their ids, one's own and those that have not expired", async ({
  services,
}) => {
  await create(services, "c");
  await create(services, "c", BOB);
  await put(services, { conversation_id: "c" }, { id: "old" });
  await age(services, 31 * DAY_MS);
  for (const id of ["b", "a", "c"]) await put(services, { conversation_id: "c", context: { id } }, { id });
  await put(services, { conversation_id: "c" }, { user: BOB, id: "bobs" });
  const list = (query = ""): Promise<Answer> => services.call(ADA, "GET", `/api/sessions${query}`);

  const all = (await list()).json;
  expect(all.pagination).toEqual({ limit: 50, has_next: false, next_cursor: null });
  expect(all.sessions).toEqual([
    (await get(services, { id: "a" })).json,
    (await get(services, { id: "b" })).json,
    (await get(services, { id: "c" })).json,
  ]);
  const first = (await list("?limit=2")).json;
  const second = (await list(`?limit=2&cursor=${first.pagination.next_cursor}`)).json;
  expect([...first.sessions, ...second.sessions]).toEqual(all.sessions);
  expect((await list("?limit=3")).json.pagination.next_cursor).toBeNull();
  expectProblem(await list("?cursor=bm9uZQ"), "invalid_cursor");
  expectProblem(await list("?limit=201"), "invalid_request");
});

test("a page of sessions with large contexts ends early, and the next ones have the rest", async ({ services }) => {
  await create(services, "c");
  const ids = Array.from({ length: 40 }, (_, i) => `s${String(i).padStart(2, "0")}`);
  const context = { notes: "x".repeat(262_000) };
  for (const id of ids) await put(services, { conversation_id: "c", context }, { id });
  const listed: string[] = [];
  const sizes: number[] = [];
  for (let cursor: string | null = null, more = true; more;) {
    const query: string = cursor === null ? "" : `&cursor=${cursor}`;
    const { json, text } = await services.call(ADA, "GET", `/api/sessions?limit=200${query}`);
    expect(text.length).toBeLessThan(4_194_304 + 300_000);
    listed.push(...json.sessions.map((session: { session_id: string }) => session.session_id));
    sizes.push(json.sessions.length);
    ({ next_cursor: cursor, has_next: more } = json.pagination);
  }
  expect(listed).toEqual(ids);
  expect(sizes).toEqual([16, 16, 8]);
  expect((await services.call(ADA, "GET", "/api/sessions?limit=3")).json.pagination.has_next).toBe(true);
  const inProcess = await services.conversations.listSessions(ADA, { limit: 200 });
  expect(inProcess.map(({ id }) => id)).toEqual(ids);
});
