import { expect } from "vitest";
import { BackscrollApiError, BackscrollConnectionError } from "../src/index.ts";
import { collect, failureOf, said, test } from "./running-service.ts";

test("a conversation whose answer was lost is created once", async ({ proxy, client }) => {
  proxy.faults.push("lose-answer");

  const created = await client.createConversation({ title: "once" });

  const { conversations, pagination } = await client.listConversations();
  expect(pagination.total).toBe(1);
  expect(conversations[0]).toMatchObject(created);
});

test("messages whose answer was lost twice are saved once, and the last answer is as the first", async ({
  proxy,
  client,
}) => {
  const { conversation_id: id } = await client.createConversation();
  proxy.faults.push("lose-answer", "cut-answer");

  const saved = await client.saveMessages(id, said(3));

  expect(saved.map(({ seq, content }) => [seq, content])).toEqual([
    [1, "m1"],
    [2, "m2"],
    [3, "m3"],
  ]);
  expect(await collect(client.iterateMessages(id))).toEqual(saved);
  expect(proxy.requests.filter(({ url }) => url.endsWith("/messages")).length).toBe(3);
});

test("one message whose answer was lost is saved once", async ({ proxy, client }) => {
  const { conversation_id: id } = await client.createConversation();
  proxy.faults.push("lose-answer");

  const saved = await client.saveMessage(id, { role: "user", content: "hello" });

  expect(await collect(client.iterateMessages(id))).toEqual([saved]);
});

test("a first message whose answer was lost makes one conversation with one exchange", async ({ proxy, client }) => {
  proxy.faults.push("lose-answer");

  const turn = await client.sendMessage({ message: "I am sad" });

  expect(await collect(client.iterateMessages(turn.conversation_id))).toEqual([
    turn.user_message,
    turn.assistant_message,
  ]);
  expect((await client.listConversations()).pagination.total).toBe(1);
});

test("a chat whose answer was lost is one exchange, under one Idempotency-Key", async ({ proxy, client }) => {
  proxy.faults.push("lose-answer");

  const reply = await client.chat({ message: "I am sad" });

  const messages = await collect(client.iterateMessages(reply.conversation_id));
  expect(messages.map(({ role }) => role)).toEqual(["user", "assistant"]);
  expect(messages[1]?.content).toBe(reply.response);
  expect((await client.listConversations()).pagination.total).toBe(1);
  const [first, second] = proxy.requests.map(({ headers }) => headers["idempotency-key"]);
  expect(first).toMatch(/^[0-9a-f-]{36}$/);
  expect(second).toBe(first);
});

test("a chat with the caller's own key is one exchange over two calls", async ({ client }) => {
  const first = await client.chat({ message: "hello" }, { idempotencyKey: "order-17" });
  const second = await client.chat({ message: "hello" }, { idempotencyKey: "order-17" });

  expect(second).toEqual(first);
  expect((await client.getFullHistory(first.conversation_id)).pagination.total).toBe(2);
});

test("a restored conversation whose answer was lost is restored", async ({ proxy, client }) => {
  const { conversation_id: id } = await client.createConversation();
  await client.deleteConversation(id);
  proxy.faults.push("lose-answer");

  const restored = await client.restoreConversation(id);

  expect(restored).toEqual(await client.getConversation(id));
});

test("a changed conversation whose answer was lost has the change", async ({ proxy, client }) => {
  const { conversation_id: id } = await client.createConversation();
  proxy.faults.push("lose-answer");

  expect(await client.updateConversation(id, { title: "renamed", pinned: true })).toMatchObject({
    title: "renamed",
    pinned: true,
  });
});

test("a deletion whose answer was lost succeeds, of a conversation and of a message", async ({ proxy, client }) => {
  const { conversation_id: id } = await client.createConversation();
  const message = await client.saveMessage(id, { role: "user", content: "hello" });

  proxy.faults.push("lose-answer");
  await client.deleteMessage(id, message.id);
  expect((await client.getFullHistory(id)).messages).toEqual([]);

  proxy.faults.push("lose-answer");
  await client.deleteConversation(id);
  proxy.faults.push("lose-answer");
  await client.deleteConversation(id, { permanent: true });
  expect((await client.listDeletedConversations()).pagination.total).toBe(0);
});

