import { expect } from "vitest";
import type { GuideError } from "../src/service/guide-run.ts";
import { ADA, at, cuid, guideTables, idsIn, imported, runImport, shown } from "./import-guide-fixture.ts";
import { test } from "./services.ts";

const BOB = "bob@example.com";
const byDetail = (a: GuideError, b: GuideError): number => (a.detail < b.detail ? -1 : 1);
const UUID = "9f1c3b1e-54f4-4b43-9d0e-6d5c9c2a7f10";

test("conversations and messages come over whole, with their owners, ids, times and numbers", async ({ services }) => {
  const guide = await guideTables();
  const [trip, question, answer] = [cuid(at(0), 0), cuid(at(1), 1), cuid(at(2, 123), 2)];
  await guide.conversation(
    trip,
    [
      { id: question, role: "user", content: "Where to eat? 🍝\r\n\t", created_at: at(1) },
      { id: answer, role: "assistant", content: "", tokens_used: 0, latency_ms: 812, created_at: at(2, 123) },
    ],
    { title: "Trip", created_at: at(0), updated_at: at(9) },
  );
  await guide.conversation(UUID, [{ id: "8f1c3b1e-54f4-4b43-9d0e-6d5c9c2a7f10" }], { user_email: BOB });
  await guide.conversation("empty", [], { title: "Nothing yet" });
  expect(await imported(services, guide)).toMatchObject({
    conversationsCreated: 3,
    messagesSaved: 3,
    conversationsVerified: 3,
    messagesVerified: 3,
    messagesMoved: 0,
    ties: { id_time: 0, roles: 0, id: 0 },
  });
  expect(await shown(services, trip)).toEqual([
    expect.objectContaining({
      id: question,
      seq: 1,
      role: "user",
      content: "Where to eat? 🍝\r\n\t",
      created_at: at(1),
    }),
    expect.objectContaining({
      id: answer,
      seq: 2,
      role: "assistant",
      content: "",
      created_at: at(2, 123),
      tokens_used: 0,
      latency_ms: 812,
      metadata: null,
    }),
  ]);
  const { json } = await services.call(ADA, "GET", `/api/conversations/${trip}`);
  expect(json).toMatchObject({ title: "Trip", created_at: at(0), updated_at: at(2, 123), message_count: 2 });
  expect(json.metadata).toEqual({
    guide: { source: expect.stringMatching(/^[0-9a-f]{16}$/), updated_at_ms: Date.parse(at(9)) },
  });
  expect(await idsIn(services, UUID, BOB)).toEqual(["8f1c3b1e-54f4-4b43-9d0e-6d5c9c2a7f10"]);
  expect((await services.call(ADA, "GET", `/api/conversations/${UUID}`)).status).toBe(404);
  const { rows } = await services.deps.db.pool.query("select id from conversations where client_id is null");
  expect(rows).toEqual([{ id: UUID }]);
});

test("old ids go on working: what was cached is read anew, and the next message comes after the old ones", async ({
  services,
}) => {
  const guide = await guideTables();
  const id = cuid(at(0), 0);
  await guide.conversation(id, [{ id: cuid(at(1), 1), created_at: at(1) }]);
  await imported(services, guide);
  const recent = async (): Promise<string[]> =>
    (await services.call(ADA, "GET", `/api/conversations/${id}/messages`)).json.messages.map(
      (message: { id: string }) => message.id,
    );
  expect(await recent()).toEqual([cuid(at(1), 1)]);
  await guide.messages(id, [{ id: cuid(at(2), 2), created_at: at(2) }]);
  await imported(services, guide);
  expect(await recent()).toEqual([cuid(at(2), 2), cuid(at(1), 1)]);
  const saved = await services.call(ADA, "POST", `/api/conversations/${id}/messages`, {
    id: "new",
    role: "user",
    content: "x",
  });
  expect(saved.status).toBe(201);
  expect(await recent()).toEqual(["new", cuid(at(2), 2), cuid(at(1), 1)]);
});

