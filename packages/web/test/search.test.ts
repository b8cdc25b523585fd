import type { Page } from "playwright-core";
import { expect } from "vitest";
import { ADA, POLL, test } from "./app-test.ts";
import { givenConversation, givenMany } from "./list-fixture.ts";

test("what is typed is searched for in the titles, marked in them, and kept in the address", async ({ stage }) => {
  await givenConversation(stage, "Trip to Rome");
  await givenConversation(stage, "Bread without kneading");
  const page = await stage.open("/search");
  await page.getByText("Searches the titles of your conversations").waitFor();
  await page.keyboard.type("ROME");
  await expect.poll(() => found(page), POLL).toHaveLength(1);
  const [result = ""] = await found(page);
  expect(result).toContain("Trip to Rome");
  expect(result).toContain("About Trip to Rome");
  expect(await page.getByRole("main").locator("mark").allTextContents()).toEqual(["Rome"]);
  await expect.poll(() => new URL(page.url()).searchParams.get("q"), POLL).toBe("ROME");
  await page.reload();
  await expect.poll(() => found(page), POLL).toHaveLength(1);
  await page
    .getByRole("main")
    .getByRole("link", { name: /Trip to Rome/ })
    .click();
  await expect.poll(() => new URL(page.url()).pathname, POLL).toMatch(/^\/c\//);
  await page.goBack();
  await expect.poll(() => page.getByRole("searchbox").inputValue(), POLL).toBe("ROME");
});

test("archived conversations are found too, apart", async ({ stage }) => {
  const id = await givenConversation(stage, "Trip to Rome");
  await stage.services.conversations.updateConversation(ADA, id, { archived: true });
  const page = await stage.open("/search?q=rome");
  await page
    .getByRole("list", { name: "Archived conversations" })
    .getByRole("link", { name: /Trip to Rome/ })
    .waitFor();
});

test("when no title has it, that is said; signs are looked for as they are", async ({ stage }) => {
  await givenConversation(stage, "Trip to Rome");
  await givenConversation(stage, "100% (of it) <b>");
  const page = await stage.open("/search?q=nowhere");
  await page.getByText("No title has “nowhere” in it.").waitFor();
  await page.getByRole("searchbox").fill("0% (of it) <");
  await expect.poll(() => found(page), POLL).toHaveLength(1);
  expect(await page.getByRole("main").locator("mark").allTextContents()).toEqual(["0% (of it) <"]);
});

test("a search that fails says so, and Retry searches", async ({ stage }) => {
  stage.forgive(/status of 500/);
  await givenConversation(stage, "Trip to Rome");
  const page = await stage.open("/search");
  await page.route(/\/api\/conversations\?.*q=/, (route) => route.fulfill({ status: 500, body: "{}" }));
  await page.getByRole("searchbox").fill("rome");
  const failure = page.getByRole("alert").filter({ hasText: "Couldn't search." });
  await failure.waitFor();
  await page.unroute(/\/api\/conversations\?.*q=/);
  await failure.getByRole("button", { name: "Retry" }).click();
  await expect.poll(() => found(page), POLL).toHaveLength(1);
});

test("more than a page of results is read to its end, none missing and none twice", async ({ stage }) => {
  await givenMany(stage, 250);
  const page = await stage.open("/search?q=conversation");
  await expect
    .poll(async () => {
      await page.getByRole("main").getByRole("link").last().scrollIntoViewIfNeeded();
      return (await found(page)).length;
    }, POLL)
    .toBe(250);
  expect(new Set(await found(page)).size).toBe(250);
});

async function found(page: Page): Promise<string[]> {
  return page.getByRole("main").getByRole("listitem").allTextContents();
}
