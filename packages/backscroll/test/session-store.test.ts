import { expect, onTestFinished, vi } from "vitest";
import { startCached } from "./cache-fixture.ts";
import type { SessionStore } from "../src/session-store/session-store.ts";
import { createServices, newSchema, type Services, test } from "./services.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";
const user = (content: string) => ({ role: "user", content });

async function titlesOf({ conversations }: Services, who = ADA): Promise<string[]> {
  const list = await conversations.listUserConversations(who, { pageSize: 200 });
  return list.conversations.map(({ title }) => title);
}

async function idsOf(sessions: SessionStore): Promise<string[]> {
  const all: string[] = [];
  for await (const id of sessions.ids()) all.push(id);
  return all;
}

test("a session does what one in a dictionary did", async ({ services }) => {
  const sessions = services.sessionStore({ user: ADA });
  expect(await sessions.get("s")).toBeUndefined();
  expect(await sessions.has("s")).toBe(false);
  expect(await sessions.getContext("s")).toEqual({});

  await sessions.create("s");
  expect(await sessions.get("s")).toEqual({ messages: [], context: {}, createdAt: expect.any(Date), hasMore: false });
  await sessions.append("s", user("Where to eat?"));
  await sessions.append("s", [{ role: "assistant", content: "Trastevere." }, user("And to sleep?")]);
  await sessions.setContext("s", { city: "Rome", nights: 2 });
  await sessions.updateContext("s", { nights: 3, budget: null }, { remove: ["city"] });
  expect(await sessions.get("s")).toMatchObject({
    messages: [user("Where to eat?"), { role: "assistant", content: "Trastevere." }, user("And to sleep?")],
    context: { nights: 3, budget: null },
  });
  expect(await sessions.has("s")).toBe(true);
  expect(await sessions.getContext("s")).toEqual({ nights: 3, budget: null });

  await sessions.clear("s");
  await sessions.clear("s");
  expect(await sessions.get("s")).toBeUndefined();
  await sessions.append("s", user("Anew"));
  expect(await sessions.get("s")).toMatchObject({ messages: [user("Anew")], context: {} });
});

test("an append or a context begins a session that is not there", async ({ services }) => {
  const sessions = services.sessionStore({ user: ADA });
  await sessions.append("a", user("Hi"));
  await sessions.updateContext("b", { x: 1 });
  await sessions.setContext("c", { y: 1 });
  expect(await sessions.get("a")).toMatchObject({ messages: [user("Hi")], context: {} });
  expect(await sessions.get("b")).toMatchObject({ messages: [], context: { x: 1 } });
  expect(await sessions.get("c")).toMatchObject({ messages: [], context: { y: 1 } });
});

test("a session outlives its server, and another server has it", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const first = await createServices({ databaseUrl });
  await first.sessionStore({ user: ADA }).append("s", user("Hi"));
  await first.close();
  const second = await createServices({ databaseUrl });
  onTestFinished(() => second.close());
  expect((await second.sessionStore({ user: ADA }).get("s"))?.messages).toEqual([user("Hi")]);
});

test("the whole session comes back, however long, or as much of its end as is asked for", async ({ services }) => {
  const sessions = services.sessionStore({ user: ADA });
  const all = Array.from({ length: 450 }, (_, i) => user(String(i)));
  await sessions.append("s", all);
  expect(await sessions.get("s")).toMatchObject({ messages: all, hasMore: false });
  for (const limit of [1, 20, 200, 201, 449]) {
    expect(await sessions.get("s", { limit })).toMatchObject({ messages: all.slice(-limit), hasMore: true });
  }
  for (const limit of [450, 1_000])
    expect(await sessions.get("s", { limit })).toMatchObject({ messages: all, hasMore: false });
  for (const limit of [0, -1, 1.5, Number.NaN]) {
    await expect(sessions.get("s", { limit })).rejects.toMatchObject({ code: "invalid_request" });
  }
});

test("first appends that come at once, on two servers, make one conversation", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const servers = [await createServices({ databaseUrl }), await createServices({ databaseUrl })];
  for (const server of servers) onTestFinished(() => server.close());
  const [one, other] = servers.map((server) => server.sessionStore({ user: ADA })) as [SessionStore, SessionStore];
  for (let round = 0; round < 5; round += 1) {
    await Promise.all(
      Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? one : other).append(`s${round}`, user(`m${i}`))),
    );
    const texts = (await one.get(`s${round}`))?.messages.map(({ content }) => content);
    expect(texts?.toSorted()).toEqual(Array.from({ length: 10 }, (_, i) => `m${i}`));
    expect(await titlesOf(servers[0] as Services)).toHaveLength(round + 1);
  }
});

test("appends of one process are in the order of their calls, though nobody waits", async ({ services }) => {
  const sessions = services.sessionStore({ user: ADA });
  const texts = Array.from({ length: 30 }, (_, i) => String(i));
  await Promise.all(texts.map((text) => sessions.append("s", user(text))));
  expect((await sessions.get("s"))?.messages.map(({ content }) => content)).toEqual(texts);
});

