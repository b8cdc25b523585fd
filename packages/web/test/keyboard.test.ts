import type { Page } from "playwright-core";
import { expect } from "vitest";
import { ADA, POLL, test } from "./app-test.ts";
import { answer, composerOf, expectShown, stored } from "./chat-fixture.ts";
import { givenConversation, rowOf } from "./list-fixture.ts";

test("by keyboard alone: ask, stop, copy, edit, write again, find, rename, delete, undo", async ({ stage }) => {
  await givenConversation(stage, "Trip to Rome", 2);
  const page = await stage.open();
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  const { keyboard } = page;
  await expect.poll(() => composerOf(page).evaluate(isFocused)).toBe(true);

  await keyboard.type("Tell me");
  await keyboard.press("Enter");
  const reply = await stage.services.nextReply();
  reply.say("Half of it");
  await expectShown(page, "Tell me", "Half of it");
  await keyboard.press("Escape");
  await page.getByRole("article").last().getByText("Stopped").waitFor();

  // Out of the message field, which is where letters are text.
  await keyboard.press("Shift+Tab");
  await keyboard.press("c");
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText()), POLL).toBe("Half of it");
  await keyboard.press("r");
  await answer(stage, "All of it");
  await expectShown(page, "Tell me", "All of it");

  await page.getByRole("button", { name: "Send" }).waitFor();
  await keyboard.press("Shift+Escape");
  await keyboard.press("ArrowUp");
  await keyboard.press("Control+a");
  await keyboard.type("Tell me more");
  await keyboard.press("Enter");
  await answer(stage, "More of it");
  await expectShown(page, "Tell me more", "More of it");
  await expect.poll(() => focusedName(page), POLL).toMatch(/^You,/);
  await keyboard.press("j");
  await expect.poll(() => focusedName(page), POLL).toMatch(/^Assistant,/);
  await keyboard.press("k");
  await expect.poll(() => focusedName(page), POLL).toMatch(/^You,/);
  await keyboard.press("e");
  await expect
    .poll(() => page.getByRole("form", { name: "Edit message" }).getByLabel("Text").evaluate(isFocused))
    .toBe(true);
  await keyboard.press("Escape");
  await expect.poll(() => focusedName(page), POLL).toMatch(/^You,/);
  expect(await stored(stage, page)).toEqual(["user: Tell me more", "assistant: More of it (complete)"]);

  await keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
  await keyboard.press("Escape");
  await keyboard.press("Control+k");
  await expect.poll(() => page.getByRole("combobox").evaluate(isFocused), POLL).toBe(true);
  await keyboard.type("rome");
  await page.getByRole("option", { name: "Trip to Rome" }).waitFor();
  await keyboard.press("Enter");
  await expectShown(page, "About Trip to Rome");

  await rowOf(page, "Trip to Rome").focus();
  await keyboard.press("F2");
  await keyboard.type("Trip to Oslo");
  await keyboard.press("Enter");
  await expect.poll(() => rowOf(page, "Trip to Oslo").evaluate(isFocused), POLL).toBe(true);
  await keyboard.press("Delete");
  await page.getByRole("button", { name: "Undo" }).waitFor();
  await tabTo(page, "Undo");
  await keyboard.press("Enter");
  await rowOf(page, "Trip to Oslo").waitFor();

  await keyboard.press("Control+Shift+S");
  await rowOf(page, "Trip to Oslo").waitFor({ state: "hidden" });
  await keyboard.press("Control+Shift+S");
  await rowOf(page, "Trip to Oslo").waitFor();
  await keyboard.press("Control+Shift+O");
  await expect.poll(() => new URL(page.url()).pathname, POLL).toBe("/");
  const { conversations } = (await stage.services.call(ADA, "GET", "/api/conversations")).json;
  expect(conversations).toHaveLength(2);
}, 60_000);

test("a link to the messages comes first, and leads there", async ({ stage }) => {
  const id = await givenConversation(stage, "Trip to Rome");
  const page = await stage.open(`/c/${id}`);
  await expectShown(page, "About Trip to Rome");
  // From the page's beginning on.
  await page.evaluate(() => {
    document.body.tabIndex = -1;
    document.body.focus();
  });
  await page.keyboard.press("Tab");
  const skip = page.getByRole("link", { name: /^Skip to/ });
  expect(await skip.evaluate(isFocused)).toBe(true);
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  expect(await page.evaluate(() => document.activeElement?.closest("main") !== null)).toBe(true);
});

function isFocused(element: Element): boolean {
  return element === document.activeElement;
}

async function focusedName(page: Page): Promise<string> {
  return page.evaluate(
    () => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.localName ?? "",
  );
}

/** Presses Tab until a button of that name has the focus. */
async function tabTo(page: Page, name: string): Promise<void> {
  const button = page.getByRole("button", { name });
  for (let presses = 0; presses < 40; presses += 1) {
    if (await button.evaluate(isFocused)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`${name} is not reached by Tab`);
}
