import { expect, onTestFinished } from "vitest";
import type { MessageStatus, NewMessage, Role } from "../src/domain/message.ts";
import { type Context, contextFor } from "../src/service/context.ts";
import { getFullHistory } from "../src/service/history.ts";
import { type ConversationName, deleteMessage, editMessage, saveMessages, toRef } from "../src/service/messages.ts";
import { parseMessageJson } from "../src/domain/message.ts";
import { createServices, newSchema, type Services, test } from "./services.ts";

const ADA = "ada@example.com";
/** Exactly 10 tokens of `o200k_base`, and 14 with what surrounds a message; more than 10 bytes, so it has to be counted. */
const TEN_TOKENS = "one two three four five six seven eight nine ten";

interface Said {
  readonly role: Role;
  readonly content: string;
  readonly status?: MessageStatus;
}

async function start(
  options: { contextTokens?: number; contextMessages?: number; cacheMessageLimit?: number } = {},
): Promise<Services> {
  const { databaseUrl, drop } = await newSchema();
  const services = await createServices({ databaseUrl, ...options });
  onTestFinished(async () => {
    await services.close();
    await drop();
  });
  return services;
}

function user(content: string): Said {
  return { role: "user", content };
}

async function conversationOf(services: Services, said: readonly Said[]): Promise<ConversationName> {
  const at = await services.newConversation(ADA);
  const messages: NewMessage[] = said.map((message, i) => ({ ...message, id: `m${i + 1}` }));
  for (let i = 0; i < messages.length; i += 100) await saveMessages(services.deps, at, messages.slice(i, i + 100));
  return at;
}

function contextAt(services: Services, at: ConversationName, questionSeq: number): Promise<Context> {
  return contextFor(services.deps, toRef(at), questionSeq);
}

test("a short conversation is shown whole, oldest first, up to the question", async ({ services }) => {
  const said: Said[] = [
    { role: "system", content: "Be brief." },
    user("Hi"),
    { role: "assistant", content: "Hello." },
    user("?"),
  ];
  const at = await conversationOf(services, said);
  expect(await contextAt(services, at, 4)).toEqual({ messages: said, leftOut: 0 });
  expect(await contextAt(services, at, 2)).toEqual({ messages: said.slice(0, 2), leftOut: 0 });
});

test("as many messages as the budget holds, to the token, and no gap behind one that is too long", async () => {
  const said = [user("x"), user(TEN_TOKENS.repeat(10)), ...Array.from({ length: 5 }, () => user(TEN_TOKENS))];
  const exactly = await start({ contextTokens: 5 * 14 });
  const at = await conversationOf(exactly, said);
  expect(await contextAt(exactly, at, 7)).toEqual({ messages: said.slice(2), leftOut: 2 });
  const oneLess = await start({ contextTokens: 5 * 14 - 1 });
  const there = await conversationOf(oneLess, said);
  expect(await contextAt(oneLess, there, 7)).toEqual({ messages: said.slice(3), leftOut: 3 });
});

test("the question is shown whatever its size, and then nothing else", async () => {
  const services = await start({ contextTokens: 20 });
  for (const question of [TEN_TOKENS.repeat(3), "x".repeat(100_000)]) {
    const at = await conversationOf(services, [user("before"), user(question)]);
    expect(await contextAt(services, at, 2)).toEqual({ messages: [user(question)], leftOut: 1 });
  }
});

test("short messages are not counted: the tokenizer is not even asked", async () => {
  const services = await start({ contextTokens: 1_000 });
  const at = await conversationOf(services, [user("ü".repeat(100)), user("Hello")]);
  const deps = { ...services.deps, tokenCounter: { count: () => expect.unreachable() } as never };
  expect((await contextFor(deps, toRef(at), 2)).messages).toHaveLength(2);
});

test("bytes, not characters, tell what need not be counted", async () => {
  const services = await start({ contextTokens: 100 });
  const parrots = user("🦜".repeat(20)); // 40 UTF-16 code units, 60 tokens, 80 bytes
  const at = await conversationOf(services, [parrots, parrots]);
  expect(await contextAt(services, at, 2)).toEqual({ messages: [parrots], leftOut: 1 });
});

