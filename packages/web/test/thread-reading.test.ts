import type { Page } from "playwright-core";
import { expect } from "vitest";
import { ADA, type AppStage, PHONE, POLL, test } from "./app-test.ts";
import { composerOf, FAILED_REQUEST, say } from "./chat-fixture.ts";
import {
  expectAtEnd,
  givenMessages,
  overflowPx,
  scrollThrough,
  shownNumbers,
  startWatching,
  stopWatching,
  twentyFrames,
  waitForMessage,
} from "./thread-fixture.ts";

const OLDER_PAGE = /messages\?.*before=/;
const LONG = { timeout: 60_000 };

test(
  "an address of a message shows, marks and focuses it; newer ones follow; Jump to latest ends at the end",
  LONG,
  async ({ stage }) => {
    const talk = await givenMessages(stage, 100_000);
    const page = await stage.open(`${talk.href}?m=${await talk.messageId(50_000)}`);
    const target = page.getByRole("article").filter({ hasText: /^Message 50000\b/ });
    await target.waitFor();
    await expect.poll(() => target.evaluate((row) => row === document.activeElement), POLL).toBe(true);
    expect(await target.getAttribute("aria-posinset")).toBe("50000");
    expect(await target.getAttribute("aria-setsize")).toBe("100000");
    expect(await target.getAttribute("aria-label")).toMatch(/^(You|Assistant), ./);
    const log = page.getByRole("log");
    expect(await log.getAttribute("aria-live")).toBe("off");
    const walk = await scrollThrough(page, { stepPx: 600, until: 50_200 });
    expect(walk.faults).toEqual([]);
    expect(walk.seen).toContain(50_200);
    await page.getByRole("button", { name: "Jump to latest" }).click();
    await waitForMessage(page, 100_000);
    await expectAtEnd(page);
    expect(new URL(page.url()).search).toBe("");
    expect(await page.getByRole("article").last().getAttribute("aria-posinset")).toBe("100000");
  },
);

test("an address of a message that is not there says so, and opens the conversation", async ({ stage }) => {
  stage.forgive(FAILED_REQUEST);
  const talk = await givenMessages(stage, 30);
  const page = await stage.open(`${talk.href}?m=0192f3a0-0000-7000-8000-000000000000`);
  await page.getByText("This message is not there any more.").waitFor();
  await waitForMessage(page, 30);
  await expectAtEnd(page);
});

test(
  "a page that fails is a row with Retry, never the beginning; Retry leaves nothing out",
  LONG,
  async ({ stage }) => {
    stage.forgive(FAILED_REQUEST);
    const talk = await givenMessages(stage, 300);
    const page = await stage.open();
    await page.route(OLDER_PAGE, (route) => route.fulfill({ status: 500, body: "" }));
    await page.goto(talk.href);
    await waitForMessage(page, 300);
    const alert = page.getByRole("log").getByRole("alert");
    await alert.getByText("Couldn't load older messages.").waitFor({ state: "attached", timeout: 30_000 });
    await page.getByRole("log").evaluate((log) => log.scrollTo(0, 0));
    await alert.getByText("Couldn't load older messages.").waitFor();
    expect(await page.getByText(/^Start of conversation/).count()).toBe(0);
    await page.unroute(OLDER_PAGE);
    await alert.getByRole("button", { name: "Retry" }).click();
    await alert.waitFor({ state: "detached" });
    const walk = await scrollThrough(page, { stepPx: -500, until: 1 });
    expect(walk.faults).toEqual([]);
    expect(new Set(walk.seen).size).toBeGreaterThanOrEqual(280);
    await page.getByText(/^Start of conversation · /).waitFor();
  },
);

test(
  "who has scrolled up stays there while a reply is written; who is at the end follows it",
  LONG,
  async ({ stage }) => {
    const talk = await givenMessages(stage, 100);
    const page = await stage.open(talk.href);
    await waitForMessage(page, 100);
    await say(page, "Go on");
    const reply = await stage.services.nextReply();
    for (let line = 0; line < 40; line += 1) reply.say(`Line ${line}\n\n`);
    await page.getByText("Line 39").waitFor();
    await expectAtEnd(page);
    await page.getByRole("log").evaluate((log) => log.scrollBy(0, -900));
    await page.getByRole("button", { name: "Jump to latest" }).waitFor();
    await twentyFrames(page);
    await startWatching(page);
    for (let line = 40; line < 80; line += 1) {
      reply.say(`Line ${line}\n\n`);
      if (line % 10 === 0) await twentyFrames(page);
    }
    expect(await stopWatching(page)).toBeLessThanOrEqual(1);
    await page.getByRole("button", { name: "Jump to latest" }).click();
    await page.getByText("Line 79").waitFor();
    await expectAtEnd(page);
    reply.finish();
  },
);

