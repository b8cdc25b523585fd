import { expect } from "vitest";
import { BODY_BYTES_MAX, MESSAGE_BYTES_MAX, test, USER } from "./limited-services.ts";
import { expectProblem, send } from "./problem.ts";

const SAVE = "/api/conversations/c/messages";
const valid = { role: "user", content: "x" };

test("content of exactly the limit is stored, one byte more is refused, however many bytes a character has", async ({
  limited,
}) => {
  for (const unit of ["x", "é", "字", "🦜"]) {
    const bytes = Buffer.byteLength(unit);
    const whole = unit.repeat(Math.floor(MESSAGE_BYTES_MAX / bytes)) + "x".repeat(MESSAGE_BYTES_MAX % bytes);
    expect(Buffer.byteLength(whole)).toBe(MESSAGE_BYTES_MAX);
    const saved = await limited.call(USER, "POST", SAVE, { role: "user", content: whole });
    expect(saved.status).toBe(201);
    expect(saved.json.content).toBe(whole);
    expectProblem(await limited.call(USER, "POST", SAVE, { role: "user", content: `${whole}x` }), "message_too_large");
    expectProblem(await limited.call(USER, "PATCH", `${SAVE}/m`, { content: `${whole}x` }), "message_too_large");
    expectProblem(
      await limited.call(USER, "POST", SAVE, { messages: [valid, { role: "user", content: `${whole}x` }] }),
      "message_too_large",
    );
    expectProblem(
      await limited.call(USER, "POST", "/api/conversations/messages", { message: `${whole}x` }),
      "message_too_large",
    );
  }
  const { json } = await limited.call(USER, "GET", "/api/conversations");
  expect(json.pagination.total).toBe(1);
});

test("a body of exactly the limit is read, one byte more is refused, with a length or in chunks", async ({
  limited,
}) => {
  const headers = { "content-type": "application/json" };
  const bodyOf = (bytes: number): string => JSON.stringify(valid).padEnd(bytes, " ");
  const inChunks = (text: string): ReadableStream<Uint8Array> =>
    new ReadableStream({
      start(controller) {
        const bytes = Buffer.from(text);
        for (let at = 0; at < bytes.length; at += 1_000) controller.enqueue(bytes.subarray(at, at + 1_000));
        controller.close();
      },
    });
  for (const [bytes, status] of [
    [BODY_BYTES_MAX, 201],
    [BODY_BYTES_MAX + 1, 413],
  ] as const) {
    const withLength = await send(limited, SAVE, {
      body: bodyOf(bytes),
      headers: { ...headers, "content-length": String(bytes) },
    });
    const chunked = await send(limited, SAVE, { body: inChunks(bodyOf(bytes)), headers });
    for (const answer of [withLength, chunked]) {
      expect(answer.status).toBe(status);
      if (status === 413) expectProblem(answer, "body_too_large");
    }
  }
});

test("an endless body is given up at the limit, not read to its end", async ({ limited }) => {
  let pulled = 0;
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled += 1;
      controller.enqueue(new Uint8Array(1_000).fill(32));
    },
    cancel() {
      cancelled = true;
    },
  });
  expectProblem(await send(limited, SAVE, { body, headers: { "content-type": "application/json" } }), "body_too_large");
  expect(pulled).toBeLessThan(BODY_BYTES_MAX / 1_000 + 10);
  expect(cancelled).toBe(true);
});

test("JSON nested ever so deep is refused, quickly", async ({ services }) => {
  await services.call(USER, "POST", "/api/conversations", { id: "c" });
  const nested = (depth: number): string => `{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`;
  const head = '{"conversation_id":"i","title":"t","created_at":"2026-01-01T00:00:00Z"';
  const requests = (deep: string): [path: string, body: string][] => [
    ["/api/conversations", `{"metadata":${deep}}`],
    [SAVE, `{"role":"user","content":"x","metadata":${deep}}`],
    [SAVE, `{"role":"user","content":"x","parts":[{"type":"x","x":${deep}}]}`],
    [SAVE, `{"role":"user","content":"x","unknown":${deep}}`],
    [
      "/api/import",
      `{"backscroll_export":1,"conversations":[{"conversation":${head},"metadata":${deep}},"messages":[]}]}`,
    ],
    [
      "/api/import",
      `{"backscroll_export":1,"unknown":${deep.replaceAll("[", '[{"a":[').replaceAll("]", "]}]")},"conversations":[]}`,
    ],
  ];
  for (const depth of [8_000, 50_000]) {
    for (const [path, body] of requests(nested(depth))) {
      const startedAt = performance.now();
      const answer = await services.call(USER, "POST", path, body);
      expect(answer.status, `${path} ${body.slice(0, 60)} ${answer.text.slice(0, 200)}`).toBeLessThan(500);
      if (path !== "/api/import") expectProblem(answer, "invalid_request");
      expect(performance.now() - startedAt, `${path} ${depth}`).toBeLessThan(2_000);
    }
  }
  for (const [path, body] of requests(nested(30)).slice(0, 3))
    expect((await services.call(USER, "POST", path, body)).status).toBe(201);
}, 120_000);
