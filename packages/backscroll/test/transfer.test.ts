import fc from "fast-check";
import { expect } from "vitest";
import { insertMessages } from "../src/postgres/append.ts";
import { toRef } from "../src/service/messages.ts";
import { expectProblem, send } from "./problem.ts";
import { type Answer, type Services, test } from "./services.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";
const JSON_TYPE = { "content-type": "application/json" };

interface Item {
  readonly id: string;
  readonly seq: number;
  readonly content: string;
  readonly created_at: string;
}

async function exported(services: Services, user: string, id: string, format = "json"): Promise<string> {
  const { status, text } = await services.call(user, "GET", `/api/conversations/${id}/export?format=${format}`);
  expect(status).toBe(200);
  return text;
}

async function imported(services: Services, user: string, body: unknown): Promise<Answer["json"]> {
  const { status, json, text } = await services.call(user, "POST", "/api/import", body);
  expect(status, text.slice(0, 300)).toBe(200);
  return json;
}

async function history(services: Services, user: string, id = "c"): Promise<Item[]> {
  return (await services.call(user, "GET", `/api/conversations/${id}/messages?page=1&page_size=200`)).json.messages;
}

/** A conversation with everything that an export carries. */
async function rich(services: Services): Promise<void> {
  await services.call(ADA, "POST", "/api/conversations", { id: "c", title: "Plans 🗓", metadata: { a: [1, { b: null }] } });
  const messages = [
    { id: "m1", role: "system", content: "" },
    { id: "m2", role: "user", content: "line\r\nline\t\"quoted\" \\ 👩‍👩‍👧", metadata: { k: "v" } },
    { id: "m3", role: "assistant", content: "deleted later" },
    { id: "m4", role: "assistant", content: "answer", model: "gpt", tokens_used: 0, latency_ms: 12, parts: [{ type: "tool-call", z: 1, a: { "": [] } }] },
    { id: "m5", role: "tool", content: "42" },
  ];
  for (const message of messages) await services.call(ADA, "POST", "/api/conversations/c/messages", message);
  await services.call(ADA, "PATCH", "/api/conversations/c/messages/m2", { content: "edited" });
  await services.call(ADA, "PATCH", "/api/conversations/c/messages/m2", { content: "edited twice" });
  await services.call(ADA, "DELETE", "/api/conversations/c/messages/m3");
  await services.call(ADA, "PATCH", "/api/conversations/c", { pinned: true, archived: true });
}

function document(messages: readonly object[], conversation: object = {}): object {
  const head = { conversation_id: "c", title: "t", created_at: "2026-01-01T00:00:00.000Z", ...conversation };
  return { backscroll_export: 1, conversations: [{ conversation: head, messages }] };
}

const item = (n: number, more: object = {}): object => ({ id: `m${n}`, role: "user", content: `text ${n}`, created_at: `2026-01-02T00:00:${String(n % 60).padStart(2, "0")}.000Z`, ...more });

