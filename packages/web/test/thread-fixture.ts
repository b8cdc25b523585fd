import pg from "pg";
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { ADA, type AppStage, POLL } from "./app-test.ts";

/** A conversation, and its messages by their numbers. */
export interface LongConversation {
  readonly id: string;
  readonly href: string;
  /** @returns the id of the nth message, from 1 on */
  messageId(nth: number): Promise<string>;
}

/**
 * Writes a conversation of so many messages, a minute apart, the newest a minute ago; "Message 7 …" is the seventh. In
 * bulk, as `bench/seed.ts` does, with everything the service keeps true.
 */
export async function givenMessages(stage: AppStage, count: number): Promise<LongConversation> {
  const { id } = await stage.services.conversations.createConversation(ADA, { title: `A talk of ${count}` });
  const client = new pg.Client({ connectionString: stage.services.databaseUrl });
  await client.connect();
  const query = async <Row extends pg.QueryResultRow>(text: string, values: unknown[]): Promise<Row[]> =>
    (await client.query<Row>(text, values)).rows;
  try {
    await query(
      `update conversations
          set last_seq = $2, message_count = $2, version = version + $2, created_at = statement_timestamp() - $2 * interval '1 min',
              updated_at = statement_timestamp() - interval '1 min'
        where id = $1::uuid`,
      [id, count],
    );
    await query(
      `insert into messages (user_id, conversation_id, seq, id, role, content, created_at)
       select c.user_id, c.id, seq, (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' ||
              substr(md5(seq::text), 1, 3) || '8' || substr(md5(seq::text), 4, 15))::uuid,
              case when seq % 2 = 1 then 'user' else 'assistant' end,
              'Message ' || seq || repeat(' and what there is to say about it', (seq * 7 % 11)::int), at
         from conversations as c, generate_series(1, $2::bigint) as seq,
              lateral (select c.updated_at - ($2 - seq) * interval '1 min' as at) as time
        where c.id = $1::uuid
        order by seq`,
      [id, count],
    );
  } finally {
    await client.end();
  }
  return {
    id,
    href: `/c/${id}`,
    async messageId(nth) {
      const found = await stage.services.conversations.getFullHistory(ADA, id, { page: nth, pageSize: 1 });
      return (found.messages[0] as { id?: string } | undefined)?.id ?? "";
    },
  };
}

/** @returns the numbers of the messages that are in the page, from top to bottom */
export async function shownNumbers(page: Page): Promise<number[]> {
  return page.getByRole("article").evaluateAll((rows) =>
    rows
      .map((row) => ({ nth: Number(/Message (\d+)/.exec(row.textContent)?.[1]), top: row.getBoundingClientRect().top }))
      .toSorted((a, b) => a.top - b.top)
      .map(({ nth }) => nth),
  );
}

export async function waitForMessage(page: Page, nth: number): Promise<void> {
  await page
    .getByText(new RegExp(`^Message ${nth}\\b`))
    .first()
    .waitFor();
}

/** Whether the thread is at its end, and stays there. */
export async function expectAtEnd(page: Page): Promise<void> {
  const fromEnd = (): Promise<number> =>
    page.getByRole("log").evaluate((log) => log.scrollHeight - log.clientHeight - log.scrollTop);
  await expect.poll(fromEnd, POLL).toBeLessThanOrEqual(1);
}