test("messages of one time are put in order, and the result says by what", async ({ services }) => {
  const guide = await guideTables();
  const same = { created_at: at(5) };
  const counted = [12, 10, 11].map((count) => ({ id: cuid(at(5), count), role: "assistant", ...same }));
  await guide.conversation("counted", counted);
  await guide.conversation("spoken", [
    { id: "a", role: "assistant", ...same },
    { id: "b", role: "user", ...same },
    { id: "0", role: "user", created_at: at(4) },
    { id: "1", role: "assistant", created_at: at(4, 1) },
  ]);
  await guide.conversation(
    "untold",
    [
      { id: "b", ...same },
      { id: "a", ...same },
    ].map((row) => ({ ...row, id: `untold-${row.id}` })),
  );
  const { ties } = await imported(services, guide);
  expect(ties).toEqual({ id_time: 3, roles: 2, id: 2 });
  expect(await idsIn(services, "counted")).toEqual([10, 11, 12].map((count) => cuid(at(5), count)));
  expect(await idsIn(services, "spoken")).toEqual(["0", "1", "b", "a"]);
  expect(await idsIn(services, "untold")).toEqual(["untold-a", "untold-b"]);
});

test("a conversation of 5,000 messages, five a millisecond, comes over in order, and so does a long one with one time", async ({
  services,
}) => {
  const guide = await guideTables();
  const id = (n: number): string => cuid(Date.parse(at(0)) + Math.floor(n / 5), n);
  await guide.conversation("long");
  const rows = Array.from({ length: 5_000 }, (_, n) => ({
    id: id(n),
    role: n % 2 === 0 ? "user" : "assistant",
    content: "x".repeat(n % 10 === 0 ? 20_000 : 10),
    created_at: new Date(Date.parse(at(0)) + Math.floor(n / 5)).toISOString(),
  }));
  await guide.messages(
    "long",
    rows.toSorted((a, b) => (a.content + a.id < b.content + b.id ? -1 : 1)),
  );
  await guide.conversation(
    "at-once",
    Array.from({ length: 2_500 }, (_, n) => ({ id: cuid(at(0), n, "oooo"), created_at: at(0) })),
  );
  const result = await imported(services, guide);
  expect(result).toMatchObject({ messagesSaved: 7_500, messagesVerified: 7_500, ties: { id_time: 7_500 } });
  const { rows: stored } = await services.deps.db.pool.query<{ client_id: string }>(
    "select m.client_id from messages m join conversations c on c.id = m.conversation_id where c.client_id = 'long' order by seq",
  );
  expect(stored.map(({ client_id }) => client_id)).toEqual(rows.map((row) => row.id));
}, 60_000);

test("a second run adds what came since, and reads nothing that is the same", async ({ services }) => {
  const guide = await guideTables();
  await guide.conversation("old", [{ id: "m1", created_at: at(1) }]);
  await guide.conversation("more", [{ id: "m2", created_at: at(1) }], { title: "Before" });
  await imported(services, guide);
  expect(await imported(services, guide)).toMatchObject({
    conversationsCreated: 0,
    conversationsExisting: 2,
    messagesSaved: 0,
    messagesSkipped: 2,
    messagesVerified: 2,
  });
  await guide.messages("more", [{ id: "m4", created_at: at(3) }]);
  await guide.conversation("new", [{ id: "m5", created_at: at(2) }]);
  await guide.run(`update "Conversation" set title = 'After' where id = 'more'`);
  expect(await imported(services, guide)).toMatchObject({
    conversationsCreated: 1,
    conversationsExisting: 2,
    conversationsRetitled: 1,
    messagesSaved: 2,
    messagesSkipped: 2,
    messagesVerified: 4,
  });
  expect(await idsIn(services, "more")).toEqual(["m2", "m4"]);
  expect((await services.call(ADA, "GET", "/api/conversations/more")).json.title).toBe("After");
});

test("a message that was committed late is found, comes last, and keeps its time beside", async ({ services }) => {
  const guide = await guideTables();
  await guide.conversation("c", [
    { id: "m1", created_at: at(1) },
    { id: "m3", created_at: at(3) },
  ]);
  await imported(services, guide);
  await guide.messages("c", [{ id: "m2", created_at: at(2) }]);
  expect(await imported(services, guide)).toMatchObject({
    messagesSaved: 1,
    messagesLate: 1,
    messagesVerified: 3,
    messagesMoved: 0,
  });
  expect((await shown(services, "c")).map(({ id, created_at, metadata }) => [id, created_at, metadata])).toEqual([
    ["m1", at(1), null],
    ["m3", at(3), null],
    ["m2", at(3), { guide: { created_at_ms: Date.parse(at(2)) } }],
  ]);
  expect(await imported(services, guide)).toMatchObject({
    messagesSaved: 0,
    messagesSkipped: 3,
    conversationsVerified: 1,
  });
});

