import fc from "fast-check";
import { expect } from "vitest";
import { expectProblem } from "./problem.ts";
import { type Services, test } from "./services.ts";

const ADA = "ada@example.com";

interface Listed {
  readonly conversation_id: string;
  readonly updated_at: string;
}

async function create(services: Services, ...ids: string[]): Promise<void> {
  for (const id of ids)
    expect((await services.call(ADA, "POST", "/api/conversations", { id, title: `title of ${id}` })).status).toBe(201);
}

async function patch(services: Services, id: string, changes: object): Promise<void> {
  expect((await services.call(ADA, "PATCH", `/api/conversations/${id}`, changes)).status).toBe(200);
}

async function say(services: Services, id: string): Promise<void> {
  expect(
    (await services.call(ADA, "POST", `/api/conversations/${id}/messages`, { role: "user", content: `to ${id}` }))
      .status,
  ).toBe(201);
}

/** Sets the last activity of a conversation. */
async function age(services: Services, id: string, updatedAt: string): Promise<void> {
  await services.deps.db.pool.query("update conversations set updated_at = $2 where client_id = $1", [id, updatedAt]);
}

async function list(services: Services, query = ""): Promise<string[]> {
  const { json, status, text } = await services.call(ADA, "GET", `/api/conversations?${query}`);
  expect(status, text).toBe(200);
  return json.conversations.map(({ conversation_id }: Listed) => conversation_id);
}

/** The whole list by cursors; checks that each slice but the last is full. */
async function walk(services: Services, limit: number, filter = ""): Promise<string[]> {
  const seen: string[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const { json } = await services.call(
      ADA,
      "GET",
      `/api/conversations?limit=${limit}${cursor && `&cursor=${cursor}`}${filter}`,
    );
    expect(json.pagination).toEqual({
      limit,
      has_next: json.pagination.next_cursor !== null,
      next_cursor: json.pagination.next_cursor,
    });
    if (json.pagination.has_next) expect(json.conversations).toHaveLength(limit);
    seen.push(...json.conversations.map(({ conversation_id }: Listed) => conversation_id));
    cursor = json.pagination.next_cursor;
  }
  return seen;
}

test("a new conversation has a title, no messages and an id of its own or of its author", async ({ services }) => {
  const { status, json } = await services.call(ADA, "POST", "/api/conversations", {});
  expect(status).toBe(201);
  expect(json).toEqual({
    conversation_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    title: "New Conversation",
    created_at: expect.any(String),
  });
  const found = await services.call(ADA, "GET", `/api/conversations/${json.conversation_id}`);
  expect(found.json).toEqual({
    ...json,
    message_count: 0,
    last_message_preview: null,
    pinned: false,
    archived: false,
    metadata: {},
    updated_at: json.created_at,
  });
  for (const id of ["mine", "0189D3A0-0000-7000-8000-00000000ABCD", "0189d3a0-0000-7000-8000-00000000abcd"]) {
    expect((await services.call(ADA, "POST", "/api/conversations", { id })).json.conversation_id).toBe(id);
    expect((await services.call(ADA, "GET", `/api/conversations/${id}`)).json.conversation_id).toBe(id);
  }
});

test("the same creation 20 times at once makes one conversation; another title or metadata is a conflict", async ({
  services,
}) => {
  const body = { id: "c", title: "Plans", metadata: { a: { b: [1, 2] }, zero: 0 } };
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => services.call(ADA, "POST", "/api/conversations", body)),
  );
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([...Array<number>(19).fill(200), 201]);
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  expect((await services.call(ADA, "POST", "/api/conversations", { id: "c" })).status).toBe(200);
  for (const other of [{ title: "Other" }, { metadata: {} }, { metadata: { ...body.metadata, more: 1 } }]) {
    expectProblem(
      await services.call(ADA, "POST", "/api/conversations", { ...body, ...other }),
      "conversation_id_conflict",
    );
  }
});

