import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished } from "vitest";
import type { ResponderDelta } from "../src/responder/responder.ts";
import type { Responder } from "../src/responder/responder.ts";
import { toRef } from "../src/service/messages.ts";
import { keyOf } from "../src/service/running-reply.ts";
import { resolveUser } from "../src/service/users.ts";
import { createServices, newSchema, type Services, test } from "./services.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";

async function servers(count: number, respond: Responder["respond"], options: object = {}): Promise<Services[]> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const responder = { description: "scripted", respond };
  return Promise.all(
    Array.from({ length: count }, async () => {
      const services = await createServices({ databaseUrl, responder, drainTimeoutMs: 0, ...options });
      onTestFinished(() => services.close());
      return services;
    }),
  );
}

/** Says a word, and the rest when it is released. */
function twoWords(): { respond: Responder["respond"]; release(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    async *respond(): AsyncGenerator<ResponderDelta> {
      yield { type: "text", text: "first" };
      await promise;
      yield { type: "text", text: " last" };
    },
    release: resolve,
  };
}

test("a reply whose id somebody has used is saved all the same, and its conversation is free again", async () => {
  const model = twoWords();
  const [services] = (await servers(1, model.respond)) as [Services];
  const turn = await services.conversations.streamMessage(ADA, { message: "Hello" });
  const squatter = { role: "assistant", content: "mine", id: turn.messageId } as const;
  await services.conversations.saveMessage(ADA, turn.conversationId, squatter);
  model.release();
  expect(await turn.finished()).toMatchObject({ content: "first last", status: "complete", seq: 3 });
  await services.conversations.sendMessage(ADA, { message: "Next", conversationId: turn.conversationId });
});

test("a reply that is interrupted leaves the good one that it would have replaced", async () => {
  let asked = 0;
  const [first, second] = (await servers(2, async function* ({ signal }) {
    asked += 1;
    yield { type: "text", text: `try ${asked}` };
    if (asked === 2) await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("cut"))));
  })) as [Services, Services];
  const { conversationId } = await first.conversations.sendMessage(ADA, { message: "Hello" });
  const again = await first.conversations.regenerateReply(ADA, conversationId);
  await again[Symbol.asyncIterator]().next();
  const ended = again.finished().catch((error: unknown) => error);
  await first.close();
  expect(await ended).toMatchObject({ code: "shutting_down" });
  const { messages } = await second.conversations.getRecentMessages(ADA, conversationId);
  expect(messages.map(({ content, status }) => [content, status])).toEqual([
    ["try 1", "complete"],
    ["Hello", "complete"],
  ]);
});

test("two people whose replies began in the same microsecond never see or stop each other's", async () => {
  const model = twoWords();
  const [writer, other] = (await servers(2, model.respond)) as [Services, Services];
  const hers = await writer.conversations.streamMessage(ADA, { message: "hers" });
  const his = await writer.conversations.streamMessage(BOB, { message: "his" });
  await writer.deps.db.pool.query("update generations set fence = 7");
  for (const [user, turn] of [
    [ADA, hers],
    [BOB, his],
  ] as const) {
    const ref = toRef({ userId: await resolveUser(writer.deps, user), conversationId: turn.conversationId });
    const running = writer.deps.runningReplies.get(keyOf(ref));
    if (running) Object.assign(running.generation, { fence: "7" });
  }
  const [seenByHer, seenByHim] = await Promise.all([
    other.conversations.followReply(ADA, hers.conversationId),
    other.conversations.followReply(BOB, his.conversationId),
  ]);
  expect([seenByHer?.messageId, seenByHim?.messageId]).toEqual([hers.messageId, his.messageId]);
  await other.conversations.stopReply(ADA, hers.conversationId);
  model.release();
  expect(await hers.finished()).toMatchObject({ status: "stopped" });
  expect(await his.finished()).toMatchObject({ status: "complete", content: "first last" });
});

test("a clock that is set, or a row that is locked for long, makes nobody dead", async () => {
  const limitMs = 3_000;
  const model = twoWords();
  const [writer] = (await servers(2, model.respond, { replyHeartbeatTimeoutMs: limitMs })) as [Services, Services];
  const turns = [];
  for (let n = 0; n < 5; n += 1) turns.push(await writer.conversations.streamMessage(ADA, { message: `${n}` }));
  const { pool } = writer.deps.db;
  await pool.query("update generations set heartbeat_at = heartbeat_at + (random() - 0.5) * interval '2 hours'");
  const holder = await pool.connect();
  await holder.query("begin");
  await holder.query("select from generations where conversation_id = $1 for update", [
    toRef({ userId: await resolveUser(writer.deps, ADA), conversationId: turns[0]?.conversationId ?? "" }).id,
  ]);
  // The time itself is what is tested: as long as a dead server is given, and a look more.
  await delay(limitMs * 1.2);
  await holder.query("rollback");
  holder.release();
  model.release();
  const replies = await Promise.all(turns.slice(1).map((turn) => turn.finished()));
  expect(replies.map(({ status }) => status)).toEqual(["complete", "complete", "complete", "complete"]);
});

test("what tools said is in the checkpoint", async () => {
  const hung = Promise.withResolvers<void>();
  const [services] = (await servers(1, async function* () {
    yield { type: "text", text: "Let me look." };
    yield { type: "tool-call", toolCallId: "t", toolName: "look", input: {} };
    await hung.promise;
  })) as [Services];
  await services.conversations.streamMessage(ADA, { message: "Hello" });
  const checkpointed = async (): Promise<unknown> =>
    (await services.deps.db.pool.query("select partial_text, partial_tools from generations")).rows;
  await expect
    .poll(checkpointed, { timeout: 5_000 })
    .toEqual([{ partial_text: "Let me look.", partial_tools: [expect.objectContaining({ at: 12 })] }]);
  hung.resolve();
});

test("half a million pieces are heard without a memory of each, and others are served meanwhile", async () => {
  const pieces = 500_000;
  const [services] = (await servers(1, async function* () {
    for (let n = 0; n < pieces; n += 1) yield { type: "text", text: "wörd" };
  })) as [Services];
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 5);
  onTestFinished(() => clearInterval(timer));
  const turn = await services.conversations.streamMessage(ADA, { message: "Hello" });
  expect((await turn.finished()).content).toHaveLength(pieces * 4);
  expect(turns).toBeGreaterThan(5);
});
