import fc from "fast-check";
import { expect } from "vitest";
import { MESSAGE_FIELDS } from "../src/domain/message.ts";
import { apply, changes, HistoryModel, type Window } from "./history-model.ts";
import { type Services, test } from "./services.ts";

const ADA = "ada@example.com";

test("a walk back and a walk forth each show everything exactly once", async ({ services }) => {
  let n = 0;
  await fc.assert(
    fc.asyncProperty(changes, fc.integer({ min: 1, max: 6 }), async (made, limit) => {
      const model = await HistoryModel.begin(services, ADA, `c${(n += 1)}`);
      await apply(model, made);
      const ids = model.messages.map(({ id }) => id);
      const back = await walk(model, "before", `limit=${limit}`, limit);
      expect(back).toEqual(ids.toReversed());
      const first = model.messages[0];
      if (!first) return;
      const start = Buffer.from(`m${first.seq - 1}`).toString("base64url");
      expect(await walk(model, "after", `after=${start}&limit=${limit}`, limit)).toEqual(ids);
    }),
    { numRuns: 40 },
  );
}, 60_000);

test("around a message are its neighbours, and both ways on lead to the ends", async ({ services }) => {
  let n = 0;
  await fc.assert(
    fc.asyncProperty(changes, fc.integer({ min: 1, max: 6 }), fc.nat(50), async (made, limit, nth) => {
      const model = await HistoryModel.begin(services, ADA, `c${(n += 1)}`);
      await model.add([1]);
      await apply(model, made);
      const ids = model.messages.map(({ id }) => id);
      const at = nth % Math.max(1, ids.length);
      if (ids[at] === undefined) return;
      const window = await model.read(`around=${ids[at]}&limit=${limit}`);
      const before = Math.floor(limit / 2);
      expect(window.ids).toEqual(ids.slice(Math.max(0, at - before), at + limit - before));
      expect(window.has_previous).toBe(at - before > 0);
      expect(window.has_more).toBe(at + limit - before < ids.length);
      const older =
        window.previous_cursor === null
          ? []
          : await walk(model, "before", `before=${window.previous_cursor}&limit=${limit}`, limit);
      const newer =
        window.next_cursor === null
          ? []
          : await walk(model, "after", `after=${window.next_cursor}&limit=${limit}`, limit);
      expect([...older.toReversed(), ...window.ids, ...newer]).toEqual(ids);
    }),
    { numRuns: 40 },
  );
}, 60_000);

test("a window of time narrows every way of reading", async ({ services }) => {
  let n = 0;
  await fc.assert(
    fc.asyncProperty(
      changes,
      fc.nat(50),
      fc.nat(50),
      fc.nat(50),
      fc.integer({ min: 1, max: 4 }),
      async (made, a, b, nth, limit) => {
        const model = await HistoryModel.begin(services, ADA, `c${(n += 1)}`);
        await model.add([1, 1, 0, 1]);
        await apply(model, made);
        if (model.messages.length === 0) return;
        const times = [...model.messages.map(({ created_at }) => created_at), "2026-12-31T00:00:00.000Z"];
        const [from = "", to = ""] = [times[a % times.length] ?? "", times[b % times.length] ?? ""].toSorted();
        if (from === to) return;
        const range = `from=${from}&to=${to}`;
        const ids = model.messages
          .filter(({ created_at }) => created_at >= from && created_at < to)
          .map(({ id }) => id);
        expect(await walk(model, "before", `limit=${limit}&${range}`, limit)).toEqual(ids.toReversed());
        expect(
          await walk(model, "after", `after=${Buffer.from("m0").toString("base64url")}&limit=${limit}&${range}`, limit),
        ).toEqual(ids);

        const around = await model.read(
          `around=${model.messages[nth % model.messages.length]?.id}&limit=${limit}&${range}`,
        );
        for (const id of around.ids) expect(ids).toContain(id);
        expect(around.previous_cursor !== null).toBe(around.has_previous);
        expect(around.next_cursor !== null).toBe(around.has_more);
      },
    ),
    { numRuns: 40 },
  );
}, 60_000);

test("a walk shows nothing twice and leaves nothing out while others save and delete", async ({ services }) => {
  await services.call(ADA, "POST", "/api/conversations", { id: "c" });
  await save(
    services,
    Array.from({ length: 60 }, (_, i) => `old${i}`),
  );
  const path = "/api/conversations/c/messages";
  const seen: string[] = [];
  let cursor: string | null = "";
  for (let step = 0; cursor !== null; step += 1) {
    const { json } = await services.call(ADA, "GET", `${path}?limit=7${cursor && `&before=${cursor}`}`);
    seen.push(...json.messages.map(({ id }: { id: string }) => id));
    cursor = json.next_cursor;
    await Promise.all([
      save(services, [`new${step}a`, `new${step}b`]),
      services.call(ADA, "DELETE", `${path}/old${59 - step}`),
    ]);
  }
  expect(seen).toEqual(Array.from({ length: 60 }, (_, i) => `old${59 - i}`));
  const tail = await services.call(ADA, "GET", `${path}?after=${Buffer.from("m60").toString("base64url")}&limit=200`);
  expect(tail.json.messages.map(({ id }: { id: string }) => id).toSorted()).toEqual(
    Array.from({ length: 9 }, (_, i) => [`new${i}a`, `new${i}b`])
      .flat()
      .toSorted(),
  );
});

