import { expect, onTestFinished } from "vitest";
import { BackscrollError } from "../src/domain/errors.ts";
import type { Responder, ResponderDelta } from "../src/responder/responder.ts";
import { ResponderError } from "../src/responder/responder.ts";
import { closeTurn } from "../src/postgres/generations.ts";
import { findGeneration } from "../src/postgres/running-generations.ts";
import { toRef } from "../src/service/messages.ts";
import { resolveUser } from "../src/service/users.ts";
import { createServices, newSchema, type Services, test } from "./services.ts";

const ADA = "ada@example.com";

type Respond = Responder["respond"];

/** A Backscroll whose responder says what the test wants. */
async function withResponder(respond: Respond, options: { drainTimeoutMs?: number } = {}): Promise<Services> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  return another(databaseUrl, respond, options);
}

async function another(databaseUrl: string, respond: Respond, options: object = {}): Promise<Services> {
  const services = await createServices({ databaseUrl, responder: { description: "scripted", respond }, ...options });
  onTestFinished(() => services.close());
  return services;
}

/** A responder that says each word when it is released, and how often it was asked. */
function released(): { respond: Respond; say(text: string): void; end(): void; asked(): number; aborted(): number } {
  let asked = 0;
  let aborted = 0;
  let words: string[] = [];
  let isEnded = false;
  let woken = Promise.withResolvers<void>();
  const wake = (): void => {
    woken.resolve();
    woken = Promise.withResolvers();
  };
  return {
    async *respond({ signal }): AsyncGenerator<ResponderDelta> {
      asked += 1;
      signal.addEventListener("abort", () => (aborted += 1));
      for (let next = 0; ;) {
        const text = words[next];
        if (text !== undefined) {
          next += 1;
          yield { type: "text", text };
        } else if (isEnded) return;
        else await woken.promise;
      }
    },
    say(text) {
      words = [...words, text];
      wake();
    },
    end() {
      isEnded = true;
      wake();
    },
    asked: () => asked,
    aborted: () => aborted,
  };
}

async function historyOf(services: Services, conversationId: string): Promise<readonly [string, string, string][]> {
  const { messages, pagination } = await services.conversations.getFullHistory(ADA, conversationId, { pageSize: 200 });
  // What the cache shows is the same.
  const recent = await services.conversations.getRecentMessages(ADA, conversationId, { limit: 20 });
  expect(recent.messages.toReversed()).toEqual(messages);
  expect(pagination.total).toBe(messages.length);
  return messages.map(({ role, content, status }) => [role, content, status]);
}

test("a reply is read while it is written, has its id from the beginning, and two commits make a turn", async () => {
  const model = released();
  const services = await withResponder(model.respond);
  const turn = await services.conversations.streamMessage(ADA, { message: "Hello" });
  const heard: string[] = [];
  const reader = turn[Symbol.asyncIterator]();
  model.say("Good ");
  expect((await reader.next()).value).toEqual({ type: "text", text: "Good " });
  model.say("day.");
  model.end();
  for (let next = await reader.next(); !next.done; next = await reader.next()) {
    if (next.value.type === "text") heard.push(next.value.text);
  }
  expect(heard.join("")).toBe("day.");
  const reply = await turn.finished();
  expect(reply).toMatchObject({ id: turn.messageId, seq: 2, content: "Good day.", status: "complete" });
  expect(reply.metadata).toMatchObject({ context: { messages: 1, left_out: 0 } });
  expect(await historyOf(services, turn.conversationId)).toEqual([
    ["user", "Hello", "complete"],
    ["assistant", "Good day.", "complete"],
  ]);
});

test("a second message while one is answered is refused, and says so", async () => {
  const model = released();
  const services = await withResponder(model.respond);
  const { conversationId, finished } = await services.conversations.streamMessage(ADA, { message: "one" });
  const second = services.conversations.sendMessage(ADA, { message: "two", conversationId });
  await expect(second).rejects.toMatchObject({ code: "conversation_busy" });
  model.say("done");
  model.end();
  await finished();
  const third = await services.conversations.sendMessage(ADA, { message: "three", conversationId });
  expect(third.assistantMessage.content).toBe("done");
  expect(await historyOf(services, conversationId)).toHaveLength(4);
});