test("what the budget does not hold is not read either", async () => {
  const services = await start({ contextTokens: 30, cacheMessageLimit: 1 });
  const said = Array.from({ length: 200 }, () => user(TEN_TOKENS));
  const at = await conversationOf(services, said);
  let rows = 0;
  const { db } = services.deps;
  const query: typeof db.query = async (statement) => {
    const found = await db.query(statement);
    rows += found.length;
    return found as never;
  };
  expect((await contextFor({ ...services.deps, db: { ...db, query } }, toRef(at), 200)).messages).toHaveLength(2);
  expect(rows).toBeLessThanOrEqual(22); // the question, perhaps from the cache, and a page of 20
});

test("the results of tools go with the message that called them, or not at all", async () => {
  const said: Said[] = [
    user("x"),
    { role: "assistant", content: "" },
    { role: "tool", content: TEN_TOKENS },
    { role: "tool", content: TEN_TOKENS },
    { role: "assistant", content: TEN_TOKENS },
    user("?"),
  ];
  const [reply, call] = [14 + 5, 4 + 14 + 14];
  for (const [contextTokens, shown] of [
    [reply, 2],
    [reply + call - 1, 2],
    [reply + call, 5],
    [reply + call + 5, 6],
  ] as const) {
    const services = await start({ contextTokens });
    const at = await conversationOf(services, said);
    const context = await contextAt(services, at, 6);
    expect(context).toEqual({ messages: said.slice(-shown), leftOut: 6 - shown });
  }
});

test("results whose call is beyond the number of messages, or deleted, are left out", async () => {
  const said: Said[] = [
    { role: "assistant", content: "" },
    { role: "tool", content: "4" },
    { role: "tool", content: "5" },
    user("?"),
  ];
  const bounded = await start({ contextMessages: 3 });
  const at = await conversationOf(bounded, said);
  expect(await contextAt(bounded, at, 4)).toEqual({ messages: [user("?")], leftOut: 3 });
  const services = await start();
  const there = await conversationOf(services, said);
  await deleteMessage(services.deps, there, { messageId: "m1", actor: null });
  expect(await contextAt(services, there, 4)).toEqual({ messages: [user("?")], leftOut: 2 });
});

test("a reply that failed is left out with its tools, and counts as left out; one cut short is shown", async ({
  services,
}) => {
  const at = await conversationOf(services, [
    user("one"),
    { role: "assistant", content: "half", status: "failed" },
    { role: "tool", content: "4" },
    { role: "assistant", content: "stopped", status: "stopped" },
    { role: "assistant", content: "interrupted", status: "interrupted" },
    user("two"),
  ]);
  const { messages, leftOut } = await contextAt(services, at, 6);
  expect(messages.map(({ content }) => content)).toEqual(["one", "stopped", "interrupted", "two"]);
  expect(leftOut).toBe(2);
});

test("past the cached window it goes on in PostgreSQL, as far as the budget and the number of messages go", async () => {
  const said = Array.from({ length: 120 }, (_, i) => user(`message ${i + 1}`));
  for (const [options, shown] of [
    [{}, 120],
    [{ contextMessages: 120 }, 120],
    [{ contextMessages: 50 }, 50],
    [{ contextMessages: 21 }, 21],
    [{ contextMessages: 7 }, 7],
    [{ contextTokens: 14 * 7 }, 14], // "message ", "1", "2", and 4 beside
    [{ contextMessages: 50, cacheMessageLimit: 1 }, 50],
  ] as const) {
    const services = await start(options);
    const at = await conversationOf(services, said);
    expect(await contextAt(services, at, 120)).toEqual({ messages: said.slice(-shown), leftOut: 120 - shown });
  }
});

test("what came after the question is not shown and not counted, be it a reply or more than the cached window", async () => {
  for (const contextMessages of [200, 10]) {
    const services = await start({ contextMessages, cacheMessageLimit: 5 });
    const said = Array.from({ length: 40 }, (_, i) => user(`m${i + 1}`));
    const at = await conversationOf(services, said);
    await deleteMessage(services.deps, at, { messageId: "m3", actor: null });
    await deleteMessage(services.deps, at, { messageId: "m39", actor: null });
    for (const seq of [40, 38, 37, 30, 12]) {
      const upTo = said.slice(0, seq).filter(({ content }) => content !== "m3" && content !== "m39");
      const messages = upTo.slice(-contextMessages);
      expect(await contextAt(services, at, seq)).toEqual({ messages, leftOut: upTo.length - messages.length });
    }
  }
});

