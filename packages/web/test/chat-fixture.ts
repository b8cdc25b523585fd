import type { Locator, Page } from "playwright-core";
import { expect } from "vitest";
import { ADA, type AppStage, POLL } from "./app-test.ts";

/** What the console says of requests that fail, as a test has them do. */
export const FAILED_REQUEST = /Failed to load resource|ERR_/;

/** Where a message is written. */
export function composerOf(page: Page): Locator {
  return page.getByLabel("Message", { exact: true });
}

export async function say(page: Page, text: string): Promise<void> {
  await composerOf(page).fill(text);
  // Whatever was written before it has come to its end, and the service can be reached.
  await page.getByRole("button", { name: "Send", disabled: false }).waitFor();
  await composerOf(page).press("Enter");
}

/** Answers the next question. */
export async function answer(stage: AppStage, text: string): Promise<void> {
  const reply = await stage.services.nextReply();
  reply.say(text);
  reply.finish();
}

/** The messages' texts, without what stands around them. */
export async function expectShown(page: Page, ...texts: readonly string[]): Promise<void> {
  await expect
    .poll(async () => {
      const shown = await page.locator("article [data-message-text]").allInnerTexts();
      return shown.map((text) => text.trim());
    }, POLL)
    .toEqual(texts);
}

/** @returns the messages of the conversation that is open, as the service has them */
export async function stored(stage: AppStage, page: Page, user: string = ADA): Promise<string[]> {
  const id = new URL(page.url()).pathname.split("/").at(-1) ?? "";
  const { messages } = await stage.services.conversations.getFullHistory(user, id);
  return messages.map(
    ({ role, content, status }) => `${role}: ${content}${role === "assistant" ? ` (${status})` : ""}`,
  );
}