test("what people did here since stays: titles, edits, deletions, the trash, new messages", async ({ services }) => {
  const guide = await guideTables();
  const three = (name: string): { id: string; created_at: string }[] =>
    [1, 2, 3].map((n) => ({ id: `${name}${n}`, created_at: at(n) }));
  for (const name of ["titled", "edited", "deleted", "trashed", "written"])
    await guide.conversation(name, three(name), { title: name });
  await imported(services, guide);
  const call = async (method: string, path: string, body?: object): Promise<void> => {
    const { status, text } = await services.call(ADA, method, `/api/conversations/${path}`, body);
    expect(status, text).toBeLessThan(300);
  };
  await call("PATCH", "titled", { title: "mine" });
  await call("PATCH", "edited/messages/edited2", { content: "mine" });
  await call("DELETE", "deleted/messages/deleted2");
  await call("DELETE", "deleted/messages/deleted3");
  await call("DELETE", "trashed");
  await call("POST", "written/messages", { id: "mine", role: "user", content: "mine" });
  await guide.run(`update "Conversation" set title = 'theirs' where id = 'titled'`);
  await guide.messages("deleted", [{ id: "deleted4", created_at: at(4) }]);
  expect(await imported(services, guide)).toMatchObject({
    conversationsExisting: 4,
    conversationsInTrash: 1,
    conversationsRetitled: 0,
    messagesSaved: 1,
    messagesDeletedHere: 2,
    messagesOnlyHere: 1,
    conversationsVerified: 4,
  });
  expect((await services.call(ADA, "GET", "/api/conversations/titled")).json.title).toBe("mine");
  expect((await shown(services, "edited")).map(({ content }) => content)).toContain("mine");
  expect(await idsIn(services, "deleted")).toEqual(["deleted1", "deleted4"]);
  expect(await idsIn(services, "written")).toEqual(["written1", "written2", "written3", "mine"]);
  expect((await services.call(ADA, "GET", "/api/conversations/trashed")).status).toBe(404);
  expect(await imported(services, guide, { restoreDeleted: true })).toMatchObject({
    messagesSaved: 2,
    messagesLate: 2,
  });
  expect(await idsIn(services, "deleted")).toEqual(["deleted1", "deleted4", "deleted2", "deleted3"]);
});

test("what was deleted or edited there since is told", async ({ services }) => {
  const guide = await guideTables();
  await guide.conversation("gone", [{ id: "g1" }]);
  await guide.conversation("c", [{ id: "m1" }, { id: "m2", created_at: at(2) }, { id: "m3", created_at: at(3) }]);
  await imported(services, guide);
  await guide.run(`delete from "Conversation" where id = 'gone'`);
  await guide.run(`delete from "Message" where id = 'm2'`);
  const result = await imported(services, guide);
  expect(result).toMatchObject({ conversationsGone: 1, goneIds: ["gone"], messagesOnlyHere: 1, messagesSkipped: 2 });
  expect(await idsIn(services, "c")).toEqual(["m1", "m2", "m3"]);
  await guide.run(`update "Message" set content = 'another' where id = 'm3'`);
  const { errors, result: after } = await runImport(services, guide);
  expect(errors).toEqual([
    expect.objectContaining({ conversationId: "c", messageId: "m3", code: "message_id_conflict" }),
  ]);
  expect(after).toMatchObject({ messagesSkipped: 1, messagesVerified: 1, conversationsVerified: 0 });
});