test("context updates at once, on two servers, lose none of each other's keys", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const servers = [await createServices({ databaseUrl }), await createServices({ databaseUrl })];
  for (const server of servers) onTestFinished(() => server.close());
  const [one, other] = servers.map((server) => server.sessionStore({ user: ADA })) as [SessionStore, SessionStore];
  const updates = Array.from({ length: 20 }, (_, i) =>
    (i % 2 === 0 ? one : other).updateContext("s", { [`k${i}`]: i }),
  );
  await Promise.all(updates);
  const keys = Array.from({ length: 20 }, (_, i) => [`k${i}`, i]);
  expect(await servers[0]?.conversations.getSession(ADA, "s")).toMatchObject({ context: Object.fromEntries(keys) });
});

test("a context takes 256 KiB, together with what is there, and a refusal changes nothing", async ({ services }) => {
  const sessions = services.sessionStore({ user: ADA });
  await sessions.updateContext("s", { a: "x".repeat(200_000) });
  await expect(sessions.updateContext("s", { b: "x".repeat(70_000) })).rejects.toMatchObject({
    code: "invalid_request",
    details: { errors: [{ path: "context" }] },
  });
  expect(Object.keys(await sessions.getContext("s"))).toEqual(["a"]);
  await sessions.updateContext("s", { b: "x".repeat(200_000) }, { remove: ["a"] });
  expect(Object.keys(await sessions.getContext("s"))).toEqual(["b"]);
});

test("a message with an id is there once, however often it is appended", async ({ services }) => {
  const sessions = services.sessionStore({ user: ADA });
  const message = { id: "m1", ...user("Hi"), timestamp: "now" };
  await Promise.all([1, 2, 3].map(() => sessions.append("s", message)));
  await sessions.append("s", [message, { id: "m2", ...user("there") }]);
  expect((await sessions.get("s"))?.messages).toEqual([message, { id: "m2", ...user("there") }]);
  await expect(sessions.append("s", { ...message, content: "Other" })).rejects.toMatchObject({
    code: "message_id_conflict",
  });
});

test("a message that is refused begins no session", async ({ services }) => {
  const sessions = services.sessionStore({ user: ADA });
  for (const message of [{ role: "narrator", content: "x" }, user("\u0000")]) {
    await expect(sessions.append("s", message)).rejects.toMatchObject({ code: "invalid_request" });
  }
  await expect(sessions.append("", user("Hi"))).rejects.toMatchObject({ code: "invalid_request" });
  expect(await sessions.has("s")).toBe(false);
  expect(await titlesOf(services)).toEqual([]);
});

test.for([
  ["stays in the history", {}, {}, 1, 0],
  ["goes to the trash when the store says so", { onClear: "trash" }, {}, 0, 1],
  ["goes to the trash when the call says so", {}, { conversation: "trash" }, 0, 1],
  ["stays when the call says so", { onClear: "trash" }, { conversation: "keep" }, 1, 0],
] as const)(
  "the conversation of a session that is cleared %s",
  async ([, options, call, kept, trashed], { services }) => {
    const sessions = services.sessionStore({ user: ADA, ...options });
    await sessions.append("s", user("Hi"));
    await sessions.clear("s", call);
    expect(await sessions.get("s")).toBeUndefined();
    expect(await titlesOf(services)).toHaveLength(kept);
    expect((await services.conversations.listDeletedConversations(ADA)).conversations).toHaveLength(trashed);
  },
);

test("a session whose conversation was deleted begins again, with nothing of it", async ({ services }) => {
  const sessions = services.sessionStore({ user: ADA });
  for (const permanent of [false, true]) {
    await sessions.append("s", user("Old"));
    const { conversationId } = await services.conversations.getSession(ADA, "s");
    await services.conversations.deleteConversation(ADA, conversationId, { permanent });
    expect(await sessions.get("s")).toBeUndefined();
    await sessions.append("s", user("New"));
    expect((await sessions.get("s"))?.messages).toEqual([user("New")]);
  }
});

test("a session that has expired is not there, and begins again without its context", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const services = await createServices({ databaseUrl, cache: "off" });
  onTestFinished(() => services.close());
  const sessions = services.sessionStore({ user: ADA });
  await sessions.append("s", user("Old"));
  await sessions.setContext("s", { a: 1 });
  await services.deps.db.pool.query("update sessions set expires_at = now() - interval '1 s', version = version + 1");
  expect(await sessions.get("s")).toBeUndefined();
  expect(await idsOf(sessions)).toEqual([]);
  await sessions.updateContext("s", { b: 1 });
  expect(await sessions.get("s")).toMatchObject({ messages: [], context: { b: 1 } });
});

