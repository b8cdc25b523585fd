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
      .map((row) => {
        // Not the row's own text: the time stands behind it, without a space.
        const text = row.querySelector("[data-message-text]")?.textContent ?? "";
        return { nth: Number(/Message (\d+)/.exec(text)?.[1]), top: row.getBoundingClientRect().top };
      })
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

/** What was seen on a way through a thread. */
export interface Walk {
  /** the numbers of the messages that were in sight, each once */
  readonly seen: readonly number[];
  /** frames that showed something wrong */
  readonly faults: readonly string[];
  /** of all that is held, at the end */
  readonly heightPx: number;
}

/** Scrolls by so many pixels a frame until the nth message is seen, as a wheel does, and looks at every frame. */
export async function scrollThrough(
  page: Page,
  way: { readonly stepPx: number; readonly until: number },
): Promise<Walk> {
  return page.evaluate(async ({ stepPx, until }) => {
    const log = document.querySelector<HTMLElement>('[role="log"]');
    if (!log) throw new Error("there is no thread");
    const seen = new Set<number>();
    const faults: string[] = [];
    const nextFrame = (): Promise<unknown> => new Promise((done) => requestAnimationFrame(done));
    /** @returns whether what is in sight is rendered, give or take a day's line: scrolling may be faster */
    const look = (): boolean => {
      const { top, bottom } = log.getBoundingClientRect();
      const numberOf = (row: Element): number =>
        Number(/Message (\d+)/.exec(row.querySelector("[data-message-text]")?.textContent ?? "")?.[1]);
      const shown = [...log.querySelectorAll("article")]
        .map((row) => ({ nth: numberOf(row), box: row.getBoundingClientRect() }))
        .filter(({ box }) => box.bottom > top && box.top < bottom)
        .toSorted((a, b) => a.box.top - b.box.top);
      for (const [at, { nth }] of shown.entries()) {
        seen.add(nth);
        const before = shown[at - 1];
        if (before && nth !== before.nth + 1) faults.push(`${nth} after ${before.nth}`);
      }
      return (shown[0]?.box.top ?? bottom) < top + 200 && (shown.at(-1)?.box.bottom ?? top) > bottom - 200;
    };
    look();
    for (let stillFrames = 0; !seen.has(until) && stillFrames < 600;) {
      const before = log.scrollTop;
      log.scrollBy(0, stepPx);
      await nextFrame();
      for (let frames = 0; !look() && frames < 60; frames += 1) await nextFrame();
      stillFrames = log.scrollTop === before ? stillFrames + 1 : 0;
    }
    return { seen: [...seen], faults: faults.slice(0, 20), heightPx: log.scrollHeight };
  }, way);
}

/** Follows the message in the middle of the thread from now on, frame by frame. */
export async function startWatching(page: Page): Promise<void> {
  await page.evaluate(() => {
    const log = document.querySelector('[role="log"]')?.getBoundingClientRect();
    if (!log) throw new Error("there is no thread");
    const middle = log.top + log.height / 2;
    const read = [...document.querySelectorAll('[role="log"] article')].find((row) => {
      const { top, bottom } = row.getBoundingClientRect();
      return top <= middle && bottom > middle;
    });
    if (!read) throw new Error("no message is in the middle");
    const watched = { driftPx: 0, frames: 0, isOver: false };
    Object.assign(globalThis, { watched });
    const firstTop = read.getBoundingClientRect().top;
    const watch = (): void => {
      watched.frames += 1;
      const moved = read.isConnected ? Math.abs(read.getBoundingClientRect().top - firstTop) : Number.POSITIVE_INFINITY;
      watched.driftPx = Math.max(watched.driftPx, moved);
      if (!watched.isOver) requestAnimationFrame(watch);
    };
    watch();
  });
}

/** @returns px by which the message moved at most since then */
export async function stopWatching(page: Page): Promise<number> {
  await twentyFrames(page);
  return page.evaluate(() => {
    const { watched } = globalThis as unknown as { watched: { driftPx: number; isOver: boolean } };
    watched.isOver = true;
    return watched.driftPx;
  });
}

/** What the page has to do it has done by then. */
export async function twentyFrames(page: Page): Promise<void> {
  await page.evaluate(async () => {
    for (let frame = 0; frame < 20; frame += 1) await new Promise((done) => requestAnimationFrame(done));
  });
}

/** @returns px by which something is wider than the page, or than the thread */
export async function overflowPx(page: Page): Promise<number> {
  return page.evaluate(() => {
    const wide = [document.documentElement, document.querySelector('[role="log"]')];
    return Math.max(...wide.map((element) => (element ? element.scrollWidth - element.clientWidth : 0)));
  });
}

/** That every message from `low` to `high` was in sight, and no frame showed a gap or one twice. */
export function expectEach(walk: Walk, low: number, high: number): void {
  expect(walk.faults).toEqual([]);
  const seen = new Set(walk.seen);
  const missing = Array.from({ length: high - low + 1 }, (_, i) => low + i).filter((nth) => !seen.has(nth));
  expect(missing).toEqual([]);
}
