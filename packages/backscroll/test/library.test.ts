import { expect, onTestFinished, test as plain } from "vitest";
import { type Authenticate, BackscrollError, createBackscroll, type UserName } from "../src/index.ts";
import { newSchema, test } from "./services.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";

plain("ten lines give a working history: create, save, recent, full history, list, delete", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);

  const backscroll = await createBackscroll({ databaseUrl, logLevel: "silent" });
  const { conversations } = backscroll;
  const { id } = await conversations.createConversation(ADA, { title: "Trip to Rome" });
  await conversations.saveMessage(ADA, id, { role: "user", content: "Where to eat?" });
  await conversations.saveMessage(ADA, id, {
    role: "assistant",
    content: "Trastevere.",
    tokensUsed: 12,
    latencyMs: 340,
  });
  const recent = await conversations.getRecentMessages(ADA, id, { limit: 20 });
  const { messages, pagination } = await conversations.getFullHistory(ADA, id, { page: 1 });
  const list = await conversations.listUserConversations(ADA);
  await conversations.deleteConversation(ADA, id);

  expect(recent.messages.map(({ content }) => content)).toEqual(["Trastevere.", "Where to eat?"]);
  expect(messages.map(({ seq, tokensUsed, latencyMs }) => [seq, tokensUsed, latencyMs])).toEqual([
    [1, null, null],
    [2, 12, 340],
  ]);
  expect(messages[0]?.createdAt).toBeInstanceOf(Date);
  expect(pagination).toMatchObject({ total: 2, page: 1, totalPages: 1, hasNext: false, hasPrev: false });
  expect(list.conversations).toMatchObject([
    { id, title: "Trip to Rome", messageCount: 2, lastMessagePreview: "Trastevere." },
  ]);
  await expect(conversations.getRecentMessages(ADA, id)).rejects.toMatchObject({ code: "conversation_not_found" });
  await backscroll.close();
});

plain("a host says who is calling, and ADMINS who of its users is one", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const people: Record<string, UserName> = {
    ada: ADA,
    bob: BOB,
    namesake: { issuer: "https://elsewhere.example.com/", subject: ADA, email: ADA },
  };
  const authenticate: Authenticate = (request) => people[request.headers.get("x-who") ?? ""];
  const { fetch, close } = await createBackscroll({ databaseUrl, logLevel: "silent", admins: [ADA], authenticate });
  onTestFinished(close);
  const me = async (who: string): Promise<unknown> =>
    (await fetch(new Request("http://localhost/api/me", { headers: { "x-who": who } }))).json();
  expect(await me("ada")).toMatchObject({ subject: ADA, is_admin: true });
  expect(await me("bob")).toMatchObject({ subject: BOB, is_admin: false });
  expect(await me("namesake")).toMatchObject({ subject: ADA, is_admin: false });
  expect(await me("nobody")).toMatchObject({ code: "unauthenticated" });
});

plain("an option that cannot be is named, as a setting is", async () => {
  await expect(createBackscroll({ databaseUrl: "mysql://x" })).rejects.toThrow(
    "databaseUrl must be a URL that begins with",
  );
  await expect(createBackscroll({ port: 70_000 })).rejects.toThrow("port must be a whole number from 0 to 65535");
});

test("another user's conversation is told from none by nothing", async ({ services: { conversations } }) => {
  const { id } = await conversations.createConversation(ADA);
  const ofBob = await conversations.getRecentMessages(BOB, id).catch((error: unknown) => error);
  const ofNobody = await conversations.getRecentMessages(BOB, "none").catch((error: unknown) => error);
  expect(ofBob).toBeInstanceOf(BackscrollError);
  expect(ofBob).toEqual(ofNobody);
});

test("two people may use the same id, each for a conversation of their own", async ({
  services: { conversations },
}) => {
  await conversations.createConversation(ADA, { id: "chat-1", title: "Ada's" });
  await conversations.createConversation(BOB, { id: "chat-1", title: "Bob's" });
  await conversations.saveMessage(ADA, "chat-1", { role: "user", content: "from Ada", id: "m" });
  expect((await conversations.getRecentMessages(BOB, "chat-1")).messages).toEqual([]);
  expect((await conversations.getConversation(BOB, "chat-1")).title).toBe("Bob's");
});

test("the same address from two issuers is two people", async ({ services: { conversations } }) => {
  const one = { issuer: "https://one.example", subject: "1", email: ADA };
  const two = { issuer: "https://two.example", subject: "1", email: ADA };
  const { id } = await conversations.createConversation(one);
  await expect(conversations.getConversation(two, id)).rejects.toMatchObject({ code: "conversation_not_found" });
  expect(await conversations.getConversation(one, id)).toMatchObject({ id });
});

