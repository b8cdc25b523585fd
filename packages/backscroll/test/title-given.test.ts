import { pino } from "pino";
import { expect, onTestFinished } from "vitest";
import { DEFAULT_TITLE } from "../src/domain/conversation.ts";
import type { Change } from "../src/live/change-feed.ts";
import type { Exchange, Responder } from "../src/responder/responder.ts";
import type { ConversationName } from "../src/service/messages.ts";
import { toRef } from "../src/service/messages.ts";
import { giveTitle } from "../src/service/title.ts";
import { createServices, newSchema, type Services, test } from "./services.ts";

const ADA = "ada@example.com";
const EXCHANGE = { question: "Where do I sleep in Rome? I like cats.", reply: "In Trastevere." };
const FROM_QUESTION = "Where do I sleep in Rome? I like cats";

interface Titled extends Services {
  /** messages of what was logged as a warning */
  readonly warnings: readonly string[];
}

/** A Backscroll whose responder suggests what the test wants. */
async function withTitles(suggestTitle: NonNullable<Responder["suggestTitle"]>): Promise<Titled> {
  const warnings: string[] = [];
  const logger = pino(
    { level: "warn" },
    { write: (line: string) => void warnings.push((JSON.parse(line) as { msg: string }).msg) },
  );
  const responder: Responder = {
    description: "scripted",
    async *respond() {
      yield await Promise.resolve({ type: "text" as const, text: "Hello." });
    },
    suggestTitle,
  };
  const { databaseUrl, drop } = await newSchema();
  const services = await createServices({ databaseUrl, responder, logger });
  onTestFinished(async () => {
    await services.close();
    await drop();
  });
  return { ...services, warnings };
}

async function titleOf(services: Services, { conversationId }: ConversationName): Promise<string> {
  return (await services.call(ADA, "GET", `/api/conversations/${conversationId}`)).json.title;
}

test("without a model the question gives the title, once", async ({ services }) => {
  const at = await services.newConversation(ADA);
  expect(await giveTitle(services.deps, toRef(at), EXCHANGE)).toBe(FROM_QUESTION);
  expect(await titleOf(services, at)).toBe(FROM_QUESTION);
  expect(await giveTitle(services.deps, toRef(at), { question: "And then?", reply: "" })).toBeNull();
  expect(await titleOf(services, at)).toBe(FROM_QUESTION);
});

test("the responder's suggestion is the title, mended: one line, no quotation marks, 60 characters", async () => {
  const asked: Exchange[] = [];
  const services = await withTitles((exchange) => {
    asked.push(exchange);
    return Promise.resolve(`"A week\u0000 in Rome ${"with cats ".repeat(20)}"\nI hope you like it.`);
  });
  const at = await services.newConversation(ADA);
  const title = await giveTitle(services.deps, toRef(at), EXCHANGE);
  expect(title).toMatch(/^A week in Rome with cats[ a-z]*…$/);
  expect(title?.length).toBeLessThanOrEqual(60);
  expect(await titleOf(services, at)).toBe(title);
  expect(asked).toEqual([EXCHANGE]);
});

test("a suggestion that fails or says nothing leaves it to the question", async () => {
  const throwing = (): Promise<string> => {
    throw new Error("at once");
  };
  for (const [suggest, warnings] of [
    [() => Promise.reject(new Error("no model")), 1],
    [throwing, 1],
    [() => Promise.resolve(' "" '), 0],
  ] as const) {
    const services = await withTitles(suggest);
    const at = await services.newConversation(ADA);
    expect(await giveTitle(services.deps, toRef(at), EXCHANGE)).toBe(FROM_QUESTION);
    expect(services.warnings).toHaveLength(warnings);
  }
});

test("a service that stops does not wait for the responder: the question gives the title", async () => {
  const asked = Promise.withResolvers<AbortSignal>();
  const services = await withTitles((_, signal) => {
    asked.resolve(signal);
    return new Promise(() => undefined); // deaf to the signal, too
  });
  const at = await services.newConversation(ADA);
  const titled = giveTitle(services.deps, toRef(at), EXCHANGE);
  const signal = await asked.promise;
  services.drain();
  expect(await titled).toBe(FROM_QUESTION);
  expect(signal.aborted).toBe(true);
  expect(services.warnings).toEqual([]);
});

