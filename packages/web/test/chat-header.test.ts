import type { Page } from "playwright-core";
import { expect } from "vitest";
import { ADA, PHONE, POLL, test } from "./app-test.ts";
import { givenConversation, rowOf } from "./list-fixture.ts";

test("a click on the title renames the conversation, here and in the list", async ({ stage }) => {
  const id = await givenConversation(stage, "Trip to Rome");
  const page = await stage.open(`/c/${id}`);
  await title(page, "Trip to Rome").getByRole("button").click();
  await page.getByRole("textbox", { name: "Rename Trip to Rome" }).fill("Trip to Oslo");
  await page.keyboard.press("Enter");
  await title(page, "Trip to Oslo").waitFor();
  await rowOf(page, "Trip to Oslo").waitFor();
  expect(await page.title()).toContain("Trip to Oslo");
  await page.reload();
  await title(page, "Trip to Oslo").waitFor();
});

test("the header says how many messages there are, and hears of more", async ({ stage }) => {
  const id = await givenConversation(stage, "Trip to Rome");
  const page = await stage.open(`/c/${id}`);
  await page.getByText("1 message", { exact: true }).waitFor();
  await expect
    .poll(
      async () => {
        await stage.services.conversations.saveMessage(ADA, id, { role: "user", content: "More" });
        return page.getByText(/^\d+ messages$/).count();
      },
      { timeout: 10_000, interval: 500 },
    )
    .toBe(1);
});

test("it pins, archives and exports; deleting leaves the page", async ({ stage }) => {
  const id = await givenConversation(stage, "Trip to Rome");
  const page = await stage.open(`/c/${id}`);
  await more(page, "Pin");
  await expect.poll(async () => (await read()).pinned, POLL).toBe(true);
  await more(page, "Archive");
  await page.getByText("· Archived").waitFor();
  await rowOf(page, "Trip to Rome").waitFor({ state: "detached" });
  await more(page, "Unarchive");
  await rowOf(page, "Trip to Rome").waitFor();
  await page.getByRole("button", { name: "Export" }).click();
  const download = page.waitForEvent("download");
  await page.getByRole("menuitem", { name: "Export as Markdown" }).click();
  expect((await download).suggestedFilename()).toBe(`${id}.md`);
  await more(page, "Delete");
  await expect.poll(() => new URL(page.url()).pathname, POLL).toBe("/");

  async function read(): Promise<{ pinned: boolean }> {
    return (await stage.services.call(ADA, "GET", `/api/conversations/${id}`)).json;
  }
});

test("on a phone everything is behind the three dots", async ({ stage }) => {
  const id = await givenConversation(stage, "Trip to Rome");
  const page = await stage.open(`/c/${id}`, { viewport: PHONE, hasTouch: true, isMobile: true });
  await title(page, "Trip to Rome").waitFor();
  await page.getByRole("button", { name: "More actions" }).tap();
  const items = page.getByRole("menuitem");
  await items.first().waitFor();
  expect(await items.allTextContents()).toEqual([
    "Rename",
    "Pin",
    "Archive",
    "Export as Markdown",
    "Export as JSON",
    "Plain page",
    "Delete",
  ]);
  await page.getByRole("menuitem", { name: "Rename" }).tap();
  const field = page.getByRole("textbox", { name: "Rename Trip to Rome" });
  await expect.poll(() => field.evaluate((input) => input === document.activeElement), POLL).toBe(true);
  await field.fill("Trip to Oslo");
  await field.press("Enter");
  await title(page, "Trip to Oslo").waitFor();
});

function title(page: Page, text: string): ReturnType<Page["getByRole"]> {
  return page.getByRole("heading", { level: 1, name: text });
}

async function more(page: Page, item: string): Promise<void> {
  await page.getByRole("button", { name: "More actions" }).click();
  await page.getByRole("menuitem", { name: item, exact: true }).click();
}
