import { expect } from "vitest";
import { expectProblem } from "./problem.ts";
import { type Services, test } from "./services.ts";

const ADA = "ada@example.com";

interface Day {
  readonly day: string;
  readonly role: string;
  readonly model: string | null;
  readonly messages: number;
  readonly tokens_used: number;
}

/** Messages of three days, imported since an import alone sets times. */
async function importDays(services: Services, id = "c", user = ADA): Promise<void> {
  const said = [
    ["2026-01-30T23:59:59.999Z", "user", null, null],
    ["2026-01-31T00:00:00.000Z", "user", null, 5],
    ["2026-01-31T10:00:00.000Z", "assistant", "gpt", 100],
    ["2026-01-31T11:00:00.000Z", "assistant", "gpt", 23],
    ["2026-01-31T12:00:00.000Z", "assistant", "claude", 7],
    ["2026-02-01T00:00:00.000Z", "assistant", "gpt", 2_147_483_647],
    ["2026-02-01T00:00:00.001Z", "assistant", "gpt", 2_147_483_647],
  ];
  const messages = said.map(([created_at, role, model, tokens_used], i) => ({
    id: `m${i}`,
    role,
    content: `${i}`,
    model,
    tokens_used,
    created_at,
  }));
  const conversation = { conversation_id: id, title: "t", created_at: "2026-01-01T00:00:00.000Z" };
  const { json } = await services.call(user, "POST", "/api/import", {
    backscroll_export: 1,
    conversations: [{ conversation, messages }],
  });
  expect(json).toMatchObject({ messages: { saved: 7 }, failed: 0 });
}

const DAYS: Day[] = [
  { day: "2026-01-30", role: "user", model: null, messages: 1, tokens_used: 0 },
  { day: "2026-01-31", role: "assistant", model: "claude", messages: 1, tokens_used: 7 },
  { day: "2026-01-31", role: "assistant", model: "gpt", messages: 2, tokens_used: 123 },
  { day: "2026-01-31", role: "user", model: null, messages: 1, tokens_used: 5 },
  { day: "2026-02-01", role: "assistant", model: "gpt", messages: 2, tokens_used: 4_294_967_294 },
];

async function usage(services: Services, query = "from=2026-01-01&to=2026-12-31", user = ADA): Promise<Day[]> {
  const { status, json, text } = await services.call(user, "GET", `/api/usage?${query}`);
  expect(status, text).toBe(200);
  return json.days;
}

test("messages and tokens are counted per day in UTC, role and model, however often they are asked for", async ({
  services,
}) => {
  await importDays(services);
  expect(await usage(services)).toEqual(DAYS);
  expect(await usage(services)).toEqual(DAYS);
  expect(await usage(services, "from=2026-01-31&to=2026-01-31")).toEqual(DAYS.slice(1, 4));
  expect(await usage(services, "from=2026-02-02&to=2026-02-03")).toEqual([]);
});

test("what is said after a look is added at the next", async ({ services }) => {
  await services.call(ADA, "POST", "/api/conversations", { id: "c" });
  for (let n = 1; n <= 3; n += 1) {
    await services.call(ADA, "POST", "/api/conversations/c/messages", { role: "user", content: "x", tokens_used: 10 });
    const days = (await services.call(ADA, "GET", "/api/usage")).json.days as Day[];
    expect(days.reduce((sum, day) => sum + day.messages, 0)).toBe(n);
    expect(days.reduce((sum, day) => sum + day.tokens_used, 0)).toBe(n * 10);
  }
});

test("looks at the same time count nothing twice, with saves and deletions going on", async ({ services }) => {
  await services.call(ADA, "POST", "/api/conversations", { id: "c" });
  const save = (i: number): Promise<unknown> =>
    services.call(ADA, "POST", "/api/conversations/c/messages", {
      id: `m${i}`,
      role: "user",
      content: "x",
      tokens_used: 1,
    });
  await Promise.all(Array.from({ length: 20 }, (_, i) => save(i)));
  await Promise.all([
    ...Array.from({ length: 20 }, () => services.call(ADA, "GET", "/api/usage")),
    ...Array.from({ length: 20 }, (_, i) => save(20 + i)),
    ...Array.from({ length: 20 }, (_, i) => services.call(ADA, "DELETE", `/api/conversations/c/messages/m${i}`)),
  ]);
  const { json } = await services.call(ADA, "GET", "/api/usage");
  expect((json.days as Day[]).reduce((sum, day) => sum + day.messages, 0)).toBe(40);
  expect((json.days as Day[]).reduce((sum, day) => sum + day.tokens_used, 0)).toBe(40);
});

