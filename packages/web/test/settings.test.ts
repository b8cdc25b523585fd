import { expect } from "vitest";
import { ADA, POLL, test } from "./app-test.ts";
import { say } from "./chat-fixture.ts";
import { givenConversation } from "./list-fixture.ts";

const AT = "2026-01-01T00:00:00.000Z";

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

test("an export that is dropped is read, says how far it is, and can be cancelled", async ({ stage }) => {
  const page = await stage.open("/settings#data");
  const many = Array.from({ length: 3_000 }, (_, n) => ({
    conversation: { conversation_id: `dropped-${n}`, title: `Dropped ${n}`, created_at: AT },
    messages: [{ id: "m", role: "user", content: "x".repeat(2_000), seq: 1, created_at: AT }],
  }));
  const file = JSON.stringify({ backscroll_export: 1, conversations: many });
  const drop = async (): Promise<void> => {
    const files = await page.evaluateHandle((text) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([text], "export.json", { type: "application/json" }));
      return transfer;
    }, file);
    const place = page.getByText("Or drop it here.");
    await place.dispatchEvent("dragover", { dataTransfer: files });
    await place.dispatchEvent("drop", { dataTransfer: files });
  };
  const network = await page.context().newCDPSession(page);
  const upload = async (bytesPerSecond: number): Promise<void> => {
    const conditions = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: bytesPerSecond };
    await network.send("Network.emulateNetworkConditions", conditions);
  };
  await upload(200_000);
  await drop();
  await page.getByRole("progressbar", { name: "Import" }).waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByText(/^Cancelled\. What had come in stays/).waitFor();
  await expect.poll(() => page.getByRole("progressbar", { name: "Import" }).count()).toBe(0);
  await upload(-1);
  await drop();
  await page
    .getByRole("navigation")
    .getByRole("link", { name: /^Dropped/ })
    .first()
    .waitFor({ timeout: 60_000 });
  await page.getByText(/messages came in/).waitFor({ timeout: 60_000 });
}, 90_000);

test("replies are followed or not, as was chosen, also after a reload", async ({ stage }) => {
  const page = await stage.open("/settings");
  const follow = page.getByRole("checkbox", { name: /^Follow a reply/ });
  expect(await follow.isChecked()).toBe(true);
  await follow.uncheck();
  await page.reload();
  expect(await follow.isChecked()).toBe(false);
  await page.goto("/");
  await say(page, "Go on and on");
  const reply = await stage.services.nextReply();
  for (let n = 0; n < 100; n += 1) {
    reply.say(`Line ${n}\n\n`);
    await page.getByText(`Line ${n}`, { exact: true }).waitFor({ state: "attached" });
  }
  await page.getByText("Line 99", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Jump to latest" }).waitFor();
  expect(await page.getByRole("log").evaluate((log) => log.scrollTop)).toBeLessThan(200);
  reply.finish();
});
