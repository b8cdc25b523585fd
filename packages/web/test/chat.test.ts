import { expect } from "vitest";
import { ADA, POLL, test } from "./app-test.ts";
import { answer, composerOf, expectShown, FAILED_REQUEST, say, stored } from "./chat-fixture.ts";

test("a first message makes a conversation; its reply streams; a reload shows the same", async ({ stage }) => {
  const page = await stage.open();
  await say(page, "Hello");
  const reply = await stage.services.nextReply();
  await expect.poll(() => new URL(page.url()).pathname, POLL).toMatch(/^\/c\//);
  reply.say("Good ");
  await expectShown(page, "Hello", "Good");
  reply.say("morning");
  await expectShown(page, "Hello", "Good morning");
  reply.finish();
  await page.getByRole("button", { name: "Send" }).waitFor();
  await expect.poll(() => composerOf(page).evaluate((field) => field === document.activeElement)).toBe(true);
  await page.reload();
  await expectShown(page, "Hello", "Good morning");
  expect(await stored(stage, page)).toEqual(["user: Hello", "assistant: Good morning (complete)"]);
});

test("Stop keeps what was written, and says so", async ({ stage }) => {
  const page = await stage.open();
  await say(page, "Count");
  const reply = await stage.services.nextReply();
  reply.say("one two");
  await expectShown(page, "Count", "one two");
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByRole("article").last().getByText("Stopped").waitFor();
  await expectShown(page, "Count", "one two");
  await page.reload();
  await page.getByRole("article").last().getByText("Stopped").waitFor();
  expect(await stored(stage, page)).toEqual(["user: Count", "assistant: one two (stopped)"]);
});

test("a reload in the middle of a reply shows its whole text, once, and another tab follows it", async ({ stage }) => {
  const page = await stage.open();
  await say(page, "Tell me");
  const reply = await stage.services.nextReply();
  reply.say("The beginning, ");
  await expectShown(page, "Tell me", "The beginning,");
  await page.reload();
  await expectShown(page, "Tell me", "The beginning,");
  const other = await stage.open(new URL(page.url()).pathname);
  await expectShown(other, "Tell me", "The beginning,");
  reply.say("and the end");
  await page.bringToFront();
  await expectShown(page, "Tell me", "The beginning, and the end");
  reply.finish();
  await page.getByRole("button", { name: "Regenerate" }).waitFor({ state: "attached" });
  await other.bringToFront();
  await expectShown(other, "Tell me", "The beginning, and the end");
  expect(await stored(stage, page)).toHaveLength(2);
});

test("two clicks on Send are one message", async ({ stage }) => {
  const { id } = await stage.services.conversations.createConversation(ADA);
  const page = await stage.open(`/c/${id}`);
  await composerOf(page).fill("Once");
  await page.getByRole("button", { name: "Send" }).dblclick();
  (await stage.services.nextReply()).finish();
  await expect.poll(() => stage.services.asked).toBe(1);
  await expect
    .poll(async () => (await stored(stage, page)).filter((line) => line.startsWith("user")))
    .toEqual(["user: Once"]);
});

test("a reply that fails leaves the question, and Retry asks again", async ({ stage }) => {
  const page = await stage.open();
  await say(page, "Hello");
  (await stage.services.nextReply()).fail(new Error("no"));
  await page.getByText("The reply failed.").waitFor();
  await page.getByRole("button", { name: "Retry" }).click();
  const reply = await stage.services.nextReply();
  reply.say("Here I am");
  reply.finish();
  await expectShown(page, "Hello", "Here I am");
  expect((await stored(stage, page)).filter((line) => line.startsWith("user"))).toEqual(["user: Hello"]);
});

test("a message that could not be sent stays: Retry sends it, once; Edit takes it back; Discard ends it", async ({
  stage,
}) => {
  stage.forgive(FAILED_REQUEST);
  const { id } = await stage.services.conversations.createConversation(ADA);
  const page = await stage.open(`/c/${id}`);
  const refused = "**/api/conversations/messages";
  await page.route(refused, (route) =>
    route.fulfill({ status: 400, contentType: "application/problem+json", body: PROBLEM }),
  );
  await say(page, "Keep me");
  await page.getByText("Not sent.").waitFor();
  await page.unroute(refused);
  await page.getByRole("article").getByRole("button", { name: "Retry" }).click();
  const reply = await stage.services.nextReply();
  reply.say("Kept");
  reply.finish();
  await expectShown(page, "Keep me", "Kept");

  await page.route(refused, (route) =>
    route.fulfill({ status: 400, contentType: "application/problem+json", body: PROBLEM }),
  );
  await say(page, "Change me");
  await page.getByRole("button", { name: "Edit" }).last().waitFor();
  await page.getByRole("alert").getByRole("button", { name: "Edit" }).click();
  await expect.poll(() => composerOf(page).inputValue()).toBe("Change me");
  await page.keyboard.press("Enter");
  await page.getByText("Not sent.").waitFor();
  await page.getByRole("button", { name: "Discard" }).click();
  await expectShown(page, "Keep me", "Kept");
});

test("offline the text is kept and Send waits; back online it goes", async ({ stage }) => {
  stage.forgive(FAILED_REQUEST);
  const { id } = await stage.services.conversations.createConversation(ADA);
  const page = await stage.open(`/c/${id}`);
  await composerOf(page).fill("Later");
  await page.context().setOffline(true);
  await page.getByText(/^Offline: your text/).waitFor();
  expect(await page.getByRole("button", { name: "Send" }).isDisabled()).toBe(true);
  await page.context().setOffline(false);
  await expect.poll(() => page.getByRole("button", { name: "Send" }).isEnabled(), POLL).toBe(true);
  await composerOf(page).press("Enter");
  const reply = await stage.services.nextReply();
  reply.say("Now");
  reply.finish();
  await expectShown(page, "Later", "Now");
});

test("a draft survives a reload, and leaving; each conversation has its own", async ({ stage }) => {
  const { id } = await stage.services.conversations.createConversation(ADA, { title: "Here" });
  const page = await stage.open(`/c/${id}`);
  await composerOf(page).fill("Half a thou");
  await page.reload();
  await expect.poll(() => composerOf(page).inputValue()).toBe("Half a thou");
  await page.getByRole("link", { name: "New chat" }).click();
  await expect.poll(() => composerOf(page).inputValue()).toBe("");
  await page.goBack();
  await expect.poll(() => composerOf(page).inputValue()).toBe("Half a thou");
});

test("a reply is written again, a question edited and asked again, a message deleted: the focus stays near", async ({
  stage,
}) => {
  const page = await stage.open();
  await say(page, "First");
  await answer(stage, "one");
  await expectShown(page, "First", "one");
  await page.getByRole("button", { name: "Regenerate" }).click();
  await answer(stage, "two");
  await expectShown(page, "First", "two");
  await page.getByRole("article").first().hover();
  await page.getByRole("article").first().getByRole("button", { name: "Edit" }).click();
  await page.getByRole("form", { name: "Edit message" }).getByLabel("Text").fill("Second");
  await page.getByRole("button", { name: "Save and ask again" }).click();
  await answer(stage, "three");
  await expectShown(page, "Second", "three");
  await page.getByRole("article").first().hover();
  await page.getByRole("article").first().getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await expectShown(page, "three");
  await expect.poll(() => page.evaluate(() => document.activeElement?.tagName)).toBe("ARTICLE");
  await expect.poll(() => stored(stage, page), POLL).toEqual(["assistant: three (complete)"]);
});

test("who does not see the page hears of each turn, once", async ({ stage }) => {
  const page = await stage.open();
  await page.evaluate(() => {
    const heard: string[] = [];
    Object.assign(globalThis, { heard });
    const region = document.querySelector('[role="status"]');
    new MutationObserver(() => heard.push(region?.textContent ?? "")).observe(region ?? document, {
      childList: true,
      characterData: true,
      subtree: true,
    });
  });
  await say(page, "Hello");
  const reply = await stage.services.nextReply();
  for (const word of ["one ", "two ", "three"]) reply.say(word);
  await expectShown(page, "Hello", "one two three");
  reply.finish();
  await page.getByRole("button", { name: "Send" }).waitFor();
  await expect
    .poll(() => page.evaluate(() => (globalThis as unknown as { heard: string[] }).heard), POLL)
    .toEqual(["Generating", "Response complete"]);
});

const PROBLEM = JSON.stringify({
  type: "/api/docs#error-invalid_request",
  title: "Bad Request",
  status: 400,
  detail: "refused for the test",
  code: "invalid_request",
  request_id: "r1",
});