test("an export imported by somebody else keeps ids, order, times, versions, parts and what the conversation was", async ({ services }) => {
  await rich(services);
  const text = await exported(services, ADA, "c");
  expect(await imported(services, BOB, text)).toEqual({ conversations: { created: 1, existing: 0 }, messages: { saved: 4, skipped: 0 }, failed: 0, errors: [] });
  const withoutSeq = (items: Item[]): object[] => items.map(({ seq: _, ...rest }) => rest);
  expect(withoutSeq(await history(services, BOB))).toEqual(withoutSeq(await history(services, ADA)));
  expect((await history(services, BOB)).map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  const of = async (user: string): Promise<object> => {
    const { updated_at: _, ...rest } = (await services.call(user, "GET", "/api/conversations/c")).json;
    return rest;
  };
  expect(await of(BOB)).toEqual(await of(ADA));
  const again = (await exported(services, BOB, "c")).replaceAll(/"seq":\d+|"(exported|updated)_at":"[^"]*"/g, "");
  expect(again).toBe(text.replaceAll(/"seq":\d+|"(exported|updated)_at":"[^"]*"/g, ""));
});

test("an import run again stores nothing and says so", async ({ services }) => {
  await rich(services);
  const text = await exported(services, ADA, "c");
  for (const [user, existing] of [[ADA, 1], [BOB, 0], [BOB, 1]] as const) {
    const before = await history(services, user);
    const result = await imported(services, user, text);
    expect(result.conversations.existing).toBe(existing);
    expect(result.messages.saved + result.messages.skipped).toBe(4);
    expect(result.failed).toBe(0);
    if (existing) expect(await history(services, user)).toEqual(before);
  }
});

test("an import into a conversation that is there in part adds what is missing, with its times", async ({ services }) => {
  await imported(services, ADA, document([1, 2, 3].map((n) => item(n))));
  const all = document([1, 2, 3, 4, 5].map((n) => item(n)));
  expect(await imported(services, ADA, all)).toMatchObject({ messages: { saved: 2, skipped: 3 }, failed: 0 });
  expect((await history(services, ADA)).map(({ id, created_at }) => [id, created_at])).toEqual(
    [1, 2, 3, 4, 5].map((n) => [`m${n}`, `2026-01-02T00:00:0${n}.000Z`]),
  );
});

test("an import that goes on after an edit keeps its times: only a message's predecessor moves it up", async ({ services }) => {
  await imported(services, ADA, document([item(1), item(2)]));
  await services.call(ADA, "PATCH", "/api/conversations/c/messages/m1", { content: "text 1, edited" });
  const { json } = await services.call(ADA, "POST", "/api/import", document([item(2), item(3), item(4, { created_at: "2026-01-01T00:00:00.000Z" })]));
  expect(json.messages).toEqual({ saved: 2, skipped: 1 });
  expect((await history(services, ADA)).map(({ created_at }) => created_at)).toEqual(
    ["01", "02", "03", "03"].map((second) => `2026-01-02T00:00:${second}.000Z`),
  );
});

test("a message skipped for being there with another body is counted and named, and stays as it is", async ({ services }) => {
  await imported(services, ADA, document([item(1)]));
  const result = await imported(services, ADA, document([item(1, { content: "other" }), item(2)]));
  expect(result).toMatchObject({ messages: { saved: 1, skipped: 0 }, failed: 1, errors: [{ conversation_id: "c", message_id: "m1", code: "message_id_conflict" }] });
  expect((await history(services, ADA)).map(({ content }) => content)).toEqual(["text 1", "text 2"]);
});

const BAD_ITEMS: [what: string, item: unknown][] = [
  ["no object", 5],
  ["null", null],
  ["an id with a space", item(1, { id: "a b" })],
  ["no id", { role: "user", content: "x", created_at: "2026-01-01T00:00:00Z" }],
  ["an unknown role", item(1, { role: "robot" })],
  ["content that is no text", item(1, { content: 5 })],
  ["NUL in its content", item(1, { content: "a\u0000b" })],
  ["half a character in its content", item(1, { content: "\ud800" })],
  ["half a character in its metadata", item(1, { metadata: { "\udc00": 1 } })],
  ["NUL in its parts", item(1, { parts: [{ type: "x", x: ["\u0000"] }] })],
  ["content over the limit", item(1, { content: "x".repeat(1_048_577) })],
  ["negative tokens", item(1, { tokens_used: -1 })],
  ["tokens over int4", item(1, { tokens_used: 2 ** 31 })],
  ["a version over int4", item(1, { version: 3_000_000_000 })],
  ["version 0", item(1, { version: 0 })],
  ["a time that is none", item(1, { created_at: "yesterday" })],
  ["a year 0", item(1, { created_at: "0000-01-01T00:00:00Z" })],
  ["an edit in year 0", item(1, { edited_at: "0000-01-01T00:00:00Z" })],
  ["a model too long", item(1, { model: "x".repeat(201) })],
  ["an unknown status", item(1, { status: "running" })],
];

test("each bad message is counted and named, and those around it are stored", async ({ services }) => {
  for (const [n, [what, bad]] of BAD_ITEMS.entries()) {
    const answer = await services.call(ADA, "POST", "/api/import", JSON.stringify(document([item(7), bad as object, item(8)], { conversation_id: `c${n}` })));
    expect(answer.status, what).toBe(200);
    expect(answer.json.messages, what).toEqual({ saved: 2, skipped: 0 });
    expect(answer.json.failed, what).toBe(1);
    expect(answer.json.errors, what).toEqual([expect.objectContaining({ conversation_id: `c${n}`, code: expect.stringMatching(/invalid_request|message_too_large/) })]);
    expect(answer.text).not.toContain("xxxxxxxxxx");
  }
});

test("an id twice in one export is stored once", async ({ services }) => {
  const result = await imported(services, ADA, document([item(1), item(1), item(2), item(1, { content: "other" })]));
  expect(result.messages.saved).toBe(2);
  expect((await history(services, ADA)).map(({ id, content }) => [id, content])).toEqual([["m1", "text 1"], ["m2", "text 2"]]);
});

test("a bad conversation is passed over with its messages, and the next is stored", async ({ services }) => {
  const bad: object[] = [{ conversation_id: "a b" }, { title: 5 }, { title: "" }, { title: "\u0000" }, { metadata: { a: "\ud800" } }, { created_at: "0000-01-01T00:00:00.000Z0" }];
  const conversations = bad.map((change) => ({ conversation: { conversation_id: "bad", title: "t", created_at: "2026-01-01T00:00:00Z", ...change }, messages: [item(1)] }));
  const good = { conversation: { conversation_id: "good", title: "t", created_at: "2026-01-01T00:00:00Z" }, messages: [item(1)] };
  const result = await imported(services, ADA, { backscroll_export: 1, conversations: [...conversations, good] });
  expect(result).toMatchObject({ conversations: { created: 1, existing: 0 }, messages: { saved: 1, skipped: 0 }, failed: 2 * bad.length });
  expect((await history(services, ADA, "good")).map(({ id }) => id)).toEqual(["m1"]);
});

test("a conversation in the trash is not imported into", async ({ services }) => {
  await imported(services, ADA, document([item(1)]));
  await services.call(ADA, "DELETE", "/api/conversations/c");
  expect(await imported(services, ADA, document([item(1), item(2)]))).toMatchObject({ messages: { saved: 0 }, failed: 3, errors: [{ code: "conversation_id_conflict" }, {}, {}] });
});

test("of thousands of failures the first 100 are named", async ({ services }) => {
  const result = await imported(services, ADA, document(Array.from({ length: 3_000 }, (_, n) => item(n, { role: "robot" }))));
  expect(result.failed).toBe(3_000);
  expect(result.errors).toHaveLength(100);
});

test("a file cut off anywhere is malformed JSON, and what came before is stored in order", async ({ services }) => {
  const whole = Buffer.from(JSON.stringify(document(Array.from({ length: 30 }, (_, n) => item(n, { content: "é👩‍👩‍👧".repeat(5) })))));
  let n = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: whole.length - 1 }), fc.integer({ min: 1, max: 500 }), async (length, chunk) => {
      const user = `user${(n += 1)}@example.com`;
      const body = inChunks(new Uint8Array(whole.subarray(0, length)), chunk);
      expectProblem(await send(services, "/api/import", { body, headers: { ...JSON_TYPE, "x-test-user": user } }), "malformed_json");
      const complete = [...whole.subarray(0, length).toString("latin1").matchAll(/"created_at":"2026-01-02[^}]*\}/g)].length;
      const stored = complete === 0 ? [] : await history(services, user);
      expect(stored.map(({ id }) => id)).toEqual(Array.from({ length: complete }, (_, i) => `m${i}`));
    }),
    { numRuns: 30 },
  );
}, 60_000);