test("the deletion of what never was fails, on the first try and on one that follows a refusal", async ({
  proxy,
  client,
}) => {
  expect(await failureOf(client.deleteConversation("nowhere"))).toMatchObject({ code: "conversation_not_found" });

  proxy.faults.push({ status: 429, headers: { "retry-after": "0" } });
  expect(await failureOf(client.deleteConversation("nowhere"))).toMatchObject({ code: "conversation_not_found" });
});

test("a deletion that meets a proxy's 404 after a lost answer does not pass for done", async ({ proxy, client }) => {
  const { conversation_id: id } = await client.createConversation();
  proxy.faults.push("drop", { status: 404, body: "<h1>no such host</h1>" });

  expect(await failureOf(client.deleteConversation(id))).toMatchObject({ status: 404, code: "unreadable_answer" });
});

test("an edit of a known version whose answer was lost happens once and answers the edited message", async ({
  proxy,
  client,
}) => {
  const { conversation_id: id } = await client.createConversation();
  const message = await client.saveMessage(id, { role: "user", content: "helo" });
  proxy.faults.push("lose-answer");

  const edited = await client.editMessage(id, message.id, { content: "hello", expected_version: 1 });

  expect(edited).toMatchObject({ content: "hello", version: 2 });
  expect((await client.getRecentMessages(id)).messages).toEqual([edited]);
});

test("an edit of a version that somebody else has edited conflicts, after a lost answer too", async ({
  proxy,
  client,
}) => {
  const { conversation_id: id } = await client.createConversation();
  const message = await client.saveMessage(id, { role: "user", content: "helo" });
  await client.editMessage(id, message.id, { content: "hallo", expected_version: 1 });
  const edit = { content: "hello", expected_version: 1 };

  expect(await failureOf(client.editMessage(id, message.id, edit))).toMatchObject({ code: "version_conflict" });
  proxy.faults.push("drop");
  expect(await failureOf(client.editMessage(id, message.id, edit))).toMatchObject({ code: "version_conflict" });
  expect((await client.getRecentMessages(id)).messages).toMatchObject([{ content: "hallo", version: 2 }]);
});

test("an edit of whatever version is never sent twice", async ({ proxy, client }) => {
  const { conversation_id: id } = await client.createConversation();
  const message = await client.saveMessage(id, { role: "user", content: "helo" });
  proxy.faults.push("lose-answer");

  const failure = await failureOf(client.editMessage(id, message.id, { content: "hello" }));

  expect(failure).toBeInstanceOf(BackscrollConnectionError);
  expect((await client.getRecentMessages(id)).messages).toMatchObject([{ content: "hello", version: 2 }]);
});

test("a message id used again with another body is a conflict that no retry hides", async ({ proxy, client }) => {
  const { conversation_id: id } = await client.createConversation();
  await client.saveMessage(id, { id: "greeting", role: "user", content: "hello" });
  const before = proxy.requests.length;

  const failure = await failureOf(client.saveMessage(id, { id: "greeting", role: "user", content: "bye" }));

  expect(failure).toBeInstanceOf(BackscrollApiError);
  expect(failure).toMatchObject({ status: 409, code: "message_id_conflict" });
  expect(proxy.requests.length).toBe(before + 1);
});

test("50 saves at once over a network that loses every third answer are 50 messages", async ({ proxy, clientWith }) => {
  const client = clientWith({ retries: 8 });
  const { conversation_id: id } = await client.createConversation();
  const faults = Array.from(
    { length: 60 },
    (_, index) => (["lose-answer", "drop", { status: 503 }] as const)[index % 3],
  );
  proxy.faults.push(...faults.filter((fault) => fault !== undefined));

  await Promise.all(said(50).map((message) => client.saveMessage(id, message)));

  const messages = await collect(client.iterateMessages(id));
  expect(messages.map(({ seq }) => seq)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  expect(new Set(messages.map(({ content }) => content)).size).toBe(50);
});