test("the same message on two servers at once is asked once, and both follow the one reply", async () => {
  const model = released();
  const first = await withResponder(model.respond);
  const second = await another(first.databaseUrl, model.respond);
  const request = { message: "Hello", messageId: "q1" };
  const turns = await Promise.all(
    Array.from({ length: 20 }, (_, n) => (n % 2 ? first : second).conversations.streamMessage(ADA, request)),
  );
  model.say("one ");
  model.say("answer");
  model.end();
  const replies = await Promise.all(turns.map((turn) => turn.finished()));
  expect(model.asked()).toBe(1);
  expect(new Set(replies.map(({ id, content }) => `${id} ${content}`)).size).toBe(1);
  expect(await historyOf(first, turns[0]?.conversationId ?? "")).toHaveLength(2);
});

test("stopping keeps what was written, from a server that does not write it too; a retry gets that", async () => {
  const model = released();
  const writer = await withResponder(model.respond);
  const other = await another(writer.databaseUrl, model.respond);
  const turn = await writer.conversations.streamMessage(ADA, { message: "Hello", messageId: "q1" });
  model.say("half");
  await turn[Symbol.asyncIterator]().next();
  const stopped = await other.conversations.stopReply(ADA, turn.conversationId);
  expect(stopped).toMatchObject({ id: turn.messageId, content: "half", status: "stopped" });
  expect(model.aborted()).toBe(1);
  expect(await turn.finished()).toEqual(stopped);
  const again = await other.conversations.sendMessage(ADA, { message: "Hello", messageId: "q1" });
  expect(again.assistantMessage).toEqual(stopped);
  expect(await writer.conversations.stopReply(ADA, turn.conversationId)).toBeNull();
  expect(model.asked()).toBe(1);
  const title = async (): Promise<string> =>
    (await other.conversations.getConversation(ADA, turn.conversationId)).title;
  await expect.poll(title).toBe("Hello");
});

test("a failed reply is a message that says why, and a retry takes its place", async () => {
  let tries = 0;
  const services = await withResponder(async function* () {
    tries += 1;
    yield { type: "text", text: `try ${tries}` };
    if (tries < 3) throw new ResponderError("failed", "secret of the provider");
  });
  const request = { message: "Hello", messageId: "q1" };
  for (const written of ["try 1", "try 2"]) {
    await expect(services.conversations.sendMessage(ADA, request)).rejects.toMatchObject({ code: "responder_failed" });
    const [conversation] = (await services.conversations.listUserConversations(ADA)).conversations;
    expect(await historyOf(services, conversation?.id ?? "")).toEqual([
      ["user", "Hello", "complete"],
      ["assistant", written, "failed"],
    ]);
  }
  const { conversationId, assistantMessage } = await services.conversations.sendMessage(ADA, request);
  expect(assistantMessage.metadata).not.toHaveProperty("error_code");
  expect(await historyOf(services, conversationId)).toEqual([
    ["user", "Hello", "complete"],
    ["assistant", "try 3", "complete"],
  ]);
});

test("a regenerated reply takes the place of the one before; one that fails leaves it", async () => {
  let tries = 0;
  const services = await withResponder(async function* ({ messages }) {
    tries += 1;
    yield { type: "text", text: `reply ${tries} to ${messages.length}` };
    yield { type: "usage", tokensUsed: 10, model: "m" };
    if (tries === 3) throw new ResponderError("timeout", "slow");
  });
  const { conversationId } = await services.conversations.sendMessage(ADA, { message: "one" });
  await services.conversations.sendMessage(ADA, { message: "two", conversationId });
  const failing = await services.conversations.regenerateReply(ADA, conversationId);
  await expect(failing.finished()).rejects.toMatchObject({ code: "responder_timeout" });
  const before = [
    ["user", "one", "complete"],
    ["assistant", "reply 1 to 1", "complete"],
    ["user", "two", "complete"],
  ];
  expect(await historyOf(services, conversationId)).toEqual([...before, ["assistant", "reply 2 to 3", "complete"]]);
  const again = await services.conversations.regenerateReply(ADA, conversationId);
  const reply = await again.finished();
  expect(reply).toMatchObject({ content: "reply 4 to 3", seq: 5 });
  expect(await historyOf(services, conversationId)).toEqual([...before, ["assistant", "reply 4 to 3", "complete"]]);
  // What was replaced was used all the same.
  const { days } = await services.conversations.getUsage(ADA);
  const assistant = days.filter(({ role }) => role === "assistant");
  expect(assistant.reduce((sum, { tokensUsed }) => sum + tokensUsed, 0)).toBe(30);
});