test("what is not an export is refused, and nothing is stored", async ({ services }) => {
  const { conversations } = document([item(1)]) as { conversations: object[] };
  const bodies = ["", " ", "[]", "{}", "5", "null", '"x"', "abc", { conversations }, { backscroll_export: 2, conversations }, { backscroll_export: "1", conversations }, '{"backscroll_export":1} {}', '{"backscroll_export":1}x'];
  for (const body of bodies) {
    const answer = await services.call(ADA, "POST", "/api/import", body);
    expectProblem(answer, "malformed_json");
    expect(answer.json.detail).not.toMatch(/\bstate\b|TOKEN|chunk/i);
  }
  expect((await services.call(ADA, "GET", "/api/conversations")).json.pagination.total).toBe(0);
});

test("an import is JSON: lines of it are another type", async ({ services }) => {
  for (const type of ["application/x-ndjson", "application/jsonl", "application/json-seq", "text/plain"]) {
    expectProblem(await send(services, "/api/import", { body: "{}", headers: { "content-type": type } }), "unsupported_media_type");
  }
});

test("an import during which somebody saves never lets times run backwards", async ({ services }) => {
  const at = await services.newConversation(ADA);
  const { db } = services.deps;
  await db.pool.query("update conversations set created_at = '2025-01-01', updated_at = '2025-01-01'");
  const head = { conversation_id: at.conversationId };
  let importing: Promise<unknown> = Promise.resolve();
  await db.transaction(async (transaction) => {
    await insertMessages(transaction, toRef(at), [{ role: "user", content: "now" }]);
    importing = imported(services, ADA, document([item(1), item(2)], head));
    await expect.poll(async () => (await db.pool.query("select from pg_locks where not granted")).rows.length).toBeGreaterThan(0);
  });
  await importing;
  const times = (await history(services, ADA, at.conversationId)).map(({ created_at }) => created_at);
  expect(times).toHaveLength(3);
  expect(times).toEqual(times.toSorted());
});