test("the list is by newest activity, pinned ones first; by page and by cursor it is the same", async ({
  services,
}) => {
  let n = 0;
  const kind = fc.record({
    minutesAgo: fc.integer({ min: 0, max: 4_000 }),
    pinned: fc.boolean(),
    archived: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(kind, { maxLength: 12 }), fc.integer({ min: 1, max: 5 }), async (kinds, size) => {
      await services.deps.db.pool.query("delete from conversations");
      const now = Date.parse("2026-03-02T01:00:00.000Z");
      const made = [];
      for (const { minutesAgo, ...flags } of kinds) {
        const id = `c${(n += 1)}`;
        await create(services, id);
        await patch(services, id, flags);
        await age(services, id, new Date(now - minutesAgo * 60_000).toISOString());
        made.push({ id, minutesAgo, ...flags });
      }
      for (const archived of [false, true]) {
        const shown = made.filter((one) => one.archived === archived);
        const ids = await walk(services, size, `&archived=${archived}`);
        expect(ids.toSorted()).toEqual(shown.map(({ id }) => id).toSorted());
        const rank = new Map(shown.map(({ id, pinned, minutesAgo }) => [id, (pinned ? 0 : 1e6) + minutesAgo]));
        expect(ids.map((id) => rank.get(id))).toEqual(ids.map((id) => rank.get(id)).toSorted((a = 0, b = 0) => a - b));
        for (let page = 1; page <= Math.ceil(ids.length / size) + 1; page += 1) {
          const { json } = await services.call(
            ADA,
            "GET",
            `/api/conversations?page=${page}&page_size=${size}&archived=${archived}`,
          );
          expect(json.conversations.map(({ conversation_id }: Listed) => conversation_id)).toEqual(
            ids.slice((page - 1) * size, page * size),
          );
          expect(json.pagination).toMatchObject({
            total: ids.length,
            page,
            page_size: size,
            has_next: page * size < ids.length,
            has_prev: page > 1,
          });
          expect(json.pagination.next_cursor !== null).toBe(json.pagination.has_next);
        }
      }
    }),
    { numRuns: 20 },
  );
}, 60_000);

test("a walk by cursor shows nothing twice when conversations move up meanwhile", async ({ services }) => {
  const ids = Array.from({ length: 12 }, (_, i) => `c${i}`);
  await create(services, ...ids);
  for (const [i, id] of ids.entries())
    await age(services, id, new Date(Date.parse("2026-01-01") + i * 1_000).toISOString());
  const seen: string[] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const { json } = await services.call(ADA, "GET", `/api/conversations?limit=3${cursor && `&cursor=${cursor}`}`);
    seen.push(...json.conversations.map(({ conversation_id }: Listed) => conversation_id));
    cursor = json.pagination.next_cursor;
    await say(services, seen.at(-1) ?? "");
    await create(services, `new${seen.length}`);
  }
  expect(seen).toEqual(ids.toReversed());
});

test("activity is a message saved, edited or deleted; not a new name, a pin, an archive or a look", async ({
  services,
}) => {
  await create(services, "c", "other");
  await services.call(ADA, "POST", "/api/conversations/c/messages", { id: "m", role: "user", content: "x" });
  const old = "2026-01-01T00:00:00.000Z";
  const moves = async (act: () => Promise<unknown>): Promise<boolean> => {
    await age(services, "c", old);
    await act();
    return (await services.call(ADA, "GET", "/api/conversations/c")).json.updated_at !== old;
  };
  for (const changes of [
    { title: "new" },
    { pinned: true },
    { pinned: false },
    { archived: true },
    { archived: false },
    { metadata: { a: 1 } },
  ]) {
    expect(await moves(() => patch(services, "c", changes)), JSON.stringify(changes)).toBe(false);
  }
  expect(await moves(() => services.call(ADA, "GET", "/api/conversations/c/messages"))).toBe(false);
  expect(await moves(() => say(services, "c"))).toBe(true);
  expect(await moves(() => services.call(ADA, "PATCH", "/api/conversations/c/messages/m", { content: "y" }))).toBe(
    true,
  );
  expect(await moves(() => services.call(ADA, "DELETE", "/api/conversations/c/messages/m"))).toBe(true);
  expect(await list(services)).toEqual(["c", "other"]);
});