test("some fields of a message are those fields, in every way of reading; none is left out for lacking one", async ({
  services,
}) => {
  await services.call(ADA, "POST", "/api/conversations", { id: "c" });
  const path = "/api/conversations/c/messages";
  await services.call(ADA, "POST", path, { id: "m1", role: "user", content: "x" });
  await services.call(ADA, "POST", path, {
    id: "m2",
    role: "assistant",
    content: "y",
    parts: [{ type: "z" }],
    metadata: { a: null },
    model: "gpt",
  });
  await services.call(ADA, "POST", path, { id: "m3", role: "user", content: "z" });
  const whole = (await services.call(ADA, "GET", `${path}?page=1`)).json.messages as Record<string, unknown>[];

  for (const fields of [
    ["id"],
    ["content", "role"],
    ["parts"],
    ["metadata", "edited_at"],
    ["id", "id"],
    [...MESSAGE_FIELDS],
  ]) {
    const expected = whole.map((message) =>
      Object.fromEntries(Object.entries(message).filter(([name]) => new Set<string>(fields).has(name))),
    );
    const query = `fields=${fields.join(",")}`;
    expect((await services.call(ADA, "GET", `${path}?page=1&${query}`)).json.messages, query).toEqual(expected);
    expect((await services.call(ADA, "GET", `${path}?${query}`)).json.messages, query).toEqual(expected.toReversed());
    expect((await services.call(ADA, "GET", `${path}?around=m2&${query}`)).json.messages, query).toEqual(expected);
    const one = (await services.call(ADA, "GET", `${path}?limit=1&${query}`)).json;
    expect(one, query).toMatchObject({ messages: [expected[2]], has_more: true, next_cursor: expect.any(String) });
  }
});

test("a cursor at a deleted message goes on from its place", async ({ services }) => {
  const model = await HistoryModel.begin(services, ADA, "c");
  await model.add([1, 1, 1, 1, 1]);
  const first = await model.read("limit=2");
  await model.delete(3);
  expect((await model.read(`limit=2&before=${first.next_cursor}`)).ids).toEqual(["m3", "m2"]);
  expect((await model.read(`after=${first.next_cursor}`)).ids).toEqual(["m5"]);
});

test("around a message outside the window of time, a cursor is there whenever there is more", async ({ services }) => {
  const model = await HistoryModel.begin(services, ADA, "c");
  await model.add([0, 1_000, 1_000, 1_000, 1_000]);
  const [, second, , fourth] = model.messages;
  for (const range of [`to=${second?.created_at}`, `to=${fourth?.created_at}`, `from=${fourth?.created_at}`]) {
    for (const [around, limit] of [
      ["m1", 1],
      ["m1", 2],
      ["m5", 1],
      ["m5", 2],
      ["m3", 1],
    ] as const) {
      const window = await model.read(`around=${around}&limit=${limit}&${range}`);
      expect(window.previous_cursor !== null, `around ${around} ${range} limit ${limit}`).toBe(window.has_previous);
      expect(window.next_cursor !== null).toBe(window.has_more);
    }
  }
});

test("an empty conversation is empty in every way of reading", async ({ services }) => {
  const model = await HistoryModel.begin(services, ADA, "c");
  const cursor = Buffer.from("m5").toString("base64url");
  for (const query of [
    "",
    "limit=1",
    `before=${cursor}`,
    `after=${cursor}`,
    "from=2026-01-01T00:00:00Z",
    "fields=parts",
  ]) {
    expect(await model.read(query)).toEqual({ messages: [], ids: [], has_more: false, next_cursor: null });
  }
  expect((await model.read("page=1")).pagination).toMatchObject({
    total: 0,
    total_pages: 0,
    has_next: false,
    has_prev: false,
  });
});

/** Follows the cursors to the end; every step but the last is full. */
async function walk(
  model: HistoryModel,
  direction: "before" | "after",
  query: string,
  limit: number,
): Promise<string[]> {
  const rest = query.replace(/^(before|after)=[^&]*&/, "");
  const seen: string[] = [];
  let window: Window = await model.read(query);
  for (;;) {
    seen.push(...window.ids);
    expect(window.next_cursor !== null).toBe(window.has_more);
    if (window.next_cursor === null) return seen;
    expect(window.ids).toHaveLength(limit);
    window = await model.read(`${direction}=${window.next_cursor}&${rest}`);
  }
}

async function save(services: Services, ids: readonly string[]): Promise<void> {
  const messages = ids.map((id) => ({ id, role: "user", content: id }));
  expect((await services.call(ADA, "POST", "/api/conversations/c/messages", { messages })).status).toBe(201);
}