test("20,000 messages leave in many pieces of at most 2 MB, and come back whole", async ({ services }) => {
  const at = await services.newConversation(ADA);
  await services.deps.db.pool.query(
    `insert into messages (user_id, conversation_id, seq, id, role, content, created_at)
     select $1, $2, n, gen_random_uuid(), 'user', repeat('x', 300), now() from generate_series(1, 20000) as n`,
    [at.userId, at.conversationId],
  );
  await services.deps.db.pool.query("update conversations set last_seq = 20000, message_count = 20000");
  const response = await services.fetch(new Request(`http://localhost/api/conversations/${at.conversationId}/export`, { headers: { "x-test-user": ADA } }));
  const pieces: Uint8Array[] = [];
  for await (const piece of response.body as ReadableStream<Uint8Array>) pieces.push(piece);
  expect(pieces.length).toBeGreaterThan(10);
  expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(2_000_000);
  const body = Buffer.concat(pieces);
  expect(JSON.parse(body.toString()).conversations[0].messages).toHaveLength(20_000);
  const answer = await send(services, "/api/import", { body: inChunks(body, 65_536), headers: { ...JSON_TYPE, "x-test-user": BOB } });
  expect(answer.json).toMatchObject({ messages: { saved: 20_000, skipped: 0 }, failed: 0 });
}, 60_000);

test("the Markdown export is the conversation for people", async ({ services }) => {
  await rich(services);
  const { headers } = await services.call(ADA, "GET", "/api/conversations/c/export?format=markdown");
  expect(headers.get("content-type")).toBe("text/markdown; charset=utf-8");
  expect(headers.get("content-disposition")).toBe('attachment; filename="c.md"');
  const text = await exported(services, ADA, "c", "markdown");
  expect(text).toMatch(/^# Plans 🗓\n\n4 messages, /);
  expect([...text.matchAll(/^## (\w+)/gm)].map(([, role]) => role)).toEqual(["system", "user", "assistant", "tool"]);
  expect(text).toContain("edited twice");
  expect(text).not.toContain("deleted later");
  expect(text).toContain(" · gpt");
  expect(text).toContain('"type": "tool-call"');
});

function inChunks(bytes: Uint8Array, size: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) controller.close();
      else controller.enqueue(bytes.slice(at, (at += size)));
    },
  });
}
