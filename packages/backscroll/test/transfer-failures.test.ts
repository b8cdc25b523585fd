import fc from "fast-check";
import { expect } from "vitest";
import { expectProblem, send } from "./problem.ts";
import { test } from "./services.ts";
import { ADA, document, history, imported, inChunks, item, JSON_TYPE } from "./transfer-fixture.ts";

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
    const answer = await services.call(
      ADA,
      "POST",
      "/api/import",
      JSON.stringify(document([item(7), bad as object, item(8)], { conversation_id: `c${n}` })),
    );
    expect(answer.status, what).toBe(200);
    expect(answer.json.messages, what).toEqual({ saved: 2, skipped: 0 });
    expect(answer.json.failed, what).toBe(1);
    expect(answer.json.errors, what).toEqual([
      expect.objectContaining({
        conversation_id: `c${n}`,
        code: expect.stringMatching(/invalid_request|message_too_large/),
      }),
    ]);
    expect(answer.text).not.toContain("xxxxxxxxxx");
  }
});

test("an id twice in one export is stored once", async ({ services }) => {
  const result = await imported(services, ADA, document([item(1), item(1), item(2), item(1, { content: "other" })]));
  expect(result.messages.saved).toBe(2);
  expect((await history(services, ADA)).map(({ id, content }) => [id, content])).toEqual([
    ["m1", "text 1"],
    ["m2", "text 2"],
  ]);
});

test("a bad conversation is passed over with its messages, and the next is stored", async ({ services }) => {
  const bad: object[] = [
    { conversation_id: "a b" },
    { title: 5 },
    { title: "" },
    { title: "\u0000" },
    { metadata: { a: "\ud800" } },
    { created_at: "0000-01-01T00:00:00.000Z0" },
  ];
  const conversations = bad.map((change) => ({
    conversation: { conversation_id: "bad", title: "t", created_at: "2026-01-01T00:00:00Z", ...change },
    messages: [item(1)],
  }));
  const good = {
    conversation: { conversation_id: "good", title: "t", created_at: "2026-01-01T00:00:00Z" },
    messages: [item(1)],
  };
  const result = await imported(services, ADA, { backscroll_export: 1, conversations: [...conversations, good] });
  expect(result).toMatchObject({
    conversations: { created: 1, existing: 0 },
    messages: { saved: 1, skipped: 0 },
    failed: 2 * bad.length,
  });
  expect((await history(services, ADA, "good")).map(({ id }) => id)).toEqual(["m1"]);
});

test("a conversation in the trash is not imported into", async ({ services }) => {
  await imported(services, ADA, document([item(1)]));
  await services.call(ADA, "DELETE", "/api/conversations/c");
  expect(await imported(services, ADA, document([item(1), item(2)]))).toMatchObject({
    messages: { saved: 0 },
    failed: 3,
    errors: [{ code: "conversation_id_conflict" }, {}, {}],
  });
});

test("of thousands of failures the first 100 are named", async ({ services }) => {
  const result = await imported(
    services,
    ADA,
    document(Array.from({ length: 3_000 }, (_, n) => item(n, { role: "robot" }))),
  );
  expect(result.failed).toBe(3_000);
  expect(result.errors).toHaveLength(100);
});

test("a file cut off anywhere is malformed JSON, and what came before is stored in order", async ({ services }) => {
  const whole = Buffer.from(
    JSON.stringify(document(Array.from({ length: 30 }, (_, n) => item(n, { content: "é👩‍👩‍👧".repeat(5) })))),
  );
  let n = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: whole.length - 1 }),
      fc.integer({ min: 1, max: 500 }),
      async (length, chunk) => {
        const user = `user${(n += 1)}@example.com`;
        const body = inChunks(new Uint8Array(whole.subarray(0, length)), chunk);
        expectProblem(
          await send(services, "/api/import", { body, headers: { ...JSON_TYPE, "x-test-user": user } }),
          "malformed_json",
        );
        const complete = [
          ...whole
            .subarray(0, length)
            .toString("latin1")
            .matchAll(/"created_at":"2026-01-02[^}]*\}/g),
        ].length;
        const stored = complete === 0 ? [] : await history(services, user);
        expect(stored.map(({ id }) => id)).toEqual(Array.from({ length: complete }, (_, i) => `m${i}`));
      },
    ),
    { numRuns: 30 },
  );
}, 60_000);

test("what is not an export is refused, and nothing is stored", async ({ services }) => {
  const { conversations } = document([item(1)]) as { conversations: object[] };
  const bodies = [
    "",
    " ",
    "[]",
    "{}",
    "5",
    "null",
    '"x"',
    "abc",
    { conversations },
    { backscroll_export: 2, conversations },
    { backscroll_export: "1", conversations },
    '{"backscroll_export":1} {}',
    '{"backscroll_export":1}x',
  ];
  for (const body of bodies) {
    const answer = await services.call(ADA, "POST", "/api/import", body);
    expectProblem(answer, "malformed_json");
    expect(answer.json.detail).not.toMatch(/\bstate\b|TOKEN|chunk/i);
  }
  expect((await services.call(ADA, "GET", "/api/conversations")).json.pagination.total).toBe(0);
});

test("an import is JSON: lines of it are another type", async ({ services }) => {
  for (const type of ["application/x-ndjson", "application/jsonl", "application/json-seq", "text/plain"]) {
    expectProblem(
      await send(services, "/api/import", { body: "{}", headers: { "content-type": type } }),
      "unsupported_media_type",
    );
  }
});
