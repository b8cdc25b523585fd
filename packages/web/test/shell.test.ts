import { expect } from "vitest";
import { ADA, PHONE, test } from "./app-test.ts";

test("the sidebar shows the conversations, and hears of new ones", async ({ stage }) => {
  await stage.services.conversations.createConversation(ADA, { title: "Trip to Rome" });
  const page = await stage.open();
  await page.getByRole("link", { name: "Trip to Rome" }).waitFor();
  await stage.services.conversations.createConversation(ADA, { title: "Trip to Oslo" });
  await page.getByRole("link", { name: "Trip to Oslo" }).waitFor();
});

test("on a phone the sidebar is a drawer: Escape and Back close it, and so does going somewhere", async ({ stage }) => {
  await stage.services.conversations.createConversation(ADA, { title: "Trip to Rome" });
  const page = await stage.open("/", { viewport: PHONE });
  const drawer = page.getByRole("dialog", { name: "Conversations" });
  const open = async (): Promise<void> => {
    await page.getByRole("button", { name: "Conversations" }).click();
    await drawer.waitFor();
  };
  await open();
  await page.keyboard.press("Escape");
  await drawer.waitFor({ state: "hidden" });
  await open();
  await page.goBack();
  await drawer.waitFor({ state: "hidden" });
  expect(new URL(page.url()).pathname).toBe("/");
  await open();
  await page.getByRole("link", { name: "Trip to Rome" }).click();
  await drawer.waitFor({ state: "hidden" });
  await expect.poll(() => new URL(page.url()).pathname).toMatch(/^\/c\//);
});