test("words for roles, negative numbers and times ahead are kept beside what they became", async ({ services }) => {
  const guide = await guideTables();
  const ahead = new Date(Date.now() + 86_400_000).toISOString();
  await guide.conversation("c", [
    { id: "m1", role: "human", created_at: at(1) },
    { id: "m2", role: "AI ", created_at: at(2), tokens_used: -1, latency_ms: -7 },
    { id: "m3", role: "function", created_at: at(3) },
    { id: "m4", role: "agent", created_at: at(4) },
    { id: "m5", role: "user", created_at: ahead },
  ]);
  const first = await runImport(services, guide);
  expect(first.errors).toEqual([
    {
      conversationId: "c",
      messageId: "m4",
      code: "invalid_request",
      detail: 'nobody knows the role "agent": --role "agent"=assistant says what it means',
    },
  ]);
  expect(first.result).toMatchObject({ messagesSaved: 4, failed: 1, messagesVerified: 4, messagesMoved: 0 });
  expect(await imported(services, guide, { roles: { agent: "assistant" } })).toMatchObject({
    messagesSaved: 1,
    messagesVerified: 5,
  });
  const messages = await shown(services, "c");
  expect(messages.map(({ id, role, metadata }) => [id, role, metadata])).toEqual([
    ["m1", "user", { session_message: { role: "human" } }],
    ["m2", "assistant", { session_message: { role: "AI " }, guide: { tokens_used: -1, latency_ms: -7 } }],
    ["m3", "tool", { session_message: { role: "function" } }],
    ["m5", "user", { guide: { created_at_ms: Date.parse(ahead) } }],
    ["m4", "assistant", { session_message: { role: "agent" }, guide: { created_at_ms: Date.parse(at(4)) } }],
  ]);
  expect(Date.parse(messages[3]?.created_at ?? "")).toBeLessThan(Date.now());
});

test("what cannot be kept is told item by item, and all around it is imported", async ({ services }) => {
  const guide = await guideTables();
  await guide.conversation("c", [
    { id: "m1" },
    { id: "an id", created_at: at(1) },
    { id: "m3", content: "x".repeat(1_048_577), created_at: at(2) },
    { id: "m4", created_at: "infinity" },
    { id: "m5", created_at: at(5) },
  ]);
  await guide.conversation("a conversation", [{ id: "n1" }]);
  await guide.conversation("nobody", [{ id: "n2" }], { user_email: "" });
  await guide.conversation("untitled", [{ id: "n3" }], { title: "  " });
  await guide.conversation("long", [{ id: "n4" }], { title: "🍝".repeat(400) });
  await guide.run(`alter table "Message" drop constraint "Message_conversation_id_fkey"`);
  await guide.messages("nowhere", [{ id: "o1" }, { id: "o2" }]);
  const { result, errors } = await runImport(services, guide);
  expect(errors.map(({ conversationId, messageId, code }) => [conversationId, messageId, code])).toEqual([
    ["a conversation", null, "invalid_request"],
    ["nobody", null, "invalid_request"],
    ["c", "an id", "invalid_request"],
    ["c", "m3", "message_too_large"],
    ["c", "m4", "invalid_request"],
    [null, null, "no_conversation"],
  ]);
  expect(result).toMatchObject({
    failed: 6,
    conversationsCreated: 3,
    messagesSaved: 4,
    messagesVerified: 4,
    conversationsVerified: 2,
  });
  const compared = await runImport(services, guide, { verifyOnly: true });
  expect(compared.errors.toSorted(byDetail)).toEqual(errors.toSorted(byDetail));
  expect(compared.result).toMatchObject({ failed: 6, messagesVerified: 4, conversationsVerified: 2 });
  expect(errors.map(({ detail }) => detail).join()).not.toContain("xxxx");
  expect(await idsIn(services, "c")).toEqual(["m1", "m5"]);
  const titleOf = async (id: string): Promise<{ title: string; metadata: { guide: { title?: string } } }> =>
    (await services.call(ADA, "GET", `/api/conversations/${id}`)).json;
  expect(await titleOf("untitled")).toMatchObject({ title: "New Conversation", metadata: { guide: { title: "  " } } });
  const { title, metadata } = await titleOf("long");
  expect(title).toBe(`${"🍝".repeat(249)}…`);
  expect(metadata.guide.title).toBe("🍝".repeat(400));
});

test("addresses that differ in capitals are different people, as their tokens would be", async ({ services }) => {
  const guide = await guideTables();
  await guide.conversation("lower", [{ id: "m1" }]);
  await guide.conversation("upper", [{ id: "m2" }], { user_email: "Ada@example.com" });
  await imported(services, guide);
  expect(await idsIn(services, "lower")).toEqual(["m1"]);
  expect((await services.call(ADA, "GET", "/api/conversations/upper")).status).toBe(404);
  expect(await idsIn(services, "upper", "Ada@example.com")).toEqual(["m2"]);
});