test("deleting messages or a whole conversation takes nothing from the usage, looked at before or not", async ({
  services,
}) => {
  for (const look of [true, false]) {
    const user = `look-${look}@example.com`;
    await importDays(services, "c", user);
    if (look) await usage(services, undefined, user);
    for (const id of ["m0", "m2", "m6"])
      expect((await services.call(user, "DELETE", `/api/conversations/c/messages/${id}`)).status).toBe(200);
    expect(await usage(services, undefined, user)).toEqual(DAYS);
    await services.call(user, "DELETE", "/api/conversations/c");
    expect(await usage(services, undefined, user)).toEqual(DAYS);
    await services.call(user, "DELETE", "/api/conversations/c?permanent=true");
    expect(await usage(services, undefined, user)).toEqual(DAYS);
  }
});

test("a conversation erased before anybody looked is counted", async ({ services }) => {
  await importDays(services);
  await services.call(ADA, "DELETE", "/api/conversations/c?permanent=true");
  expect(await usage(services)).toEqual(DAYS);
});

test("more conversations than one transaction folds are all counted", async ({ services }) => {
  const conversations = Array.from({ length: 230 }, (_, i) => ({
    conversation: { conversation_id: `c${i}`, title: "t", created_at: "2026-01-01T00:00:00Z" },
    messages: [{ id: "m", role: "user", content: "x", tokens_used: 2, created_at: "2026-01-02T00:00:00Z" }],
  }));
  await services.call(ADA, "POST", "/api/import", { backscroll_export: 1, conversations });
  expect(await usage(services)).toEqual([
    { day: "2026-01-02", role: "user", model: null, messages: 230, tokens_used: 460 },
  ]);
});

test("long conversations among many short ones are counted to their last message", async ({ services }) => {
  const { conversations, deps } = services;
  for (let i = 0; i < 45; i += 1) await conversations.createConversation(ADA, { id: `c${i}` });
  // More than one transaction counts of a conversation, in the middle and at the end of a batch and of all.
  await deps.db.pool.query(`
    insert into messages (user_id, conversation_id, seq, id, role, content, created_at)
    select user_id, id, n, gen_random_uuid(), 'user', 'said', '2026-01-31T12:00:00Z'
      from (select *, row_number() over (order by id) as place from conversations) as c
     cross join lateral generate_series(1, case when place in (7, 20, 45) then 10001 else 3 end) as n`);
  await deps.db.pool.query(
    "update conversations as c set last_seq = (select max(seq) from messages where conversation_id = c.id)",
  );
  expect(await usage(services)).toEqual([
    { day: "2026-01-31", role: "user", model: null, messages: 3 * 10_001 + 42 * 3, tokens_used: 0 },
  ]);
});

test("erasing a conversation counts that one, and looks at no other", async ({ services }) => {
  const { conversations, deps } = services;
  for (const id of ["erased", "kept"]) {
    await conversations.createConversation(ADA, { id });
    await conversations.saveMessage(ADA, id, { role: "user", content: "said" });
  }
  await conversations.deleteConversation(ADA, "erased", { permanent: true });
  const { rows } = await deps.db.pool.query(
    "select usage_seq::int, (select sum(messages)::int from usage_daily) as counted from conversations",
  );
  expect(rows).toEqual([{ usage_seq: 0, counted: 1 }]);
});

test("a range is 1 to 366 days; without one it is the last 30", async ({ services }) => {
  const today = new Date().toISOString().slice(0, 10);
  const { json } = await services.call(ADA, "GET", "/api/usage");
  expect(json.to >= today).toBe(true);
  expect((Date.parse(json.to) - Date.parse(json.from)) / 86_400_000).toBe(29);
  expect((await services.call(ADA, "GET", "/api/usage?to=2026-03-01")).json).toMatchObject({
    from: "2026-01-31",
    to: "2026-03-01",
  });
  expect(await usage(services, "from=2024-01-01&to=2024-12-31")).toEqual([]);
  for (const query of [
    "from=2024-01-01&to=2025-01-01",
    "from=2026-01-02&to=2026-01-01",
    "from=2026-1-1",
    "to=2026-02-29",
    "from=2024-02-30&to=2024-03-01",
    "from=9999-01-01",
    "day=2026-01-01",
  ]) {
    expectProblem(await services.call(ADA, "GET", `/api/usage?${query}`), "invalid_request");
  }
});
