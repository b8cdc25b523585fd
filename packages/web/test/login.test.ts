import type { Page } from "playwright-core";
import { expect } from "vitest";
import { createApiKey, revokeApiKey } from "../../backscroll/src/service/api-keys.ts";
import { type AppStage, POLL, test as local } from "./app-test.ts";
import { composerOf, expectShown, stored } from "./chat-fixture.ts";
import { rowOf } from "./list-fixture.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";
/** What the console says of the answer to somebody who is not logged in. */
const REFUSED = /status of 401/;

const test = local.extend({ settings: { auth: "required", rateLimits: "off" } });

async function keyOf(stage: AppStage, user: string): Promise<{ id: string; secret: string }> {
  const { secret, apiKey } = await createApiKey(stage.services.deps, user, { name: "", scope: "own", expiresAt: null });
  return { id: apiKey.id, secret };
}

async function logIn(page: Page, secret: string): Promise<void> {
  await page.getByLabel("Access token or API key").fill(secret);
  await page.getByRole("button", { name: "Log in" }).click();
}

test("whoever has no credential is asked for one; a wrong one is told; a right one shows that person's own", async ({
  stage,
}) => {
  stage.forgive(REFUSED);
  const { conversations } = stage.services;
  const { id } = await conversations.createConversation(ADA, { title: "Ada's talk" });
  await conversations.createConversation(BOB, { title: "Bob's talk" });
  const page = await stage.open(`/c/${id}`);
  await logIn(page, "bsk_wrong");
  await page.getByRole("alert").waitFor();
  await logIn(page, (await keyOf(stage, ADA)).secret);
  await rowOf(page, "Ada's talk").waitFor();
  // Where they wanted to go.
  expect(new URL(page.url()).pathname).toBe(`/c/${id}`);
  expect(await rowOf(page, "Bob's talk").count()).toBe(0);
  await page.reload();
  await rowOf(page, "Ada's talk").waitFor();
});

test("logging out leaves nothing of the person in the browser", async ({ stage }) => {
  stage.forgive(REFUSED);
  await stage.services.conversations.createConversation(ADA, { title: "Ada's talk" });
  const page = await stage.open();
  await logIn(page, (await keyOf(stage, ADA)).secret);
  await rowOf(page, "Ada's talk").waitFor();
  await composerOf(page).fill("A secret thought");
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("heading", { name: "Log in to Backscroll" }).waitFor();
  expect(
    await page.evaluate(() => JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage)])),
  ).not.toContain("secret");
  await logIn(page, (await keyOf(stage, BOB)).secret);
  await page.getByText("No conversations yet.").waitFor();
  expect(await composerOf(page).inputValue()).toBe("");
});

test("a key that is revoked meanwhile leads to the login, and what was being typed is there afterwards", async ({
  stage,
}) => {
  stage.forgive(REFUSED);
  const { id } = await stage.services.conversations.createConversation(ADA, { title: "Ada's talk" });
  const page = await stage.open();
  const key = await keyOf(stage, ADA);
  await logIn(page, key.secret);
  await rowOf(page, "Ada's talk").click();
  await composerOf(page).fill("Half a thought");
  await revokeApiKey(stage.services.deps, key.id);
  // The service remembers for a few seconds what a credential is good for.
  await expect.poll(async () => (await page.request.get("/api/me")).status(), POLL).toBe(401);
  await composerOf(page).press("Enter");
  await page.getByRole("heading", { name: "Log in to Backscroll" }).waitFor();
  await logIn(page, (await keyOf(stage, ADA)).secret);
  await expect.poll(() => new URL(page.url()).pathname, POLL).toBe(`/c/${id}`);
  await expectShown(page, "Half a thought");
  await page.getByRole("article").getByRole("button", { name: "Retry" }).click();
  (await stage.services.nextReply()).finish();
  expect(await stored(stage, page, ADA)).toContain("user: Half a thought");
});