test.for([
  ["at its creation", { title: "Mine" }, {}, "Mine"],
  ["at its creation, the default's words", { title: DEFAULT_TITLE }, {}, DEFAULT_TITLE],
  ["later", {}, { title: "Mine" }, "Mine"],
  ["later, the default's words", {}, { title: DEFAULT_TITLE }, DEFAULT_TITLE],
] as const)("a title the user gave %s stays", async ([, creation, changes, title], { services }) => {
  await services.call(ADA, "POST", "/api/conversations", { id: "c", ...creation });
  await services.call(ADA, "PATCH", "/api/conversations/c", { pinned: true, ...changes });
  const { userId } = await services.newConversation(ADA);
  const at = { userId, conversationId: "c" };
  expect(await giveTitle(services.deps, toRef(at), EXCHANGE)).toBeNull();
  expect(await titleOf(services, at)).toBe(title);
});

test("a title the user gives while the model is thinking stays", async () => {
  const thinking = Promise.withResolvers<void>();
  const suggestion = Promise.withResolvers<string>();
  const services = await withTitles(() => {
    thinking.resolve();
    return suggestion.promise;
  });
  const at = await services.newConversation(ADA);
  const titled = giveTitle(services.deps, toRef(at), EXCHANGE);
  await thinking.promise;
  await services.call(ADA, "PATCH", `/api/conversations/${at.conversationId}`, { title: "Mine" });
  suggestion.resolve("The model's");
  expect(await titled).toBeNull();
  expect(await titleOf(services, at)).toBe("Mine");
});

test("two servers that name it at once: one of them does", async ({ services }) => {
  const at = await services.newConversation(ADA);
  const titles = await Promise.all(
    ["one", "two", "three", "four"].map((question) => giveTitle(services.deps, toRef(at), { question, reply: "" })),
  );
  const given = titles.filter((title) => title !== null);
  expect(given).toEqual([await titleOf(services, at)]);
});

test("an exchange without words, a trashed conversation and somebody else's get no title", async ({ services }) => {
  const at = await services.newConversation(ADA);
  const bob = await services.newConversation("bob@example.com");
  expect(await giveTitle(services.deps, toRef(at), { question: "…", reply: "?" })).toBeNull();
  const bobs = { userId: bob.userId, conversationId: at.conversationId };
  expect(await giveTitle(services.deps, toRef(bobs), EXCHANGE)).toBeNull();
  await services.call(ADA, "DELETE", `/api/conversations/${at.conversationId}`);
  expect(await giveTitle(services.deps, toRef(at), EXCHANGE)).toBeNull();
  await services.call(ADA, "POST", `/api/conversations/${at.conversationId}/restore`);
  expect(await titleOf(services, at)).toBe(DEFAULT_TITLE);
});

test("the user's other clients are told of the title, by the id its author gave; nobody of one that was not set", async ({
  services,
}) => {
  await services.call(ADA, "POST", "/api/conversations", { id: "trip" });
  const { userId } = await services.newConversation(ADA);
  const told: Change[] = [];
  const feed = { ...services.deps.live.feed, tell: (_: number, change: Change) => void told.push(change) };
  const deps = { ...services.deps, live: { ...services.deps.live, feed } };
  await giveTitle(deps, toRef({ userId, conversationId: "trip" }), EXCHANGE);
  await giveTitle(deps, toRef({ userId, conversationId: "trip" }), EXCHANGE);
  expect(told).toEqual([{ type: "conversation_updated", conversation_id: "trip" }]);
});

test("a title that cannot be saved is logged, and nothing is thrown", async () => {
  const services = await withTitles(() => Promise.resolve("The model's"));
  const at = await services.newConversation(ADA);
  await services.deps.db.pool.query("alter table conversations rename to conversations_elsewhere");
  expect(await giveTitle(services.deps, toRef(at), EXCHANGE)).toBeNull();
  expect(services.warnings).toContain("a title could not be saved; the next exchange gives one");
});

test("the first turn names the conversation, beside the answer; the second does not ask again", async () => {
  let asked = 0;
  const services = await withTitles(() => Promise.resolve(`Title ${(asked += 1)}`));
  const SEND = "/api/conversations/messages";
  const { json } = await services.call(ADA, "POST", SEND, { message: "Hello" });
  const conversation_id: string = json.conversation_id;
  const title = async (): Promise<string> =>
    (await services.call(ADA, "GET", `/api/conversations/${conversation_id}`)).json.title;
  await expect.poll(title).toBe("Title 1");
  await services.call(ADA, "POST", SEND, { message: "More", conversation_id });
  await services.close(); // which waits for what turns have left to do
  expect(asked).toBe(1);
});
