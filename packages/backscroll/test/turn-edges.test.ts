import { expect, onTestFinished } from "vitest";
import type { HistoryCache } from "../src/cache/history-cache.ts";
import { createNoCache } from "../src/cache/no-cache.ts";
import type { CacheMetrics } from "../src/cache/metrics.ts";
import { closeTurn } from "../src/postgres/generations.ts";
import { findGeneration } from "../src/postgres/running-generations.ts";
import { foldUsage } from "../src/postgres/usage.ts";
import type { Responder } from "../src/responder/responder.ts";
import { toRef } from "../src/service/messages.ts";
import { keyOf } from "../src/service/running-reply.ts";
import { resolveUser } from "../src/service/users.ts";
import { createServices, newSchema, type Services, test } from "./services.ts";

const ADA = "ada@example.com";

async function withResponder(respond: Responder["respond"], options: object = {}): Promise<Services> {
  const { databaseUrl, drop } = await newSchema();
  const responder = { description: "scripted", respond };
  const services = await createServices({ databaseUrl, responder, drainTimeoutMs: 0, ...options });
  onTestFinished(async () => {
    await services.close();
    await drop();
  });
  return services;
}

test("the ids and names of tools are mended like what they say", async () => {
  const services = await withResponder(async function* () {
    yield { type: "tool-call", toolCallId: "t\u0000", toolName: "look\ud800", input: {} };
    yield { type: "tool-result", toolCallId: "t\u0000", toolName: "look\ud800", output: 1 };
  });
  const { assistantMessage } = await services.conversations.sendMessage(ADA, { message: "Hello" });
  const mended = { tool_call_id: "t", tool_name: "look\ufffd" };
  expect(assistantMessage).toMatchObject({ status: "complete", parts: [mended, mended] });
});

test("a character whose halves come before and after a tool call is whole, and half a one is left out", async () => {
  const services = await withResponder(async function* () {
    yield { type: "text", text: "a\ud83d" };
    yield { type: "tool-call", toolCallId: "t", toolName: "x", input: {} };
    yield { type: "text", text: "\ude00b\ud83d" };
  });
  const { assistantMessage } = await services.conversations.sendMessage(ADA, { message: "Hello" });
  expect(assistantMessage.content).toBe("a😀b");
});

test("a reply whose end is still being told to the cache does not take the next one's place among those written here", async () => {
  const told = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();
  let isHeld = false;
  const cache: HistoryCache = {
    ...createNoCache({ read: () => undefined } as unknown as CacheMetrics),
    appended: async () => {
      if (isHeld) await told.promise;
    },
  };
  const services = await withResponder(
    async function* ({ messages }) {
      if (messages.length > 1) await answered.promise;
      isHeld = messages.length === 1;
      yield { type: "text", text: `to ${messages.length}` };
    },
    { historyCache: cache },
  );
  const first = await services.conversations.streamMessage(ADA, { message: "one" });
  const userId = await resolveUser(services.deps, ADA);
  const ref = toRef({ userId, conversationId: first.conversationId });
  await expect.poll(() => findGeneration(services.deps.db, ref)).toBeNull();
  isHeld = false;
  const second = await services.conversations.streamMessage(ADA, {
    message: "two",
    conversationId: first.conversationId,
  });
  told.resolve();
  await first.finished();

  expect(services.deps.runningReplies.get(keyOf(ref))?.log.messageId).toBe(second.messageId);
  answered.resolve();
  expect(await second.finished()).toMatchObject({ content: "to 3", status: "complete" });
});

test("three stops before the first token are one, and the conversation goes on", async () => {
  const services = await withResponder(async function* ({ messages }) {
    if (messages.at(-1)?.content === "one") await new Promise(() => undefined);
    yield { type: "text", text: "to two" };
  });
  const { conversationId, messageId } = await services.conversations.streamMessage(ADA, { message: "one" });
  const stops = await Promise.all([1, 2, 3].map(() => services.conversations.stopReply(ADA, conversationId)));
  // One that came when the reply had ended stopped nothing.
  const stopped = stops.filter((stop) => stop !== null);
  expect(stopped.length).toBeGreaterThan(0);
  for (const stop of stopped) expect(stop).toMatchObject({ id: messageId, status: "stopped", content: "" });
  const next = await services.conversations.sendMessage(ADA, { message: "two", conversationId });
  expect(next.assistantMessage).toMatchObject({ content: "to two", seq: 4 });
});

test("regenerations at once, and the question sent again meanwhile, are one reply", async () => {
  let asked = 0;
  const all = Promise.withResolvers<void>();
  const services = await withResponder(async function* () {
    asked += 1;
    yield { type: "text", text: `reply ${asked}` };
    if (asked > 1) await all.promise;
  });
  const request = { message: "Hello", messageId: "q1", conversationId: "c", createConversation: true };
  await services.conversations.sendMessage(ADA, request);
  const turns = await Promise.all([1, 2, 3].map(() => services.conversations.regenerateReply(ADA, "c")));
  const again = await services.conversations.streamMessage(ADA, request);
  all.resolve();
  const replies = await Promise.all([...turns, again].map((turn) => turn.finished()));
  for (const reply of replies) expect(reply).toEqual(replies[0]);
  const { messages } = await services.conversations.getFullHistory(ADA, "c");
  expect(messages.map(({ content }) => content)).toEqual(["Hello", "reply 2"]);
});

test("replies of many models that leave together never wait for each other in a circle", async () => {
  const services = await withResponder(() => new ReadableStream<never>());
  const { db } = services.deps;
  const userId = await resolveUser(services.deps, ADA);
  // So many models that their rows of usage have no order by chance.
  const opened = await Promise.all(
    Array.from({ length: 40 }, async (_, n) => {
      const { conversationId } = await services.conversations.streamMessage(ADA, { message: "Hello" });
      const replies = Array.from({ length: n % 2 ? 90 : 20 }, (_unused, m) => ({
        role: "assistant" as const,
        content: "x",
        model: `model ${m}`,
        tokensUsed: 1,
      }));
      await services.conversations.saveMessages(ADA, conversationId, replies);
      return toRef({ userId, conversationId });
    }),
  );
  await db.pool.query("update generations set replaces_up_to = 1000");
  const generations = await Promise.all(opened.map((ref) => findGeneration(db, ref)));
  const reply = { role: "assistant", content: "new", status: "complete" } as const;
  const closings = generations.map((generation) => generation && closeTurn(db, generation, reply));
  await Promise.all([...closings, foldUsage(db, userId), foldUsage(db, userId)]);
  await foldUsage(db, userId);

  const { days } = await services.conversations.getUsage(ADA);
  const used = days.reduce((sum, { tokensUsed }) => sum + tokensUsed, 0);
  expect(used).toBe(20 * 90 + 20 * 20);
});
