import fc from "fast-check";
import { expect } from "vitest";
import { apply, changes, HistoryModel } from "./history-model.ts";
import { type Services, test } from "./services.ts";

const ADA = "ada@example.com";

test("every page of every size is that part of the conversation, whatever was edited and deleted", async ({
  services,
}) => {
  let n = 0;
  await fc.assert(
    fc.asyncProperty(changes, fc.integer({ min: 1, max: 7 }), async (made, pageSize) => {
      const model = await HistoryModel.begin(services, ADA, `c${(n += 1)}`);
      await apply(model, made);
      await expectPages(
        model,
        "",
        model.messages.map(({ id }) => id),
        pageSize,
      );
    }),
    { numRuns: 40 },
  );
}, 60_000);

test("pages of a window of time hold exactly what was said in it, equal times included", async ({ services }) => {
  let n = 0;
  await fc.assert(
    fc.asyncProperty(changes, fc.integer({ min: 1, max: 4 }), fc.nat(60), fc.nat(60), async (made, pageSize, a, b) => {
      const model = await HistoryModel.begin(services, ADA, `c${(n += 1)}`);
      await apply(model, made);
      const times = [
        "2025-12-31T00:00:00.000Z",
        ...model.messages.map(({ created_at }) => created_at),
        "2026-12-31T00:00:00.000Z",
      ];
      const [from = "", to = ""] = [times[a % times.length] ?? "", times[b % times.length] ?? ""].toSorted();
      const since = model.messages.filter(({ created_at }) => created_at >= from);
      await expectPages(
        model,
        `&from=${from}`,
        since.map(({ id }) => id),
        pageSize,
      );
      const until = model.messages.filter(({ created_at }) => created_at < to);
      await expectPages(
        model,
        `&to=${to}`,
        until.map(({ id }) => id),
        pageSize,
      );
      if (from === to) return;
      await expectPages(
        model,
        `&from=${from}&to=${to}`,
        since.filter(({ created_at }) => created_at < to).map(({ id }) => id),
        pageSize,
      );
    }),
    { numRuns: 25 },
  );
}, 60_000);

test("the last page is right after the first, the last and all messages are deleted", async ({ services }) => {
  const model = await HistoryModel.begin(services, ADA, "c");
  await model.add(Array<number>(10).fill(1));
  for (const nth of [0, 8, 4]) {
    await model.delete(nth);
    await expectPages(
      model,
      "",
      model.messages.map(({ id }) => id),
      3,
    );
  }
  while (model.messages.length > 0) await model.delete(0);
  await expectPages(model, "", [], 3);
  await model.add([0, 0]);
  await expectPages(model, "", ["m11", "m12"], 1);
});

test("a page deep in a long history with holes is the same as the list sliced", async ({ services }) => {
  const at = await services.newConversation(ADA);
  await fillWithHoles(services, at.userId, at.conversationId, 3_000);
  const kept = Array.from({ length: 3_000 }, (_, i) => i + 1).filter((seq) => seq % 3 !== 0);
  const path = `/api/conversations/${at.conversationId}/messages`;
  for (const page of [1, 2, 7, 10, 11]) {
    const { json } = await services.call(ADA, "GET", `${path}?page=${page}&page_size=200`);
    expect(json.messages.map(({ seq }: { seq: number }) => seq)).toEqual(kept.slice((page - 1) * 200, page * 200));
    expect(json.pagination).toEqual({
      total: 2_000,
      page,
      page_size: 200,
      total_pages: 10,
      has_next: page < 10,
      has_prev: page > 1,
    });
  }
});

test("without parameters there are the newest 20, and pages are of 50", async ({ services }) => {
  const model = await HistoryModel.begin(services, ADA, "c");
  await model.add(Array<number>(60).fill(1));
  const newest = await model.read("");
  expect(newest.ids).toEqual(
    model.messages
      .map(({ id }) => id)
      .toReversed()
      .slice(0, 20),
  );
  expect(newest.has_more).toBe(true);
  expect((await model.read("page=1")).pagination).toMatchObject({ page: 1, page_size: 50, total: 60 });
  expect((await model.read("page_size=7")).pagination).toMatchObject({ page: 1, page_size: 7 });
});

/** Reads every page, and two beyond the end. */
async function expectPages(
  model: HistoryModel,
  filter: string,
  ids: readonly string[],
  pageSize: number,
): Promise<void> {
  const totalPages = Math.ceil(ids.length / pageSize);
  for (let page = 1; page <= totalPages + 2; page += 1) {
    const read = await model.read(`page=${page}&page_size=${pageSize}${filter}`);
    expect(read.ids, `page ${page} of ${pageSize}${filter}`).toEqual(ids.slice((page - 1) * pageSize, page * pageSize));
    expect(read.pagination).toEqual({
      total: ids.length,
      page,
      page_size: pageSize,
      total_pages: totalPages,
      has_next: page < totalPages,
      has_prev: page > 1,
    });
  }
}

/** As the service would have left it, in three statements: every third message is deleted. */
async function fillWithHoles(services: Services, userId: number, id: string, n: number): Promise<void> {
  const { pool } = services.deps.db;
  await pool.query(
    `insert into messages (user_id, conversation_id, seq, id, role, content, created_at)
     select $1, $2, n, gen_random_uuid(), 'user', 'x', statement_timestamp() from generate_series(1, $3::int) as n where n % 3 <> 0`,
    [userId, id, n],
  );
  await pool.query(
    "insert into deleted_messages (user_id, conversation_id, seq) select $1, $2, n from generate_series(3, $3::int, 3) as n",
    [userId, id, n],
  );
  await pool.query(
    "update conversations set last_seq = $3::int, message_count = $3::int - $3::int / 3, version = version + $3::int where user_id = $1 and id = $2",
    [userId, id, n],
  );
}
