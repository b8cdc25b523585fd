import { expect } from "vitest";
import { ADA, PHONE, POLL, test } from "./app-test.ts";
import { choose, givenConversation, linesOf, listOf, rowOf } from "./list-fixture.ts";

test("renamed in its row, a conversation keeps the new title", async ({ stage }) => {
  await givenConversation(stage, "Trip to Rome");
  const page = await stage.open();
  await choose(page, "Trip to Rome", "Rename");
  const field = page.getByRole("textbox", { name: "Rename Trip to Rome" });
  await expect.poll(() => field.evaluate((input) => input === document.activeElement), POLL).toBe(true);
  await field.fill("Trip to Oslo");
  await field.press("Enter");
  await rowOf(page, "Trip to Oslo").waitFor();
  await expect.poll(() => titles(stage), POLL).toEqual(["Trip to Oslo"]);
  await page.reload();
  await rowOf(page, "Trip to Oslo").waitFor();
});

test("Escape leaves the title as it was, and the focus on its row", async ({ stage }) => {
  await givenConversation(stage, "Trip to Rome");
  const page = await stage.open();
  await rowOf(page, "Trip to Rome").focus();
  await page.keyboard.press("F2");
  await page.keyboard.type("Nowhere");
  await page.keyboard.press("Escape");
  await expect.poll(() => isFocused(rowOf(page, "Trip to Rome")), POLL).toBe(true);
  expect(await titles(stage)).toEqual(["Trip to Rome"]);
});

test("a pinned conversation moves to the top, an unpinned one back; both stay there", async ({ stage }) => {
  await givenConversation(stage, "Trip to Rome", 1);
  await givenConversation(stage, "Trip to Oslo");
  const page = await stage.open();
  await choose(page, "Trip to Rome", "Pin");
  const pinned = ["Pinned", "Trip to Rome", "Today", "Trip to Oslo"];
  await expect.poll(() => linesOf(page), POLL).toEqual(pinned);
  await page.reload();
  await expect.poll(() => linesOf(page), POLL).toEqual(pinned);
  await choose(page, "Trip to Rome", "Unpin");
  const unpinned = ["Today", "Trip to Oslo", "Yesterday", "Trip to Rome"];
  await expect.poll(() => linesOf(page), POLL).toEqual(unpinned);
  await page.reload();
  await expect.poll(() => linesOf(page), POLL).toEqual(unpinned);
});

test("an archived conversation leaves the list, and Undo brings it back", async ({ stage }) => {
  await givenConversation(stage, "Trip to Rome");
  await givenConversation(stage, "Trip to Oslo");
  const page = await stage.open();
  await choose(page, "Trip to Rome", "Archive");
  await rowOf(page, "Trip to Rome").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Undo" }).click();
  await rowOf(page, "Trip to Rome").waitFor();
  await choose(page, "Trip to Rome", "Archive");
  await expect.poll(() => titles(stage), POLL).toEqual(["Trip to Oslo"]);
  await page.reload();
  await rowOf(page, "Trip to Oslo").waitFor();
  expect(await rowOf(page, "Trip to Rome").count()).toBe(0);
});

test("a deleted conversation is in the trash, and Undo takes it out", async ({ stage }) => {
  await givenConversation(stage, "Trip to Rome");
  const page = await stage.open("/settings");
  await choose(page, "Trip to Rome", "Delete");
  await rowOf(page, "Trip to Rome").waitFor({ state: "detached" });
  await page.getByRole("status").filter({ hasText: "Deleted, undo available" }).waitFor();
  expect(await trash(stage)).toEqual(["Trip to Rome"]);
  await page.getByRole("button", { name: "Undo" }).click();
  await rowOf(page, "Trip to Rome").waitFor();
  await expect.poll(() => trash(stage), POLL).toEqual([]);
  await page.reload();
  await choose(page, "Trip to Rome", "Delete");
  await expect.poll(() => trash(stage), POLL).toEqual(["Trip to Rome"]);
  await page.reload();
  await page.getByText("No conversations yet.").waitFor();
});