test("a caller's mistake is named with its field, and nothing is stored", async ({ services: { conversations } }) => {
  const { id } = await conversations.createConversation(ADA);
  const save = (message: object): Promise<unknown> =>
    conversations.saveMessage(ADA, id, { role: "user", content: "x", ...message });
  await expect(save({ role: "robot" })).rejects.toMatchObject({
    code: "invalid_request",
    details: { errors: [{ path: "role" }] },
  });
  await expect(save({ content: "a\u0000b" })).rejects.toMatchObject({ details: { errors: [{ path: "content" }] } });
  await expect(save({ metadata: { a: Number.POSITIVE_INFINITY } })).rejects.toMatchObject({
    details: { errors: [{ path: "metadata" }] },
  });
  await expect(save({ tokensUsed: -1 })).rejects.toMatchObject({ details: { errors: [{ path: "tokens_used" }] } });
  await expect(save({ content: "x".repeat(1_048_577) })).rejects.toMatchObject({ code: "message_too_large" });
  await expect(conversations.getRecentMessages(ADA, id, { limit: 0 })).rejects.toMatchObject({
    code: "invalid_request",
  });
  await expect(conversations.createConversation("")).rejects.toMatchObject({ code: "invalid_request" });
  expect((await conversations.getRecentMessages(ADA, id)).messages).toEqual([]);
});

test("appends to 20 conversations at once share statements, and each gets its own answer", async ({ services }) => {
  const { conversations } = services;
  const ids = Array.from({ length: 20 }, (_, i) => `c${i}`);
  await Promise.all(ids.map((id) => conversations.createConversation(ADA, { id })));
  const saves = ids.flatMap((id) =>
    [1, 2, 3].map((n) => conversations.saveMessage(ADA, id, { role: "user", content: `${id} ${n}` })),
  );
  const absent = conversations
    .saveMessage(ADA, "absent", { role: "user", content: "lost?" })
    .catch((error: unknown) => error);
  const saved = await Promise.all(saves);
  expect(saved.map(({ conversationId, content, seq }) => `${conversationId} ${content} ${seq}`)).toEqual(
    ids.flatMap((id) => [1, 2, 3].map((n) => `${id} ${id} ${n} ${n}`)),
  );
  expect(await absent).toMatchObject({ code: "conversation_not_found" });
});

test("the same message id in many conversations at once is a message of each", async ({
  services: { conversations },
}) => {
  const ids = Array.from({ length: 10 }, (_, i) => `c${i}`);
  const id = "0190b0a0-0000-7000-8000-000000000001";
  await Promise.all(ids.map((conversation) => conversations.createConversation(ADA, { id: conversation })));
  const saved = await Promise.all(
    ids.map((conversation) =>
      conversations.saveMessage(ADA, conversation, { role: "user", content: conversation, id }),
    ),
  );
  expect(saved.map(({ conversationId, content }) => [conversationId, content])).toEqual(
    ids.map((each) => [each, each]),
  );
});

test("a save with a used id does not disturb the others it travels with", async ({ services: { conversations } }) => {
  await conversations.createConversation(ADA, { id: "c" });
  await conversations.saveMessage(ADA, "c", { role: "user", content: "first", id: "used" });
  const results = await Promise.allSettled([
    conversations.saveMessage(ADA, "c", { role: "user", content: "a" }),
    conversations.saveMessage(ADA, "c", { role: "user", content: "other body", id: "used" }),
    conversations.saveMessage(ADA, "c", { role: "user", content: "first", id: "used" }),
    conversations.saveMessage(ADA, "c", { role: "user", content: "b" }),
  ]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled", "fulfilled"]);
  const { messages } = await conversations.getFullHistory(ADA, "c");
  expect(messages.map(({ content }) => content).toSorted()).toEqual(["a", "b", "first"]);
  expect(messages.map(({ seq }) => seq)).toEqual([1, 2, 3]);
});

test("a conversation locked by somebody holds up nobody else's append", async ({ services }) => {
  const { conversations } = services;
  await conversations.createConversation(ADA, { id: "locked" });
  await conversations.createConversation(ADA, { id: "free" });
  const client = await services.deps.db.pool.connect();
  await client.query("begin");
  await client.query("select from conversations where client_id = 'locked' for update");
  let lockedIsSaved = false;
  const wait = (content: string): Promise<unknown> =>
    conversations.saveMessage(ADA, "locked", { role: "user", content });
  const locked = [wait("alone")];
  // A turn of the event loop later, behind the first: no statement of theirs is under way.
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  locked.push(wait("behind"), wait("behind it"));
  void Promise.race(locked).then(() => (lockedIsSaved = true));
  const free = await Promise.all(
    Array.from({ length: 5 }, (_, i) => conversations.saveMessage(ADA, "free", { role: "user", content: `m${i}` })),
  );
  expect(free.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
  expect(lockedIsSaved).toBe(false);
  await client.query("commit");
  client.release();
  await Promise.all(locked);
  const { messages } = await conversations.getFullHistory(ADA, "locked");
  expect(messages.map(({ content }) => content)).toEqual(["alone", "behind", "behind it"]);
});
