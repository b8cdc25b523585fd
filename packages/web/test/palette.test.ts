import type { Locator, Page } from "playwright-core";
import { expect } from "vitest";
import { ADA, PHONE, POLL, test } from "./app-test.ts";
import { givenConversation, rowOf } from "./list-fixture.ts";
import { twentyFrames } from "./thread-fixture.ts";

test("Ctrl K finds a conversation by its title: arrows choose, Enter goes there", async ({ stage }) => {
  await givenConversation(stage, "Trip to Rome");
  const oslo = await givenConversation(stage, "Trip to Oslo", 3);
  await givenConversation(stage, "Bread without kneading");
  const page = await stage.open("/settings");
  await rowOf(page, "Trip to Rome").waitFor();
  await page.keyboard.press("Control+k");
  await paletteOf(page).waitFor();
  await page.keyboard.type("TRIP to");
  await expect.poll(() => optionsOf(page, "Conversations"), POLL).toEqual(["Trip to Rome", "Trip to Oslo"]);
  await page.keyboard.press("ArrowDown");
  expect(await (await activeOf(page)).textContent()).toBe("Trip to Oslo");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  expect(await (await activeOf(page)).textContent()).toBe("Trip to Rome");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await expect.poll(() => new URL(page.url()).pathname, POLL).toBe(`/c/${oslo}`);
  await paletteOf(page).waitFor({ state: "detached" });
});

test("who presses Ctrl K and types on at once types into it, not into the message", async ({ stage }) => {
  const part = /assets\/palette-[^/]+\.js$/;
  const page = await stage.open("/");
  const field = page.getByLabel("Message", { exact: true });
  await field.focus();
  // Loaded ahead of time, and run.
  await expect
    .poll(() => page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name)), POLL)
    .toEqual(expect.arrayContaining([expect.stringMatching(part)]));
  await twentyFrames(page);
  await page.keyboard.press("Control+k");
  await page.keyboard.type("rome");
  expect(await paletteOf(page).getByRole("combobox").inputValue()).toBe("rome");
  expect(await field.inputValue()).toBe("");
});

test("before anything is typed it offers the last active conversations, then the commands", async ({ stage }) => {
  const old = await givenConversation(stage, "Kept in sight", 9);
  await stage.services.conversations.updateConversation(ADA, old, { pinned: true });
  await givenConversation(stage, "Trip to Rome");
  const page = await stage.open("/settings");
  await rowOf(page, "Trip to Rome").waitFor();
  await page.getByRole("button", { name: "Search" }).click();
  await expect.poll(() => optionsOf(page, "Recent"), POLL).toEqual(["Trip to Rome", "Kept in sight"]);
  const commands = await optionsOf(page, "Commands");
  for (const name of [
    "New chat",
    "Search all conversations",
    "Settings",
    "Archive",
    "Trash",
    "Theme: dark",
    "Operator",
  ])
    expect(commands.some((command) => command.startsWith(name))).toBe(true);
});

test("Escape closes it and gives the focus back", async ({ stage }) => {
  await givenConversation(stage, "Trip to Rome");
  const page = await stage.open("/settings");
  await rowOf(page, "Trip to Rome").focus();
  await page.keyboard.press("Control+k");
  await paletteOf(page).waitFor();
  await page.keyboard.press("Escape");
  await paletteOf(page).waitFor({ state: "detached" });
  expect(await rowOf(page, "Trip to Rome").evaluate((link) => link === document.activeElement)).toBe(true);
});

test("its commands do what they say", async ({ stage }) => {
  const page = await stage.open("/settings");
  await page.getByText("No conversations yet.").waitFor();
  await run(page, "theme dark");
  await expect
    .poll(() => page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), POLL)
    .toBe("dark");
  await page.reload();
  await page.getByText("No conversations yet.").waitFor();
  expect(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)).toBe("dark");
  await run(page, "toggle sidebar");
  await page.getByRole("navigation", { name: "Conversations" }).waitFor({ state: "hidden" });
  await run(page, "operator");
  await expect.poll(() => new URL(page.url()).pathname, POLL).toBe("/operator");
  await run(page, "new chat");
  await expect.poll(() => new URL(page.url()).pathname, POLL).toBe("/");
  await run(page, "keyboard");
  await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
});

test("what is no conversation's title is searched for on the search page", async ({ stage }) => {
  const page = await stage.open("/settings");
  await page.getByText("No conversations yet.").waitFor();
  await run(page, "50% & more");
  await expect.poll(() => new URL(page.url()).searchParams.get("q"), POLL).toBe("50% & more");
  expect(await page.getByRole("searchbox", { name: "Search titles" }).inputValue()).toBe("50% & more");
});

test("Ctrl Shift O begins a chat, Ctrl Shift S hides the sidebar, ? shows the keys; in a field ? is text", async ({
  stage,
}) => {
  const page = await stage.open("/search");
  const field = page.getByRole("searchbox", { name: "Search titles" });
  await field.focus();
  await page.keyboard.type("why?");
  await expect.poll(() => new URL(page.url()).searchParams.get("q"), POLL).toBe("why?");
  expect(await page.getByRole("dialog").count()).toBe(0);
  await page.keyboard.press("Control+Shift+S");
  await page.getByRole("navigation", { name: "Conversations" }).waitFor({ state: "hidden" });
  await page.keyboard.press("Control+Shift+S");
  await page.getByRole("navigation", { name: "Conversations" }).waitFor();
  await page.getByRole("link", { name: "Settings" }).focus();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+Shift+O");
  await expect.poll(() => new URL(page.url()).pathname, POLL).toBe("/");
});

test("on a phone it opens from the drawer, and takes its place", async ({ stage }) => {
  const id = await givenConversation(stage, "Trip to Rome");
  const page = await stage.open("/settings", { viewport: PHONE, hasTouch: true, isMobile: true });
  await page.getByRole("button", { name: "Conversations" }).tap();
  await page.getByRole("dialog", { name: "Conversations" }).getByRole("button", { name: "Search" }).tap();
  await paletteOf(page).getByRole("option", { name: "Trip to Rome" }).tap();
  await expect.poll(() => new URL(page.url()).pathname, POLL).toBe(`/c/${id}`);
  expect(await page.getByRole("dialog").count()).toBe(0);
});

function paletteOf(page: Page): Locator {
  return page.getByRole("dialog", { name: "Search and commands" });
}

async function optionsOf(page: Page, group: string): Promise<string[]> {
  return paletteOf(page).getByRole("group", { name: group }).getByRole("option").allTextContents();
}

/** @returns the option that a screen reader is told of, which is the one that looks chosen */
async function activeOf(page: Page): Promise<Locator> {
  const id = await paletteOf(page).getByRole("combobox").getAttribute("aria-activedescendant");
  const active = paletteOf(page).locator(`[id="${id}"]`);
  expect(await active.getAttribute("aria-selected")).toBe("true");
  return active;
}

async function run(page: Page, typed: string): Promise<void> {
  await page.keyboard.press("Control+k");
  await paletteOf(page).waitFor();
  await page.keyboard.type(typed);
  await page.keyboard.press("Enter");
  await paletteOf(page).waitFor({ state: "detached" });
}
