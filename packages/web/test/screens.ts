import type { Page } from "playwright-core";
import { ADA, type AppSettings, type AppStage } from "./app-test.ts";
import { composerOf, say } from "./chat-fixture.ts";
import { givenConversation } from "./list-fixture.ts";
import { MARKDOWN } from "./markdown-sample.ts";

/** One state of one page, as somebody sees it. */
export interface Screen {
  readonly name: string;
  /** of the service */
  readonly settings?: AppSettings;
  /** complaints of the console that belong to it */
  readonly forgives?: RegExp;
  /** @param page at "/" @returns once everything is there */
  show(page: Page, stage: AppStage): Promise<void>;
}

const FAILED_REQUEST = /Failed to load resource/;
/** What the service answers while PostgreSQL is away. */
const UNAVAILABLE = {
  status: 503,
  contentType: "application/problem+json",
  body: JSON.stringify({
    type: "/api/docs#error-database_unavailable",
    title: "Service Unavailable",
    status: 503,
    detail: "PostgreSQL does not answer",
    code: "database_unavailable",
    request_id: "r1",
  }),
};

/** Every screen and state that is looked at, by people and by programs. */
export const SCREENS: readonly Screen[] = [
  {
    name: "new chat, nothing yet",
    async show(page) {
      await openList(page);
      await page.getByText("No conversations yet").first().waitFor();
    },
  },
  {
    name: "list",
    async show(page, stage) {
      await givenConversations(stage);
      await openList(page);
      await page.getByRole("link", { name: "Trip to Rome" }).first().waitFor();
    },
  },
  {
    name: "list, a row's menu",
    async show(page, stage) {
      await givenConversations(stage);
      await openList(page);
      await page.getByRole("link", { name: "Trip to Rome" }).first().hover();
      await page.getByRole("button", { name: "Actions for Trip to Rome" }).first().click();
      await page.getByRole("menuitem", { name: "Rename" }).waitFor();
    },
  },
  {
    name: "list, not read",
    forgives: FAILED_REQUEST,
    async show(page) {
      await page.route("**/api/conversations?**", (route) => route.fulfill(UNAVAILABLE));
      await page.reload();
      await openList(page);
      await page.getByRole("button", { name: "Retry" }).first().waitFor();
    },
  },
  {
    name: "palette",
    async show(page, stage) {
      await givenConversations(stage);
      await composerOf(page).waitFor();
      await page.keyboard.press("Control+k");
      await page.getByRole("option", { name: "Trip to Rome" }).first().waitFor();
    },
  },
  {
    name: "keyboard help",
    async show(page) {
      await page.locator("#main").focus();
      await page.keyboard.press("?");
      await page.getByRole("dialog").waitFor();
    },
  },
  {
    name: "search, found",
    async show(page, stage) {
      await givenConversations(stage);
      await page.goto("/search?q=trip");
      await page.getByRole("main").getByRole("link", { name: /Rome/ }).waitFor();
    },
  },
  {
    name: "search, nothing found",
    async show(page) {
      await page.goto("/search?q=nothing+of+this+name");
      await page.getByRole("main").getByText(/^No /).waitFor();
    },
  },
  {
    name: "conversation",
    async show(page, stage) {
      await page.goto(`/c/${await givenChat(stage)}`);
      await page.getByRole("article").last().waitFor();
    },
  },
  {
    name: "conversation, all that Markdown can do",
    async show(page, stage) {
      const { id } = await stage.services.conversations.createConversation(ADA, { title: "All of Markdown" });
      await stage.services.conversations.saveMessages(ADA, id, [
        { role: "user", content: "Show me everything,\n  as **I** wrote it" },
        { role: "assistant", content: MARKDOWN },
      ]);
      await page.goto(`/c/${id}`);
      await page.getByRole("heading", { name: "What you asked" }).waitFor();
      await page.getByRole("log").locator("math").first().waitFor({ state: "attached" });
    },
  },
  {
    name: "conversation, a reply being written",
    async show(page, stage) {
      await page.goto(`/c/${await givenChat(stage)}`);
      await say(page, "And for four?");
      (await stage.services.nextReply()).say("Twice as much, about **$60**, and");
      await page.getByText("Twice as much").waitFor();
      await page.getByRole("button", { name: "Stop" }).waitFor();
    },
  },
  {
    name: "conversation, a reply stopped",
    async show(page, stage) {
      await page.goto(`/c/${await givenChat(stage)}`);
      await say(page, "And for four?");
      (await stage.services.nextReply()).say("Twice as much, about");
      await page.getByText("Twice as much").waitFor();
      await page.getByRole("button", { name: "Stop" }).click();
      await page.getByRole("article").last().getByText("Stopped").waitFor();
    },
  },
  {
    name: "conversation, a reply failed",
    async show(page, stage) {
      await page.goto(`/c/${await givenChat(stage)}`);
      await say(page, "And for four?");
      const reply = await stage.services.nextReply();
      reply.say("Twice as much, about");
      await page.getByText("Twice as much").waitFor();
      reply.fail(new Error("the model went away"));
      await page.getByText("The reply failed.").waitFor();
    },
  },
  {
    name: "conversation, a message not sent",
    forgives: FAILED_REQUEST,
    async show(page, stage) {
      await page.goto(`/c/${await givenChat(stage)}`);
      await page.getByRole("article").last().waitFor();
      await page.route("**/api/conversations/messages", (route) => route.fulfill({ ...UNAVAILABLE, status: 400 }));
      await say(page, "And for four?");
      await page.getByText("Not sent.").waitFor();
    },
  },
  {
    name: "conversation, a message being edited",
    async show(page, stage) {
      await page.goto(`/c/${await givenChat(stage)}`);
      await page.getByRole("article").last().waitFor();
      await composerOf(page).press("ArrowUp");
      await page.getByRole("form", { name: "Edit message" }).waitFor();
    },
  },
  {
    name: "conversation, whether to delete a message",
    async show(page, stage) {
      await page.goto(`/c/${await givenChat(stage)}`);
      await page.getByRole("article").last().hover();
      await page.getByRole("article").last().getByRole("button", { name: "Delete" }).click();
      await page.getByRole("dialog").waitFor();
    },
  },
  {
    name: "conversation, offline",
    forgives: /Failed to load resource|ERR_/,
    async show(page, stage) {
      await page.goto(`/c/${await givenChat(stage)}`);
      await page.getByRole("article").last().waitFor();
      await composerOf(page).fill("And for four?");
      await page.context().setOffline(true);
      await page.getByText(/^Offline: your text/).waitFor();
    },
  },
  {
    name: "conversation, older messages not read",
    forgives: FAILED_REQUEST,
    async show(page, stage) {
      const id = await givenChat(stage, 30);
      await page.route("**/messages?**before=**", (route) => route.fulfill({ ...UNAVAILABLE, status: 500 }));
      await page.goto(`/c/${id}`);
      await page.getByRole("article").last().waitFor();
      await page.getByRole("log").evaluate((log) => log.scrollTo(0, 0));
      await page.getByText("Couldn't load older messages.").waitFor({ state: "attached" });
      await page.getByRole("log").evaluate((log) => log.scrollTo(0, 0));
    },
  },
  {
    name: "conversation deleted, Undo",
    forgives: FAILED_REQUEST,
    async show(page, stage) {
      await page.goto(`/c/${await givenChat(stage)}`);
      await page.getByRole("article").last().waitFor();
      await page.getByRole("button", { name: "More actions" }).click();
      await page.getByRole("menuitem", { name: "Delete" }).click();
      await page.getByRole("button", { name: "Undo" }).waitFor();
    },
  },
  {
    name: "plain page",
    async show(page, stage) {
      await page.goto(`/c/${await givenChat(stage, 40)}/plain`);
      await page.getByRole("heading", { name: "Trip to Rome" }).waitFor();
    },
  },
  {
    name: "plain page that is not there",
    forgives: FAILED_REQUEST,
    async show(page) {
      await page.goto("/c/not-there/plain");
      await page.getByRole("heading", { name: "No such conversation" }).waitFor();
    },
  },
  {
    name: "conversation that is not there",
    forgives: FAILED_REQUEST,
    async show(page) {
      await page.goto("/c/not-there");
      await page.getByRole("main").getByRole("link").first().waitFor();
    },
  },
  {
    name: "login",
    settings: { auth: "required", rateLimits: "off" },
    forgives: FAILED_REQUEST,
    async show(page) {
      await page.getByLabel("Access token or API key").fill("a key of somebody else's");
      await page.getByRole("button", { name: "Log in" }).click();
      await page.getByRole("alert").waitFor();
    },
  },
  {
    name: "list, Redis away",
    async show(page) {
      const body = JSON.stringify({ status: "degraded", postgres: "ok", cache: "unavailable" });
      await page.route("**/readyz", (route) => route.fulfill({ contentType: "application/json", body }));
      await page.reload();
      await openList(page);
      await page.getByText("Redis unavailable: slower, nothing lost").first().waitFor();
    },
  },
  {
    name: "settings",
    // What is deleted as soon as it is made may be read again in between, and is not there any more.
    forgives: FAILED_REQUEST,
    async show(page, stage) {
      await givenConversations(stage);
      const trashed = await givenConversation(stage, "No longer wanted");
      await stage.services.conversations.deleteConversation(ADA, trashed);
      const archived = await givenConversation(stage, "Put away");
      await stage.services.conversations.updateConversation(ADA, archived, { archived: true });
      await page.goto("/settings");
      await page.getByRole("button", { name: "Restore No longer wanted" }).waitFor();
      await page.getByRole("button", { name: "Unarchive Put away" }).waitFor();
    },
  },
  {
    name: "operator",
    async show(page, stage) {
      await givenConversations(stage);
      await page.goto("/operator");
      await page.getByRole("heading", { name: "Latency by route" }).waitFor();
    },
  },
];