test("a fence that is not the row's closes nothing", async () => {
  const model = released();
  const services = await withResponder(model.respond);
  const turn = await services.conversations.streamMessage(ADA, { message: "Hello" });
  const userId = await resolveUser(services.deps, ADA);
  const ref = toRef({ userId, conversationId: turn.conversationId });
  const generation = await findGeneration(services.deps.db, ref);
  if (!generation) throw new Error("a reply is being written");
  const late = { at: ref, fence: String(BigInt(generation.fence) - 1n) };
  const message = { id: generation.messageId, role: "assistant", content: "late" } as const;
  expect(await closeTurn(services.deps.db, late, message)).toBeNull();
  model.say("in time");
  model.end();
  expect((await turn.finished()).content).toBe("in time");
});

test("a reply to a conversation that goes to the trash is in it when it comes back", async () => {
  const model = released();
  const services = await withResponder(model.respond);
  const turn = await services.conversations.streamMessage(ADA, { message: "Hello" });
  await services.conversations.deleteConversation(ADA, turn.conversationId);
  model.say("still here");
  model.end();
  await turn.finished().catch((error: unknown) => expect(error).toBeInstanceOf(BackscrollError));
  await expect(services.conversations.getRecentMessages(ADA, turn.conversationId)).rejects.toMatchObject({
    code: "conversation_not_found",
  });
  await services.conversations.restoreConversation(ADA, turn.conversationId);
  expect(await historyOf(services, turn.conversationId)).toHaveLength(2);
});

test("a server that stops closes its replies as interrupted, and a retry elsewhere takes their place", async () => {
  const model = released();
  const stopping = await withResponder(model.respond, { drainTimeoutMs: 0 });
  const turn = await stopping.conversations.streamMessage(ADA, { message: "Hello", messageId: "q1" });
  model.say("half");
  await turn[Symbol.asyncIterator]().next();
  const interrupted = turn.finished().catch((error: unknown) => error);
  await stopping.close();
  expect(await interrupted).toMatchObject({ code: "shutting_down" });
  const other = await another(stopping.databaseUrl, model.respond);
  expect(await historyOf(other, turn.conversationId)).toEqual([
    ["user", "Hello", "complete"],
    ["assistant", "half", "interrupted"],
  ]);
  model.say(" and whole");
  model.end();
  await other.conversations.sendMessage(ADA, { message: "Hello", messageId: "q1" });
  expect(await historyOf(other, turn.conversationId)).toEqual([
    ["user", "Hello", "complete"],
    ["assistant", "half and whole", "complete"],
  ]);
});

test("a regeneration that is stopped before it says anything leaves the reply that was there", async () => {
  const model = released();
  const services = await withResponder(model.respond);
  const first = await services.conversations.streamMessage(ADA, { message: "Hello" });
  model.say("good");
  model.end();
  await first.finished();
  const silent = released();
  const other = await another(services.databaseUrl, silent.respond);
  const { conversationId } = first;
  const response = other.call(ADA, "POST", "/api/chat", {
    id: conversationId,
    messages: [{ id: "a", role: "assistant", parts: [] }],
    trigger: "regenerate-message",
  });
  await expect.poll(() => silent.asked()).toBe(1);
  const stopped = await other.call(ADA, "POST", `/api/chat/${conversationId}/stop`);
  expect(stopped.json).toEqual({ stopped: true, message: null });
  const { text } = await response;
  expect(text).toContain('"type":"abort"');
  expect(text).not.toContain('"type":"error"');
  expect(await historyOf(services, conversationId)).toEqual([
    ["user", "Hello", "complete"],
    ["assistant", "good", "complete"],
  ]);
});

test("a turn whose conversation is erased while it is answered says that there is none", async () => {
  const model = released();
  const services = await withResponder(model.respond);
  const turn = await services.conversations.streamMessage(ADA, { message: "Hello" });
  await services.conversations.deleteConversation(ADA, turn.conversationId, { permanent: true });
  model.end();
  await expect(turn.finished()).rejects.toMatchObject({ code: "conversation_not_found" });
});

test("who waits for a reply whose server goes away is given another one", async () => {
  const model = released();
  const writer = await withResponder(model.respond, { drainTimeoutMs: 0 });
  const answering = released();
  const other = await another(writer.databaseUrl, answering.respond);
  const request = { message: "Hello", messageId: "q1" };
  const turn = await writer.conversations.streamMessage(ADA, request);
  turn.finished().catch(() => undefined);
  const waiting = other.conversations.sendMessage(ADA, request);
  await expect.poll(() => other.deps.followedReplies.size).toBe(1);
  answering.say("from here");
  answering.end();
  await writer.close();
  expect((await waiting).assistantMessage).toMatchObject({ content: "from here", status: "complete" });
  expect(await historyOf(other, turn.conversationId)).toHaveLength(2);
});