test("the page of a conversation that is deleted is left, and Undo leads back", async ({ stage }) => {
  const id = await givenConversation(stage, "Trip to Rome");
  const page = await stage.open(`/c/${id}`);
  await choose(page, "Trip to Rome", "Delete");
  await expect.poll(() => new URL(page.url()).pathname, POLL).toBe("/");
  await page.getByRole("button", { name: "Undo" }).click();
  await expect.poll(() => new URL(page.url()).pathname, POLL).toBe(`/c/${id}`);
});

test("what the service does not delete returns, with the reason", async ({ stage }) => {
  stage.forgive(/status of 500/);
  await givenConversation(stage, "Trip to Rome", 1);
  await givenConversation(stage, "Trip to Oslo");
  const page = await stage.open("/settings");
  const answer = Promise.withResolvers<void>();
  await page.route(/\/api\/conversations\/[^/]+$/, async (route) => {
    if (route.request().method() !== "DELETE") return route.continue();
    await answer.promise;
    return route.fulfill({ status: 500, body: "{}" });
  });
  await choose(page, "Trip to Rome", "Delete");
  await rowOf(page, "Trip to Rome").waitFor({ state: "detached" });
  answer.resolve();
  await page.getByRole("alert").filter({ hasText: "Couldn't delete the conversation." }).waitFor();
  expect(await linesOf(page)).toEqual(["Today", "Trip to Oslo", "Yesterday", "Trip to Rome"]);
  expect(await page.getByRole("button", { name: "Undo" }).count()).toBe(0);
});

test("a title that the service refuses is taken back", async ({ stage }) => {
  stage.forgive(/status of 500/);
  await givenConversation(stage, "Trip to Rome");
  const page = await stage.open("/settings");
  const answer = Promise.withResolvers<void>();
  await page.route(/\/api\/conversations\/[^/]+$/, async (route) => {
    if (route.request().method() !== "PATCH") return route.continue();
    await answer.promise;
    return route.fulfill({ status: 500, body: "{}" });
  });
  await rowOf(page, "Trip to Rome").focus();
  await page.keyboard.press("F2");
  await page.keyboard.type("Nowhere");
  await page.keyboard.press("Enter");
  await rowOf(page, "Nowhere").waitFor();
  answer.resolve();
  await page.getByRole("alert").filter({ hasText: "Couldn't rename the conversation." }).waitFor();
  await rowOf(page, "Trip to Rome").waitFor();
});

test("what the service has not answered yet stays as it was changed, whatever is read meanwhile", async ({ stage }) => {
  const id = await givenConversation(stage, "Trip to Rome");
  await givenConversation(stage, "Trip to Oslo");
  const page = await stage.open("/settings");
  const answer = Promise.withResolvers<void>();
  await page.route(/\/api\/conversations\/[^/]+$/, async (route) => {
    if (!["PATCH", "DELETE"].includes(route.request().method())) return route.continue();
    await answer.promise;
    return route.continue();
  });
  await rowOf(page, "Trip to Rome").focus();
  await page.keyboard.press("F2");
  await page.keyboard.type("Nowhere");
  await page.keyboard.press("Enter");
  await rowOf(page, "Nowhere").waitFor();
  await rowOf(page, "Trip to Oslo").focus();
  await page.keyboard.press("Delete");
  await rowOf(page, "Trip to Oslo").waitFor({ state: "detached" });

  // It is read by itself, then all of the list.
  await stage.services.conversations.updateConversation(ADA, id, { pinned: true });
  await expect.poll(() => linesOf(page), POLL).toEqual(["Pinned", "Nowhere"]);
  const more = Array.from({ length: 12 }, (_, nth) => givenConversation(stage, `More ${nth}`));
  await Promise.all(more);
  await expect.poll(async () => (await linesOf(page)).length, POLL).toBe(2 + 1 + 12);
  expect((await linesOf(page)).slice(0, 2)).toEqual(["Pinned", "Nowhere"]);
  expect(await rowOf(page, "Trip to Oslo").count()).toBe(0);

  answer.resolve();
  await expect.poll(() => titles(stage), POLL).toContain("Nowhere");
});