test("a change changes what it names, and nothing else", async ({ services }) => {
  await services.call(ADA, "POST", "/api/conversations", { id: "c", metadata: { a: 1 } });
  const expected = (await services.call(ADA, "GET", "/api/conversations/c")).json;
  for (const changes of [
    { title: "Plans 🗓" },
    { pinned: true },
    { archived: true },
    { metadata: { b: [null] } },
    { metadata: {} },
    { pinned: false, archived: false, title: "x" },
  ]) {
    const { json } = await services.call(ADA, "PATCH", "/api/conversations/c", changes);
    Object.assign(expected, changes);
    expect(json).toEqual(expected);
    expect((await services.call(ADA, "GET", "/api/conversations/c")).json).toEqual(expected);
  }
});

test("archived ones are listed when asked for, and only then", async ({ services }) => {
  await create(services, "a", "b");
  await patch(services, "a", { archived: true });
  expect(await list(services)).toEqual(["b"]);
  expect(await list(services, "archived=false")).toEqual(["b"]);
  expect(await list(services, "archived=true")).toEqual(["a"]);
  await patch(services, "a", { archived: false });
  expect((await list(services)).toSorted()).toEqual(["a", "b"]);
});

test("q finds a part of the title as it is written, wildcards and quotes included, in any case", async ({
  services,
}) => {
  const titles = [
    "100% sure",
    "snake_case",
    "back\\slash",
    'it\'s "quoted"',
    "École d'été",
    "ΩΜΕΓΑ",
    "日本語の会話",
    "👩‍👩‍👧 family",
    "Plain",
    "Straße",
    "tab\there",
  ];
  for (const title of titles) await services.call(ADA, "POST", "/api/conversations", { title });
  const find = async (q: string): Promise<string[]> => {
    const { json } = await services.call(ADA, "GET", `/api/conversations?q=${encodeURIComponent(q)}`);
    expect(json.pagination.total).toBe(json.conversations.length);
    return json.conversations.map(({ title }: { title: string }) => title);
  };
  const expected: [q: string, found: string[]][] = [
    ["%", ["100% sure"]],
    ["_", ["snake_case"]],
    ["\\", ["back\\slash"]],
    ["\\s", ["back\\slash"]],
    ["'s \"q", ['it\'s "quoted"']],
    ["本語", ["日本語の会話"]],
    ["👩‍👩‍👧", ["👩‍👩‍👧 family"]],
    ["PLAIN", ["Plain"]],
    ["b\th", ["tab\there"]],
    ["no such", []],
    ["100%%", []],
    ["École", ["École d'été"]],
    ["école", ["École d'été"]],
    ["ÉTÉ", ["École d'été"]],
    ["ωμεγα", ["ΩΜΕΓΑ"]],
  ];
  const found: [string, string[]][] = [];
  for (const [q] of expected) found.push([q, await find(q)]);
  expect(found).toEqual(expected);
  expect(await find("")).toHaveLength(titles.length);
});

test("q narrows pages, cursors and totals alike", async ({ services }) => {
  for (let i = 0; i < 9; i += 1) await create(services, `${i % 3 === 0 ? "yes" : "no"}${i}`);
  expect(await walk(services, 2, "&q=yes")).toEqual(await list(services, "q=yes"));
  expect((await services.call(ADA, "GET", "/api/conversations?q=yes&page=2&page_size=2")).json).toMatchObject({
    conversations: [{}],
    pagination: { total: 3, total_pages: 2, has_next: false },
  });
});

test("the preview is the beginning of the newest message, by whole characters", async ({ services }) => {
  await create(services, "c");
  const preview = async (): Promise<string | null> =>
    (await services.call(ADA, "GET", "/api/conversations")).json.conversations[0].last_message_preview;
  for (const [content, shown] of [
    ["short", "short"],
    ["🦜".repeat(500), "🦜".repeat(120)],
    ["x".repeat(1_000_000), "x".repeat(120)],
    ["", ""],
  ] as const) {
    await services.call(ADA, "POST", "/api/conversations/c/messages", { role: "user", content });
    expect(await preview()).toBe(shown);
  }
});