test("an edited message is counted anew", async () => {
  const services = await start({ contextTokens: 14 + 30 });
  const at = await conversationOf(services, [user(TEN_TOKENS.repeat(10)), user(TEN_TOKENS)]);
  expect((await contextAt(services, at, 2)).messages).toHaveLength(1);
  await editMessage(services.deps, at, "m1", { content: TEN_TOKENS, expectedVersion: null });
  expect((await contextAt(services, at, 2)).messages).toHaveLength(2);
});

test("a message is counted once, in its first turn, and one of the same id elsewhere is another", async () => {
  const services = await start({ contextTokens: 100 });
  const counted: string[] = [];
  const { tokenCounter } = services.deps;
  const keys = new Set<string>();
  const spy = {
    count(key: string, text: string): Promise<number> {
      if (!keys.has(key)) counted.push(text);
      keys.add(key);
      return tokenCounter.count(key, text);
    },
  };
  const deps = { ...services.deps, tokenCounter: spy as never };
  const at = await conversationOf(services, [user(`${TEN_TOKENS}${TEN_TOKENS}`), user(TEN_TOKENS)]);
  const other = await conversationOf(services, [user(`${TEN_TOKENS}, ${TEN_TOKENS}`), user("two")]);
  await services.deps.db.pool.query("update messages set created_at = '2026-01-01'"); // in one millisecond
  await Promise.all([at, other].map((each) => deps.cache.changed(toRef(each))));
  await contextFor(deps, toRef(at), 2);
  await saveMessages(deps, at, [{ role: "user", content: "new" }]);
  await contextFor(deps, toRef(at), 3);
  await contextFor(deps, toRef(other), 2);
  expect(counted).toEqual([TEN_TOKENS, `${TEN_TOKENS}${TEN_TOKENS}`, "new", "two", `${TEN_TOKENS}, ${TEN_TOKENS}`]);
});

test("a question that was deleted, and a conversation that is gone or somebody else's, are told apart from an empty one", async ({
  services,
}) => {
  const at = await conversationOf(services, [user("one"), user("two")]);
  await deleteMessage(services.deps, at, { messageId: "m2", actor: null });
  await expect(contextAt(services, at, 2)).rejects.toMatchObject({ code: "message_not_found" });
  const bob = await services.newConversation("bob@example.com");
  const bobs = { userId: bob.userId, conversationId: at.conversationId };
  await expect(contextAt(services, bobs, 1)).rejects.toMatchObject({ code: "conversation_not_found" });
});

test("any history: what is shown is what a simple reading of the rules shows", async () => {
  const random = seeded(42);
  for (let round = 0; round < 5; round += 1) {
    const options = {
      contextTokens: 20 + random(600),
      contextMessages: 1 + random(90),
      cacheMessageLimit: 1 + random(20),
    };
    const services = await start(options);
    const said = Array.from({ length: 60 }, (): Said => {
      const content = `${TEN_TOKENS} `.repeat(random(4));
      const role = (["user", "assistant", "tool", "tool"] as const)[random(4)] ?? "user";
      return { role, content, status: role === "assistant" && random(3) === 0 ? "failed" : "complete" };
    });
    const at = await conversationOf(services, said);
    for (let i = 0; i < 5; i += 1)
      await deleteMessage(services.deps, at, { messageId: `m${1 + i * 10 + random(10)}`, actor: null });
    const stored = (await getFullHistory(services.deps, at, { pageSize: 200 })).messages.map(parseMessageJson);
    for (const { seq, role } of stored) {
      if (role !== "user") continue;
      const upTo = stored.filter((message) => message.seq <= seq);
      expect(await contextAt(services, at, seq)).toEqual(await expected(services, upTo));
    }
  }
});

/** Marsaglia's xorshift32. @returns a function that gives a whole number below n */
function seeded(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
}

/** The rules, read simply. */
async function expected(services: Services, upTo: readonly Said[]): Promise<Context> {
  const { contextTokens, contextMessages } = services.deps.settings;
  const units: Said[][] = [];
  for (const message of upTo.slice(-contextMessages)) {
    if (message.role !== "tool") units.push([message]);
    else units.at(-1)?.push(message);
  }
  let left = contextTokens;
  const shown: Said[] = [];
  for (const unit of units.toReversed()) {
    if (unit[0]?.role === "assistant" && unit[0].status === "failed") continue;
    for (const { content } of unit) left -= 4 + (await services.deps.tokenCounter.count(content, content));
    if (left < 0 && shown.length > 0) break;
    shown.unshift(...unit);
  }
  return { messages: shown.map(({ role, content }) => ({ role, content })), leftOut: upTo.length - shown.length };
}