test("two apps' tables with the same ids for two people are two histories", async ({ services }) => {
  for (const email of [ADA, BOB]) {
    const guide = await guideTables();
    await guide.conversation("c", [{ id: "m1", content: `of ${email}` }], { user_email: email });
    await imported(services, guide);
  }
  for (const email of [ADA, BOB]) expect((await shown(services, "c", email))[0]?.content).toBe(`of ${email}`);
});

test("who was erased does not come back with what the old tables still have of them", async ({ services }) => {
  const guide = await guideTables();
  await guide.conversation("c", [{ id: "m1" }]);
  await imported(services, guide);
  expect((await services.call(ADA, "DELETE", "/api/me")).status).toBeLessThan(300);
  const { result, errors } = await runImport(services, guide);
  expect(errors).toEqual([expect.objectContaining({ conversationId: "c", code: "user_erased" })]);
  expect(result).toMatchObject({ messagesSaved: 0, failed: 1 });
});

test("the guide's tables may be in the same schema as ours", async ({ services }) => {
  const guide = await guideTables(services.databaseUrl);
  await guide.conversation("c", [{ id: "m1" }, { id: "m2", created_at: at(2) }]);
  expect(await imported(services, guide)).toMatchObject({ messagesSaved: 2, messagesVerified: 2 });
});

test("a comparison writes nothing, and finds what was changed, removed or moved here past the service", async ({
  services,
}) => {
  const guide = await guideTables();
  const rows = [1, 2, 3, 4].map((n) => ({ id: `m${n}`, created_at: at(n), tokens_used: n }));
  await guide.conversation("c", rows);
  await guide.conversation("other", [{ id: "o1" }], { user_email: BOB });
  const before = await runImport(services, guide, { verifyOnly: true });
  expect(before.errors.map(({ conversationId, code }) => [conversationId, code])).toEqual([
    ["c", "missing"],
    ["other", "missing"],
  ]);
  const { rows: users } = await services.deps.db.pool.query("select from users");
  expect(users).toHaveLength(0);
  await imported(services, guide);
  expect(await imported(services, guide, { verifyOnly: true })).toMatchObject({
    messagesSaved: 0,
    messagesVerified: 5,
    conversationsVerified: 2,
  });
  const { pool } = services.deps.db;
  const byHand = async (sql: string): Promise<unknown> => {
    await pool.query(sql);
    const { errors, result } = await runImport(services, guide, { verifyOnly: true });
    return [...errors.map(({ messageId, code }) => [messageId, code]), result.messagesMoved];
  };
  expect(await byHand("update messages set content = 'x', version = version + 1 where client_id = 'm1'")).toEqual([
    ["m1", "message_id_conflict"],
    0,
  ]);
  expect(await byHand("update messages set tokens_used = 7 where client_id = 'm2'")).toEqual([
    ["m1", "message_id_conflict"],
    ["m2", "message_id_conflict"],
    0,
  ]);
  expect(await byHand("delete from messages where client_id = 'm1'")).toEqual([
    ["m1", "missing"],
    ["m2", "message_id_conflict"],
    0,
  ]);
  expect(await byHand("update messages set created_at = created_at + interval '1 ms' where client_id = 'm4'")).toEqual([
    ["m1", "missing"],
    ["m2", "message_id_conflict"],
    1,
  ]);
});

test("an import that is stopped ends between two batches, and the next one goes on", async ({ services }) => {
  const guide = await guideTables();
  for (let n = 0; n < 30; n += 1)
    await guide.conversation(`c${n}`, [{ id: `m${n}` }, { id: `n${n}`, created_at: at(2) }]);
  const stopping = new AbortController();
  const { result } = await runImport(services, guide, {
    signal: stopping.signal,
    onProgress: (_, messages) => void (messages >= 10 && stopping.abort()),
  });
  expect(result.stopped).toBe(true);
  expect(result.messagesSaved).toBeGreaterThanOrEqual(10);
  expect(result.messagesSaved).toBeLessThan(60);
  const rest = await imported(services, guide);
  expect(rest.messagesSaved + result.messagesSaved).toBe(60);
  expect(rest.messagesVerified).toBe(60);
});
