import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, expect, test as base } from "vitest";
import { findChromium } from "./find-chromium.ts";
import type { ScriptedReply } from "./scripted-model.ts";
import { killHard } from "./turn-fixture.ts";
import { bundlePage, type Files } from "./use-chat/bundle-page.ts";
import type { ChatPage } from "./use-chat/chat-page.ts";
import { setStage, type Stage } from "./use-chat/stage.ts";

// The unmodified `useChat` of `ai` 7, in a browser, against two servers.

const CHROMIUM_ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const POLL = { timeout: 10_000, interval: 20 };

let browser: Browser;
let files: Files;

beforeAll(async () => {
  const executablePath = findChromium();
  [browser, files] = await Promise.all([chromium.launch({ executablePath, args: CHROMIUM_ARGS }), bundlePage()]);
}, 300_000);

afterAll(() => browser.close());

const test = base.extend<{ stage: Stage }>({
  // oxlint-disable-next-line no-empty-pattern -- how Vitest reads a fixture's dependencies
  stage: async ({}, use) => {
    const stage = await setStage(browser, files);
    await use(stage);
    expect(stage.pageErrors).toEqual([]);
  },
});

/** @param shown each message as `role: text`, and in brackets its status when it is not complete */
async function expectShown(chat: ChatPage, ...shown: readonly string[]): Promise<void> {
  await expect.poll(() => chat.shown(), POLL).toEqual(shown);
}

async function expectStatus(chat: ChatPage, status: "ready" | "streaming" | "error"): Promise<void> {
  await expect.poll(() => chat.status(), POLL).toBe(status);
}

/** What is stored is what the page shows, in the same messages. */
async function expectStored(stage: Stage, chat: ChatPage): Promise<void> {
  const history = await stage.b.history(chat.conversationId());
  const stored = history.map(({ role, content, status }) =>
    status === "complete" ? `${role}: ${content}` : `${role}: ${content} (${status})`,
  );
  expect(stored).toEqual(await chat.shown());
  expect(history.map((message) => message.id)).toEqual(await chat.ids());
}

/** A new conversation, in which the model has said one token and the page shows it. */
async function startReply(stage: Stage): Promise<{ chat: ChatPage; reply: ScriptedReply }> {
  const chat = await stage.open();
  await chat.send("Count");
  await expect.poll(async () => stage.model.asked || (await chat.error()), POLL).toBe(1);
  const reply = await stage.model.nextReply();
  reply.say("one");
  await expectShown(chat, "user: Count", "assistant: one");
  return { chat, reply };
}

/** The model says the rest: every one of these pages shows it as it comes, and ends with the whole. */
async function expectRest(stage: Stage, reply: ScriptedReply, ...pages: readonly ChatPage[]): Promise<void> {
  reply.say(" two");
  for (const page of pages) await expectShown(page, "user: Count", "assistant: one two");
  reply.say(" three");
  reply.finish();
  for (const page of pages) {
    await expectStatus(page, "ready");
    await expectShown(page, "user: Count", "assistant: one two three");
    await expectStored(stage, page);
  }
  expect(stage.model.asked).toBe(1);
}

test("what the model says is shown as it is said, and stored under the ids the page shows", async ({ stage }) => {
  const { chat, reply } = await startReply(stage);
  await expectStatus(chat, "streaming");
  await expectRest(stage, reply, chat);
  for (const minted of [chat.conversationId(), (await chat.ids())[0]]) expect(minted).toMatch(/^[A-Za-z0-9]{16}$/);
  await chat.reload();
  await expectShown(chat, "user: Count", "assistant: one two three");
  await expectStored(stage, chat);
});

test("a page reloaded after one token shows the whole answer, told by the other server", async ({ stage }) => {
  const { chat, reply } = await startReply(stage);
  stage.site.forwardTo(stage.b);
  await chat.reload();
  await expectShown(chat, "user: Count", "assistant: one");
  await expectRest(stage, reply, chat);
});

test("a reply that ends while a page loads, after its history and before its stream, is shown", async ({ stage }) => {
  const { chat, reply } = await startReply(stage);
  await chat.beforeStream(async () => {
    reply.finish();
    await expect.poll(async () => (await stage.b.history(chat.conversationId())).length, POLL).toBe(2);
  });
  await chat.reload();
  await expectShown(chat, "user: Count", "assistant: one");
  await expectStored(stage, chat);
});

test("a second tab on the other server shows the reply that runs, and so does the first", async ({ stage }) => {
  const { chat, reply } = await startReply(stage);
  stage.site.forwardTo(stage.b);
  const second = await stage.open(chat.conversationId());
  await expectShown(second, "user: Count", "assistant: one");
  await expectRest(stage, reply, chat, second);
});

test("after a cut connection, reconnecting to the other server shows the whole answer", async ({ stage }) => {
  const { chat, reply } = await startReply(stage);
  stage.network.cut();
  await expectStatus(chat, "error");
  await expectShown(chat, "user: Count", "assistant: one");
  stage.site.forwardTo(stage.b);
  await chat.press("Reconnect");
  await expectRest(stage, reply, chat);
});

