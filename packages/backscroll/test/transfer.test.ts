import { expect } from "vitest";
import { insertMessages } from "../src/postgres/append.ts";
import { importConversations } from "../src/service/import.ts";
import { toRef } from "../src/service/messages.ts";
import { send } from "./problem.ts";
import { type Services, test } from "./services.ts";
import { ADA, BOB, document, history, imported, inChunks, type Item, item, JSON_TYPE } from "./transfer-fixture.ts";

async function exported(services: Services, user: string, id: string, format = "json"): Promise<string> {
  const { status, text } = await services.call(user, "GET", `/api/conversations/${id}/export?format=${format}`);
  expect(status).toBe(200);
  return text;
}

/** A conversation with everything that an export carries. */
async function rich(services: Services): Promise<void> {
  await services.call(ADA, "POST", "/api/conversations", {
    id: "c",
    title: "Plans 🗓",
    metadata: { a: [1, { b: null }] },
  });
  const messages = [
    { id: "m1", role: "system", content: "" },
    { id: "m2", role: "user", content: 'line\r\nline\t"quoted" \\ 👩‍👩‍👧', metadata: { k: "v" } },
    { id: "m3", role: "assistant", content: "deleted later" },
    {
      id: "m4",
      role: "assistant",
      content: "answer",
      model: "gpt",
      tokens_used: 0,
      latency_ms: 12,
      parts: [{ type: "tool-call", z: 1, a: { "": [] } }],
    },
    { id: "m5", role: "tool", content: "42" },
  ];
  for (const message of messages) await services.call(ADA, "POST", "/api/conversations/c/messages", message);
  await services.call(ADA, "PATCH", "/api/conversations/c/messages/m2", { content: "edited" });
  await services.call(ADA, "PATCH", "/api/conversations/c/messages/m2", { content: "edited twice" });
  await services.call(ADA, "DELETE", "/api/conversations/c/messages/m3");
  await services.call(ADA, "PATCH", "/api/conversations/c", { pinned: true, archived: true });
}

test("an export imported by somebody else keeps ids, order, times, versions, parts and what the conversation was", async ({
  services,
}) => {
  await rich(services);
  const text = await exported(services, ADA, "c");
  expect(await imported(services, BOB, text)).toEqual({
    conversations: { created: 1, existing: 0 },
    messages: { saved: 4, skipped: 0 },
    failed: 0,
    errors: [],
  });
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
  for (const [user, existing] of [
    [ADA, 1],
    [BOB, 0],
    [BOB, 1],
  ] as const) {
    const before = await history(services, user);
    const result = await imported(services, user, text);
    expect(result.conversations.existing).toBe(existing);
    expect(result.messages.saved + result.messages.skipped).toBe(4);
    expect(result.failed).toBe(0);
    if (existing) expect(await history(services, user)).toEqual(before);
  }
});

test("an import into a conversation that is there in part adds what is missing, with its times", async ({
  services,
}) => {
  await imported(services, ADA, document([1, 2, 3].map((n) => item(n))));
  const all = document([1, 2, 3, 4, 5].map((n) => item(n)));
  expect(await imported(services, ADA, all)).toMatchObject({ messages: { saved: 2, skipped: 3 }, failed: 0 });
  expect((await history(services, ADA)).map(({ id, created_at }) => [id, created_at])).toEqual(
    [1, 2, 3, 4, 5].map((n) => [`m${n}`, `2026-01-02T00:00:0${n}.000Z`]),
  );
});

test("an import that goes on after an edit keeps its times: only a message's predecessor moves it up", async ({
  services,
}) => {
  await imported(services, ADA, document([item(1), item(2)]));
  await services.call(ADA, "PATCH", "/api/conversations/c/messages/m1", { content: "text 1, edited" });
  const { json } = await services.call(
    ADA,
    "POST",
    "/api/import",
    document([item(2), item(3), item(4, { created_at: "2026-01-01T00:00:00.000Z" })]),
  );
  expect(json.messages).toEqual({ saved: 2, skipped: 1 });
  expect((await history(services, ADA)).map(({ created_at }) => created_at)).toEqual(
    ["01", "02", "03", "03"].map((second) => `2026-01-02T00:00:${second}.000Z`),
  );
});

test("a message skipped for being there with another body is counted and named, and stays as it is", async ({
  services,
}) => {
  await imported(services, ADA, document([item(1)]));
  const result = await imported(services, ADA, document([item(1, { content: "other" }), item(2)]));
  expect(result).toMatchObject({
    messages: { saved: 1, skipped: 0 },
    failed: 1,
    errors: [{ conversation_id: "c", message_id: "m1", code: "message_id_conflict" }],
  });
  expect((await history(services, ADA)).map(({ content }) => content)).toEqual(["text 1", "text 2"]);
});

test("an import that waits for somebody's save does not let times run backwards", async ({ services }) => {
  const at = await services.newConversation(ADA);
  const { db } = services.deps;
  await db.pool.query("update conversations set created_at = '2025-01-01', updated_at = '2025-01-01'");
  const text = JSON.stringify(document([item(1), item(2)], { conversation_id: at.conversationId }));
  const half = text.indexOf('"messages"');
  const begun = Promise.withResolvers<void>();
  const locked = Promise.withResolvers<void>();
  async function* source(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(text.slice(0, half));
    begun.resolve();
    await locked.promise;
    yield Buffer.from(text.slice(half));
  }
  const importing = importConversations(services.deps, at.userId, source());
  await begun.promise;
  await db.transaction(async (transaction) => {
    await insertMessages(transaction, toRef(at), [{ role: "user", content: "now" }]);
    locked.resolve();
    const waiting = `select from pg_locks as waiter join pg_locks as held on held.pid = waiter.pid
                      where not waiter.granted and held.relation = 'conversations'::regclass`;
    await expect.poll(async () => (await db.pool.query(waiting)).rows.length).toBeGreaterThan(0);
  });
  expect((await importing).messagesSaved).toBe(2);
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
  const response = await services.fetch(
    new Request(`http://localhost/api/conversations/${at.conversationId}/export`, { headers: { "x-test-user": ADA } }),
  );
  const pieces: Uint8Array[] = [];
  for await (const piece of response.body as ReadableStream<Uint8Array>) pieces.push(piece);
  expect(pieces.length).toBeGreaterThan(10);
  expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(2_000_000);
  const body = Buffer.concat(pieces);
  expect(JSON.parse(body.toString()).conversations[0].messages).toHaveLength(20_000);
  const answer = await send(services, "/api/import", {
    body: inChunks(body, 65_536),
    headers: { ...JSON_TYPE, "x-test-user": BOB },
  });
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
