import { expect } from "vitest";
import { ADA, POLL, test } from "./app-test.ts";
import { givenConversation } from "./list-fixture.ts";

test("the trash gives back, and lets go for good when asked twice", async ({ stage }) => {
  const { conversations } = stage.services;
  const kept = await givenConversation(stage, "Kept after all");
  const gone = await givenConversation(stage, "Gone");
  for (const id of [kept, gone]) await conversations.deleteConversation(ADA, id);
  const page = await stage.open("/settings#trash");
  await page.getByRole("button", { name: "Restore Kept after all" }).click();
  await page.getByRole("navigation").getByRole("link", { name: "Kept after all" }).waitFor();
  await page.getByRole("button", { name: "Delete forever: Gone" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete forever" }).click();
  await page.getByText("The trash is empty.").waitFor();
  const list = await conversations.listUserConversations(ADA);
  expect(list.conversations.map(({ id }) => id)).toEqual([kept]);
});

test("what was archived comes back to the list", async ({ stage }) => {
  const id = await givenConversation(stage, "Put away");
  await stage.services.conversations.updateConversation(ADA, id, { archived: true });
  const page = await stage.open("/settings#archive");
  await page.getByRole("button", { name: "Unarchive Put away" }).click();
  await page.getByText("Nothing is archived.").waitFor();
  await page.getByRole("navigation").getByRole("link", { name: "Put away" }).waitFor();
});

test("the theme is kept over a reload, without a flash of the other one", async ({ stage }) => {
  const page = await stage.open("/settings");
  await page.getByRole("radio", { name: "Dark" }).check();
  await page.reload({ waitUntil: "commit" });
  await expect.poll(() => page.evaluate(() => document.documentElement.dataset["theme"]), POLL).toBe("dark");
  expect(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)).toBe("dark");
});

test("an export that was taken is read again: what is there is skipped, what is no export is told", async ({
  stage,
}) => {
  const id = await givenConversation(stage, "Travels");
  const page = await stage.open("/settings#data");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "Export everything" }).click(),
  ]);
  const path = await download.path();
  await stage.services.conversations.deleteConversation(ADA, id, { permanent: true });
  await page.getByLabel("Export to import").setInputFiles(path);
  await page.getByText("1 conversations and 1 messages came in").waitFor();
  await page.getByLabel("Export to import").setInputFiles(path);
  await page.getByText("0 conversations and 0 messages came in").waitFor();
  stage.forgive(/Failed to load resource/);
  await page
    .getByLabel("Export to import")
    .setInputFiles({ name: "x.json", mimeType: "application/json", buffer: Buffer.from('{"no": "export"}') });
  await page.getByText("Not imported.").waitFor();
});