test("a question that the browser sends again by itself is asked once", async ({ stage }) => {
  const { site, network, model } = stage;
  const { chat, reply } = await startReply(stage);
  reply.finish();
  await expectStatus(chat, "ready");

  network.loseAnswers();
  await chat.send("Again");
  const second = await model.nextReply();
  // When a connection that was used before ends without an answer, Chromium takes the server to have closed it before
  // the request came. It sends the same POST again, and tells nobody.
  site.forwardTo(stage.b);
  network.cut();
  await expect.poll(() => site.received("POST /api/chat"), POLL).toBe(3);
  second.sayAll("one", " two");
  await expectShown(chat, "user: Count", "assistant: one", "user: Again", "assistant: one two");
  await expectStatus(chat, "ready");
  await expectStored(stage, chat);
  expect(model.asked).toBe(2);
});

test("a network that stands still delays the answer and loses nothing of it", async ({ stage }) => {
  const { chat, reply } = await startReply(stage);
  stage.network.stall();
  reply.say(" two");
  reply.say(" three");
  reply.finish();
  await expect.poll(async () => (await stage.b.history(chat.conversationId())).length, POLL).toBe(2);
  await expectShown(chat, "user: Count", "assistant: one");
  stage.network.resume();
  await expectStatus(chat, "ready");
  await expectShown(chat, "user: Count", "assistant: one two three");
  await expectStored(stage, chat);
});

test("stopping keeps what was written, wherever the reply runs, and the conversation goes on", async ({ stage }) => {
  const { chat, reply } = await startReply(stage);
  stage.site.forwardTo(stage.b);
  await chat.press("Stop");
  await reply.hungUp;
  await expectStatus(chat, "ready");
  const statuses = async (): Promise<string[]> =>
    (await stage.b.history(chat.conversationId())).map(({ status }) => status);
  await expect.poll(statuses, POLL).toEqual(["complete", "stopped"]);
  await chat.reload();
  await expectShown(chat, "user: Count", "assistant: one (stopped)");
  await expectStored(stage, chat);

  await chat.send("Go on");
  (await stage.model.nextReply()).sayAll("two");
  await expectShown(chat, "user: Count", "assistant: one (stopped)", "user: Go on", "assistant: two");
  await expectStatus(chat, "ready");
  await expectStored(stage, chat);
});

test("a regenerated reply takes the place of the old one", async ({ stage }) => {
  const { chat, reply } = await startReply(stage);
  reply.finish();
  await expectStatus(chat, "ready");
  const [questionId, oldId] = await chat.ids();

  stage.site.forwardTo(stage.b);
  await chat.press("Regenerate");
  const another = await stage.model.nextReply();
  another.say("eins");
  await expectShown(chat, "user: Count", "assistant: eins");
  stage.site.forwardTo(stage.a);
  await chat.reload();
  await expectShown(chat, "user: Count", "assistant: eins");
  another.sayAll(" zwei");
  await expectStatus(chat, "ready");
  await expectShown(chat, "user: Count", "assistant: eins zwei");
  await expectStored(stage, chat);
  await chat.reload();
  await expectShown(chat, "user: Count", "assistant: eins zwei");
  expect((await chat.ids())[0]).toBe(questionId);
  expect((await chat.ids())[1]).not.toBe(oldId);
  expect(another.question).toBe("Count");
});

test("a model that fails is an error on the page, and regenerating answers", async ({ stage }) => {
  const { chat, reply } = await startReply(stage);
  reply.breakOff();
  await expectStatus(chat, "error");
  await expectShown(chat, "user: Count", "assistant: one (failed)");
  expect(await chat.error()).toMatch(/^[^{}]*your message is kept/); // a sentence for people
  await chat.reload();
  await expectShown(chat, "user: Count", "assistant: one (failed)");
  await expectStored(stage, chat);

  await chat.press("Regenerate");
  const another = await stage.model.nextReply();
  another.sayAll("one", " two");
  await expectStatus(chat, "ready");
  await expectShown(chat, "user: Count", "assistant: one two");
  await expectStored(stage, chat);
});

test("what is said while a reply runs is refused, and the running reply is not disturbed", async ({ stage }) => {
  const { chat, reply } = await startReply(stage);
  stage.site.forwardTo(stage.b);
  const second = await stage.open(chat.conversationId());
  await expectShown(second, "user: Count", "assistant: one");
  await second.send("And then?");
  await expectStatus(second, "error");
  expect(await second.error()).toContain("conversation_busy");
  await expectRest(stage, reply, chat);
});

test("of a server that was killed mid-reply, the text is kept, and regenerating answers", async ({ stage }) => {
  const { chat, reply } = await startReply(stage);
  stage.site.forwardTo(stage.b);
  // What the other server shows is kept; it is told of a text 50 ms later.
  const other = await stage.open(chat.conversationId());
  await expectShown(other, "user: Count", "assistant: one");
  await other.page.close();
  await killHard(stage.a);
  await expectStatus(chat, "error");
  await chat.reload();
  await expectShown(chat, "user: Count", "assistant: one (interrupted)");
  await expectStored(stage, chat);
  await reply.hungUp;

  await chat.press("Regenerate");
  (await stage.model.nextReply()).sayAll("one", " two");
  await expectStatus(chat, "ready");
  await expectShown(chat, "user: Count", "assistant: one two");
  await expectStored(stage, chat);
});