/** @param more what was said before, in questions and answers */
async function givenChat(stage: AppStage, more = 0): Promise<string> {
  const { id } = await stage.services.conversations.createConversation(ADA, { title: "Trip to Rome" });
  await stage.services.conversations.saveMessages(ADA, id, [
    ...Array.from({ length: more }, (_, n) => [
      { role: "user", content: `Question ${n}` } as const,
      { role: "assistant", content: `Answer ${n}, which says a little more.` } as const,
    ]).flat(),
    { role: "user", content: "Where do we eat in Rome?" },
    { role: "assistant", content: "In Trastevere: the streets behind Santa Maria have small places that cook well." },
    { role: "user", content: "And what does it cost?" },
    { role: "assistant", content: "About $30 for two, wine aside." },
  ]);
  return id;
}

async function givenConversations(stage: AppStage): Promise<void> {
  await givenConversation(stage, "Trip to Rome");
  await givenConversation(stage, "What is left of the budget when everything that was promised has been paid", 1);
  await givenConversation(stage, "A poem", 4);
  await givenConversation(stage, "Résumé 履歴書", 20);
  await givenConversation(stage, "An older one", 90);
  const { id } = await stage.services.conversations.createConversation(ADA, { title: "Pinned plans" });
  await stage.services.conversations.updateConversation(ADA, id, { pinned: true });
}

/** Where it is narrow the list is behind a button. */
async function openList(page: Page): Promise<void> {
  if ((page.viewportSize()?.width ?? 0) >= 768) return;
  await page.getByRole("button", { name: "Conversations" }).click();
  await page.getByRole("dialog", { name: "Conversations" }).waitFor();
}
