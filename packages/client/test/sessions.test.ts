import { expect } from "vitest";
import { failureOf, test } from "./running-service.ts";

test("a session is put, read and deleted", async ({ client }) => {
  const { conversation_id: id } = await client.createConversation();
  const put = await client.putSession("my:session", { conversation_id: id, context: { theme: "dark" } });
  expect(put).toEqual({
    session_id: "my:session",
    conversation_id: id,
    context: { theme: "dark" },
    created_at: expect.any(String),
    updated_at: put.created_at,
    expires_at: expect.any(String),
  });
  expect(await client.getSession("my:session")).toEqual(put);
  await client.deleteSession("my:session");
  const missing = { code: "session_not_found", status: 404 };
  expect(await failureOf(client.getSession("my:session"))).toMatchObject(missing);
  expect(await failureOf(client.deleteSession("my:session"))).toMatchObject(missing);
  const nowhere = client.putSession("my:session", { conversation_id: "never-there" });
  expect(await failureOf(nowhere)).toMatchObject({ code: "conversation_not_found" });
});

test("keys of a session's context are set and removed, and the others stay", async ({ client }) => {
  const { conversation_id } = await client.createConversation();
  await client.putSession("s", { conversation_id, context: { theme: "dark", city: "Rome" } });
  const changed = await client.updateSession("s", { context: { nights: null }, remove: ["city", "never-there"] });
  expect(changed.context).toEqual({ theme: "dark", nights: null });
  expect(await client.getSession("s")).toEqual(changed);
  const missing = client.updateSession("other", { context: {} });
  expect(await failureOf(missing)).toMatchObject({ code: "session_not_found" });
});

test("messages are appended by the session, which begins with the first, and its answer may be lost", async ({
  client,
  proxy,
}) => {
  proxy.faults.push("lose-answer");
  const [first] = await client.appendToSession("tab-7", [{ role: "user", content: "A hotel in Rome" }]);
  const [second] = await client.appendToSession("tab-7", [{ role: "assistant", content: "Near the Pantheon?" }]);
  const { conversation_id: id } = await client.getSession("tab-7");
  expect([first?.conversation_id, second?.conversation_id]).toEqual([id, id]);
  expect(await client.getConversation(id)).toMatchObject({ message_count: 2, title: "A hotel in Rome" });
});

test("sessions are listed by cursors, each once", async ({ client }) => {
  const { conversation_id } = await client.createConversation();
  for (const name of ["c", "a", "b"]) await client.putSession(name, { conversation_id });
  const first = await client.listSessions({ limit: 2 });
  expect(first.sessions.map(({ session_id }) => session_id)).toEqual(["a", "b"]);
  const second = await client.listSessions({ limit: 2, cursor: first.pagination.next_cursor ?? undefined });
  expect(second).toEqual({
    sessions: [await client.getSession("c")],
    pagination: { limit: 2, has_next: false, next_cursor: null },
  });
});

test("every way of taking a turn takes it in the session's conversation", async ({ client }) => {
  const turn = { message: "Hello", session_id: "s" };
  const { conversation_id: id } = await client.chat(turn);
  expect((await client.sendMessage(turn)).conversation_id).toBe(id);
  expect((await client.streamMessage(turn).finished()).conversation_id).toBe(id);
  expect((await client.getSession("s")).conversation_id).toBe(id);
  expect((await client.getConversation(id)).message_count).toBe(6);
});

test("a session's first message whose answer is lost is one message in one conversation", async ({ client, proxy }) => {
  proxy.faults.push("lose-answer");
  const { conversation_id: id } = await client.sendMessage({ message: "Hello", session_id: "s" });
  expect((await client.getSession("s")).conversation_id).toBe(id);
  expect((await client.getConversation(id)).message_count).toBe(2);
  expect((await client.listConversations()).pagination.total).toBe(1);
});

test("a deletion whose answer is lost is not a failure", async ({ client, proxy }) => {
  const { conversation_id: id } = await client.createConversation();
  await client.putSession("s", { conversation_id: id });
  proxy.faults.push("lose-answer");
  await client.deleteSession("s");
  expect(await failureOf(client.getSession("s"))).toMatchObject({ code: "session_not_found" });
});