test("the message in focus stays in the page, and in focus, however far that is scrolled", LONG, async ({ stage }) => {
  const talk = await givenMessages(stage, 300);
  const page = await stage.open(talk.href);
  await waitForMessage(page, 300);
  await page.getByRole("log").focus();
  await page.keyboard.press("End");
  await expect.poll(() => focusedNumber(page), POLL).toBe(300);
  await page.keyboard.press("k");
  await expect.poll(() => focusedNumber(page), POLL).toBe(299);
  await page.keyboard.press("j");
  await expect.poll(() => focusedNumber(page), POLL).toBe(300);
  await scrollThrough(page, { stepPx: -500, until: 150 });
  expect(await focusedNumber(page)).toBe(300);
  await scrollThrough(page, { stepPx: 500, until: 300 });
  expect(await focusedNumber(page)).toBe(300);
  await page.keyboard.press("Home");
  await expect.poll(() => focusedNumber(page), POLL).toBe(1);
});

test("on a phone nothing is wider than the page, and the composer stays in sight", async ({ stage }) => {
  const page = await stage.open(await givenWide(stage), { viewport: PHONE, hasTouch: true });
  await page.getByRole("article").last().waitFor();
  for (let step = 0; step < 8; step += 1) {
    expect(await overflowPx(page)).toBe(0);
    const box = await composerOf(page).boundingBox();
    expect((box?.y ?? PHONE.height) + (box?.height ?? 0)).toBeLessThanOrEqual(PHONE.height);
    await page.getByRole("log").evaluate((log) => log.scrollBy(0, -400));
    await twentyFrames(page);
  }
  const jump = await page.getByRole("button", { name: "Jump to latest" }).boundingBox();
  expect(jump?.height).toBeGreaterThanOrEqual(44);
});

test("who wants no motion gets none while a conversation opens, grows and is jumped through", async ({ stage }) => {
  await givenMessages(stage, 100);
  const page = await stage.open("/", { reducedMotion: "reduce" });
  await page.evaluate(() => {
    const moving: string[] = [];
    Object.assign(globalThis, { moving });
    const look = (): void => {
      for (const { effect } of document.getAnimations()) {
        const ms = Number(effect?.getComputedTiming().activeDuration ?? 0);
        if (ms > 1) moving.push(`${ms} ms`);
      }
      requestAnimationFrame(look);
    };
    look();
  });
  await page.getByRole("link", { name: "A talk of 100" }).click();
  await waitForMessage(page, 100);
  await say(page, "Go on");
  const reply = await stage.services.nextReply();
  reply.say("On");
  await page.getByRole("log").evaluate((log) => log.scrollBy(0, -2_000));
  await page.getByRole("button", { name: "Jump to latest" }).click();
  await expectAtEnd(page);
  reply.finish();
  await page.getByRole("button", { name: "More actions" }).click();
  await page.getByRole("menuitem").first().waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  await page.getByRole("dialog").waitFor();
  await twentyFrames(page);
  expect(await page.evaluate(() => (globalThis as unknown as { moving: string[] }).moving)).toEqual([]);
});

test("who goes to another conversation and comes back is where they read", LONG, async ({ stage }) => {
  const talk = await givenMessages(stage, 300);
  const page = await stage.open(talk.href);
  await waitForMessage(page, 300);
  await scrollThrough(page, { stepPx: -500, until: 200 });
  await twentyFrames(page);
  const before = await shownNumbers(page);
  await page.getByRole("link", { name: "New chat" }).click();
  await page.getByText("What would you like to talk about?").waitFor();
  await page.getByRole("link", { name: "A talk of 300" }).click();
  await page.getByRole("article").first().waitFor();
  await expect.poll(() => shownNumbers(page), POLL).toEqual(before);
});

async function focusedNumber(page: Page): Promise<number> {
  return page.evaluate(() => {
    const text = document.activeElement?.closest("article")?.querySelector("[data-message-text]")?.textContent ?? "";
    return Number(/Message (\d+)/.exec(text)?.[1]);
  });
}

/** @returns the path of a conversation of what is wider than a phone */
async function givenWide(stage: AppStage): Promise<string> {
  const { id } = await stage.services.conversations.createConversation(ADA, { title: "Wide" });
  const long = "unbroken".repeat(60);
  const wide = `${long}\n\nhttps://example.org/${long}\n\n\`${long}\`\n\n\`\`\`js\n${long}\n\`\`\`\n\n| a | b |\n|--|--|\n| ${long} | b |`;
  for (let nth = 0; nth < 6; nth += 1) {
    await stage.services.conversations.saveMessages(ADA, id, [
      { role: "user", content: long },
      { role: "assistant", content: wide },
    ]);
  }
  return `/c/${id}`;
}