test("by keyboard alone: through the list, rename, pin, delete, undo; the neighbour gets the focus", async ({
  stage,
}) => {
  for (const title of ["Third", "Second", "First"]) await givenConversation(stage, title);
  const page = await stage.open("/settings");
  await rowOf(page, "First").focus();
  await page.keyboard.press("ArrowDown");
  expect(await isFocused(rowOf(page, "Second"))).toBe(true);
  await page.keyboard.press("Delete");
  await rowOf(page, "Second").waitFor({ state: "detached" });
  expect(await isFocused(rowOf(page, "Third"))).toBe(true);
  await page.getByRole("button", { name: "Undo" }).focus();
  await page.keyboard.press("Enter");
  await rowOf(page, "Second").waitFor();
  await rowOf(page, "Third").focus();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await expect.poll(() => isFocused(page.getByRole("menuitem", { name: "Rename" })), POLL).toBe(true);
  await page.keyboard.press("ArrowDown");
  // The menu moves the focus in a timer.
  await expect.poll(() => isFocused(page.getByRole("menuitem", { name: "Pin" })), POLL).toBe(true);
  await page.keyboard.press("Enter");
  await expect.poll(() => linesOf(page), POLL).toEqual(["Pinned", "Third", "Today", "First", "Second"]);
  await rowOf(page, "Second").focus();
  await page.keyboard.press("F2");
  await page.keyboard.type("Renamed");
  await page.keyboard.press("Enter");
  await rowOf(page, "Renamed").waitFor();
  await expect.poll(() => isFocused(rowOf(page, "Renamed")), POLL).toBe(true);
  await page.keyboard.press("Enter");
  await expect.poll(() => new URL(page.url()).pathname, POLL).toMatch(/^\/c\//);
});

test("a second tab stays in step, and leaves a page that was deleted in the first", async ({ stage }) => {
  const id = await givenConversation(stage, "Trip to Rome", 2);
  await givenConversation(stage, "Trip to Oslo");
  const first = await stage.open("/settings");
  const second = await stage.open(`/c/${id}`);
  await rowOf(second, "Trip to Rome").waitFor();
  await rowOf(first, "Trip to Rome").focus();
  await first.keyboard.press("F2");
  await first.keyboard.type("Trip to Bergen");
  await first.keyboard.press("Enter");
  await rowOf(second, "Trip to Bergen").waitFor();
  // A tab behind another one is drawn once a second.
  await first.bringToFront();
  await choose(first, "Trip to Bergen", "Pin");
  await expect.poll(async () => (await linesOf(second))[0], POLL).toBe("Pinned");
  await choose(first, "Trip to Bergen", "Delete");
  await rowOf(second, "Trip to Bergen").waitFor({ state: "detached" });
  await expect.poll(() => new URL(second.url()).pathname, POLL).toBe("/");
  await first.getByRole("button", { name: "Undo" }).click();
  await rowOf(second, "Trip to Bergen").waitFor();
});

test("what changes elsewhere reads one conversation again, not the pages that are loaded", async ({ stage }) => {
  const id = await givenConversation(stage, "Trip to Rome");
  const page = await stage.open("/");
  await rowOf(page, "Trip to Rome").waitFor();
  const renameUntilSeen = async (title: string): Promise<void> => {
    const seen = async (): Promise<number> => {
      await stage.services.conversations.updateConversation(ADA, id, { title });
      return rowOf(page, title).count();
    };
    await expect.poll(seen, { timeout: 10_000, interval: 500 }).toBe(1);
  };
  // From then on the page hears of what changes.
  await renameUntilSeen("Trip to Bergen");
  const asked: string[] = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  await renameUntilSeen("Trip to Oslo");
  expect(new Set(asked.filter((path) => path.startsWith("/api/conversations")))).toEqual(
    new Set([`/api/conversations/${id}`]),
  );
});

test("what many changes at once leave behind is in the list", async ({ stage }) => {
  await givenConversation(stage, "Conversation 0");
  const page = await stage.open("/settings");
  await rowOf(page, "Conversation 0").waitFor();
  for (let n = 1; n <= 30; n += 1) await givenConversation(stage, `Conversation ${n}`);
  for (const n of [1, 12, 30]) await expect.poll(() => rowOf(page, `Conversation ${n}`).count(), POLL).toBe(1);
});

test("Undo is offered for ten seconds, and for as long as somebody points at it or is in it", async ({ stage }) => {
  await givenConversation(stage, "Trip to Rome");
  const page = await stage.open("/settings");
  await rowOf(page, "Trip to Rome").waitFor();
  await page.clock.install();
  await choose(page, "Trip to Rome", "Delete");
  const undo = page.getByRole("button", { name: "Undo" });
  await undo.hover();
  await page.clock.runFor(15_000);
  expect(await undo.isVisible()).toBe(true);
  await undo.focus();
  await page.mouse.move(0, 0);
  await page.clock.runFor(15_000);
  expect(await undo.isVisible()).toBe(true);
  await page.getByRole("link", { name: "Settings" }).focus();
  await page.clock.runFor(9_000);
  expect(await undo.isVisible()).toBe(true);
  await page.clock.runFor(1_500);
  await undo.waitFor({ state: "detached" });
});

test("on a phone everything works in the drawer: its menu, renaming, deleting and Undo", async ({ stage }) => {
  await givenConversation(stage, "Trip to Rome");
  await givenConversation(stage, "Trip to Oslo");
  const page = await stage.open("/settings", { viewport: PHONE, hasTouch: true, isMobile: true });
  await page.getByRole("button", { name: "Conversations" }).tap();
  const drawer = page.getByRole("dialog", { name: "Conversations" });
  await drawer.getByRole("button", { name: "Actions for Trip to Rome" }).tap();
  await page.getByRole("menuitem", { name: "Rename" }).tap();
  await page.keyboard.type("Trip to Bergen");
  await page.keyboard.press("Escape");
  await rowOf(page, "Trip to Rome").waitFor();
  await drawer.getByRole("button", { name: "Actions for Trip to Rome" }).tap();
  await page.getByRole("menuitem", { name: "Delete" }).tap();
  await rowOf(page, "Trip to Rome").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Undo" }).tap();
  await rowOf(page, "Trip to Rome").waitFor();
  for (const control of await listOf(page).locator("a, button").all()) {
    const box = await control.boundingBox();
    expect(Math.min(box?.width ?? 0, box?.height ?? 0)).toBeGreaterThanOrEqual(43.5);
  }
  await rowOf(page, "Trip to Rome").tap();
  await drawer.waitFor({ state: "hidden" });
  await page.goBack();
  await expect.poll(() => new URL(page.url()).pathname, POLL).toBe("/settings");
});

test("a conversation is exported as Markdown and as JSON", async ({ stage }) => {
  const id = await givenConversation(stage, "Trip to Rome");
  const page = await stage.open("/settings");
  for (const [item, name] of [
    ["Export as Markdown", `${id}.md`],
    ["Export as JSON", `${id}.json`],
  ] as const) {
    const download = page.waitForEvent("download");
    await choose(page, "Trip to Rome", item);
    expect((await download).suggestedFilename()).toBe(name);
  }
});

type Stage = Parameters<typeof givenConversation>[0];

async function titles(stage: Stage): Promise<string[]> {
  const { conversations } = (await stage.services.call(ADA, "GET", "/api/conversations")).json;
  return conversations.map(({ title }: { title: string }) => title);
}

async function trash(stage: Stage): Promise<string[]> {
  const { conversations } = (await stage.services.call(ADA, "GET", "/api/trash")).json;
  return conversations.map(({ title }: { title: string }) => title);
}

async function isFocused(locator: ReturnType<typeof rowOf>): Promise<boolean> {
  return locator.evaluate((element) => element === document.activeElement);
}
