import pg from "pg";
import type { Locator, Page } from "playwright-core";
import { ADA, type AppStage } from "./app-test.ts";

const DAY_MS = 86_400_000;

/** @returns the id of a new conversation with one message, which was last active so many days ago */
export async function givenConversation(stage: AppStage, title: string, daysAgo = 0): Promise<string> {
  const { conversations } = stage.services;
  const { id } = await conversations.createConversation(ADA, { title });
  await conversations.saveMessage(ADA, id, { role: "user", content: `About ${title}` });
  if (daysAgo > 0) await dateBack(stage, id, daysAgo);
  return id;
}

/** Conversations of different ages, written at once. */
export async function givenMany(stage: AppStage, count: number): Promise<void> {
  await givenConversation(stage, "Conversation 0");
  await query(
    stage,
    `insert into conversations (user_id, id, title, title_source, created_at, updated_at)
     select (select user_id from conversations limit 1), gen_random_uuid(), 'Conversation ' || n, 'user',
            now() - n * interval '1 hour', now() - n * interval '1 hour'
       from generate_series(1, $1::int) as n`,
    [count - 1],
  );
}

/** The service itself never makes anything older. */
async function dateBack(stage: AppStage, id: string, days: number): Promise<void> {
  await query(stage, "update conversations set updated_at = $2 where id = $1", [
    id,
    new Date(Date.now() - days * DAY_MS),
  ]);
}

async function query(stage: AppStage, sql: string, values: unknown[]): Promise<void> {
  const client = new pg.Client({ connectionString: stage.services.databaseUrl });
  await client.connect();
  await client.query(sql, values);
  await client.end();
}

/** @returns the sidebar's list */
export function listOf(page: Page): Locator {
  return page.getByRole("list", { name: "Conversations" });
}

/** @returns the link of one conversation in the sidebar */
export function rowOf(page: Page, title: string): Locator {
  return listOf(page).getByRole("link", { name: title, exact: true });
}

/** Opens a row's menu and chooses. */
export async function choose(page: Page, title: string, item: string): Promise<void> {
  await rowOf(page, title).hover();
  await page.getByRole("button", { name: `Actions for ${title}` }).click();
  await page.getByRole("menuitem", { name: item, exact: true }).click();
}

/** @returns headings and titles in the order in which they are seen */
export async function linesOf(page: Page): Promise<string[]> {
  const items = await listOf(page)
    .getByRole("listitem")
    .evaluateAll((items) =>
      items
        .map((item) => [item.getBoundingClientRect().top, item.textContent] as const)
        .toSorted(([a], [b]) => a - b)
        .map(([, text]) => text ?? ""),
    );
  return items;
}