test("a conversation that a session began is called by what its user said first", async ({ services }) => {
  const sessions = services.sessionStore({ user: ADA });
  await sessions.append("a", { role: "system", content: "You are a guide." });
  await sessions.append("a", user("Where to eat in Rome?"));
  await sessions.append("a", user("And where to sleep?"));
  await sessions.append("b", [user("How far is it?"), { role: "assistant", content: "Far." }]);
  expect((await titlesOf(services)).toSorted()).toEqual(["How far is it?", "Where to eat in Rome?"]);
});

test("two people's sessions of one name never meet, and each lists their own", async ({ services }) => {
  const sessions = services.sessionStore({ user: ADA });
  const theirs = sessions.with({ user: BOB });
  await sessions.append("s", user("Ada"));
  await theirs.append("s", user("Bob"));
  await sessions.create("only-ada");
  expect((await sessions.get("s"))?.messages).toEqual([user("Ada")]);
  expect((await theirs.get("s"))?.messages).toEqual([user("Bob")]);
  await theirs.clear("s");
  await theirs.clear("only-ada");
  expect((await sessions.get("s"))?.messages).toEqual([user("Ada")]);
  expect(await idsOf(sessions)).toEqual(["only-ada", "s"]);
  expect(await idsOf(theirs)).toEqual([]);
});

test("a session is called as its dictionary calls it", async ({ services }) => {
  const sessions = services.sessionStore({ user: ADA });
  const ids = ["ada@example.com", "a b/c?d#e%2F", "räksmörgås 🦐", "..", "__proto__", "x".repeat(320)];
  for (const id of ids) {
    await sessions.append(id, user(id));
    await sessions.updateContext(id, { id });
  }
  for (const id of ids) expect(await sessions.get(id)).toMatchObject({ messages: [user(id)], context: { id } });
  expect((await idsOf(sessions)).toSorted()).toEqual(ids.toSorted());
  const turn = await services.conversations.sendMessage(ADA, { message: "Hello", sessionId: "ada@example.com" });
  expect((await sessions.get("ada@example.com"))?.messages).toHaveLength(3);
  expect(turn.userMessage.seq).toBe(2);
});

test("all of a user's sessions are listed, however many", async ({ services }) => {
  const sessions = services.sessionStore({ user: ADA });
  await sessions.create("s");
  await services.deps.db.pool.query(`
    insert into sessions (user_id, session_id, id, conversation_id, expires_at)
    select user_id, 'more-' || n, gen_random_uuid(), conversation_id, expires_at from sessions, generate_series(1, 450) n`);
  const ids = await idsOf(sessions);
  expect(new Set(ids).size).toBe(451);
  expect(ids).toHaveLength(451);
});

test("a turn in the session and the store see the same messages", async ({ services }) => {
  const sessions = services.sessionStore({ user: ADA });
  await sessions.append("s", user("My name is Ada"));
  const turn = await services.conversations.sendMessage(ADA, { message: "Hello", sessionId: "s" });
  expect((await sessions.get("s"))?.messages).toEqual([
    user("My name is Ada"),
    user("Hello"),
    { role: "assistant", content: turn.assistantMessage.content },
  ]);
});

test("two servers on one Redis have the same session at once", async () => {
  const { services, another } = await startCached(0);
  const other = (await another()).sessionStore({ user: ADA });
  const one = services.sessionStore({ user: ADA });
  for (let i = 1; i <= 10; i += 1) {
    const [writer, reader] = i % 2 === 0 ? [one, other] : [other, one];
    await writer.append("s", user(String(i)));
    await writer.updateContext("s", { [`k${i}`]: i });
    const session = await reader.get("s", { limit: 20 });
    expect(session?.messages).toHaveLength(i);
    expect(Object.keys(session?.context ?? {})).toHaveLength(i);
  }
  await one.clear("s");
  expect(await other.get("s")).toBeUndefined();
});

test("closing waits for what a store has begun", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const first = await createServices({ databaseUrl });
  const sessions = first.sessionStore<ReturnType<typeof user>>({ user: ADA, legacy: {}, deadlineMs: 1 });
  const appends = Array.from({ length: 10 }, (_, i) => sessions.append("s", user(String(i))));
  await first.close();
  await Promise.all(appends);
  expect(sessions.counts).toMatchObject({ backscrollFailures: 0 });
  const second = await createServices({ databaseUrl });
  onTestFinished(() => second.close());
  expect((await second.sessionStore({ user: ADA }).get("s"))?.messages).toHaveLength(10);
});

test("the recent messages of a session come from the cache", async ({ services }) => {
  const sessions = services.sessionStore({ user: ADA });
  await sessions.append("s", user("Hi"));
  await sessions.get("s", { limit: 20 });
  const queries = vi.spyOn(services.deps.db, "query");
  await expect
    .poll(async () => {
      queries.mockClear();
      await sessions.get("s", { limit: 20 });
      return queries.mock.calls.length;
    })
    .toBe(0);
  queries.mockRestore();
});
