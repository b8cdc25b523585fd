import { expect } from "vitest";
import type { ErrorCode } from "../src/domain/errors.ts";
import { encodeConversationCursor, encodeMessageCursor } from "../src/domain/cursor.ts";
import { readApi } from "./api-operations.ts";
import { test, USER } from "./limited-services.ts";
import { expectProblem, send } from "./problem.ts";

const MALFORMED: [body: string, position: number][] = [
  ["abc", 0],
  ["nul", 3],
  ["NaN", 0],
  ["undefined", 0],
  ["", 0],
  [" ", 1],
  ["{", 1],
  ['{"title":"x"', 12],
  ['{"title":"x', 11],
  ['{"title": tru}', 13],
  ['{"title":"x"}}', 13],
  ['{"title":"x"} {"title":"y"}', 14],
  ['{"title":"x"}x', 13],
  ['{"title":}', 9],
  ['{"title" "x"}', 9],
  ['{"title":"x",}', 13],
  ["{'title':1}", 1],
  ["[1,]", 3],
  ["01", 1],
  ["1 2", 2],
  ["-", 1],
  ['{"title":"a\nb"}', 11],
  ['{"title":"\\x"}', 11],
  ['{"é👩‍👧":"\\x"}', 12],
  [`{"title":"${"x".repeat(500)}"} oops`, 513],
];

test("malformed JSON is refused with the position of what is wrong", async ({ limited }) => {
  const positions: [string, number | string][] = [];
  for (const [body] of MALFORMED) {
    const answer = await limited.call(USER, "POST", "/api/conversations", body);
    expectProblem(answer, "malformed_json");
    positions.push([body, Number(/position (\d+)/.exec(answer.json.detail)?.[1] ?? answer.json.detail)]);
    expect(answer.json.detail).not.toMatch(/token|state|chunk|undefined/i);
  }
  expect(positions).toEqual(MALFORMED);
});

test("bytes that are not UTF-8 are malformed JSON, in an import too", async ({ limited }) => {
  const good = Buffer.from('{"backscroll_export":1,"title":"');
  for (const bytes of [[0xff], [0xc3], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf5, 0x80, 0x80, 0x80]]) {
    const body = new Uint8Array(Buffer.concat([good, Buffer.from(bytes), Buffer.from('"}')]));
    for (const path of ["/api/conversations", "/api/import"]) {
      expectProblem(
        await send(limited, path, { body, headers: { "content-type": "application/json" } }),
        "malformed_json",
      );
    }
  }
});

const SAVE = "/api/conversations/c/messages";
const valid = { role: "user", content: "x" };
const long = "x".repeat(129);

/** what is sent, and the path of the field that is to blame */
const BAD_BODIES: [method: string, path: string, body: unknown, blamed: string][] = [
  ["POST", "/api/conversations", { titel: "x" }, ""],
  ["POST", "/api/conversations", { title: 5 }, "title"],
  ["POST", "/api/conversations", { title: "" }, "title"],
  ["POST", "/api/conversations", { title: " \n" }, "title"],
  ["POST", "/api/conversations", { title: "x".repeat(501) }, "title"],
  ["POST", "/api/conversations", { title: null }, "title"],
  ["POST", "/api/conversations", { id: "" }, "id"],
  ["POST", "/api/conversations", { id: long }, "id"],
  ["POST", "/api/conversations", { id: "a/b" }, "id"],
  ["POST", "/api/conversations", { id: "a b" }, "id"],
  ["POST", "/api/conversations", { id: "a\n" }, "id"],
  ["POST", "/api/conversations", { id: "é" }, "id"],
  ["POST", "/api/conversations", { metadata: [] }, "metadata"],
  ["POST", "/api/conversations", { metadata: { a: "x".repeat(16_384) } }, "metadata"],
  ["POST", "/api/conversations", [], ""],
  ["POST", "/api/conversations", "null", ""],
  ["POST", "/api/conversations", '"text"', ""],
  ["PATCH", "/api/conversations/c", {}, ""],
  ["PATCH", "/api/conversations/c", { pinned: "yes" }, "pinned"],
  ["PATCH", "/api/conversations/c", { id: "d" }, ""],
  ["POST", SAVE, { content: "x" }, "role"],
  ["POST", SAVE, { ...valid, foo: 1 }, ""],
  ["POST", SAVE, { ...valid, role: "robot" }, "role"],
  ["POST", SAVE, { role: "user" }, "content"],
  ["POST", SAVE, { ...valid, content: 5 }, "content"],
  ["POST", SAVE, { ...valid, content: null }, "content"],
  ["POST", SAVE, { ...valid, id: long }, "id"],
  ["POST", SAVE, { ...valid, tokens_used: -1 }, "tokens_used"],
  ["POST", SAVE, { ...valid, tokens_used: 2_147_483_648 }, "tokens_used"],
  ["POST", SAVE, { ...valid, tokens_used: 1.5 }, "tokens_used"],
  ["POST", SAVE, { ...valid, tokens_used: "1" }, "tokens_used"],
  ["POST", SAVE, { ...valid, latency_ms: 1e21 }, "latency_ms"],
  ["POST", SAVE, { ...valid, model: "x".repeat(201) }, "model"],
  ["POST", SAVE, { ...valid, metadata: { a: "x".repeat(16_384) } }, "metadata"],
  ["POST", SAVE, { ...valid, parts: {} }, "parts"],
  ["POST", SAVE, { ...valid, parts: [{}] }, "parts.0.type"],
  ["POST", SAVE, { ...valid, parts: [5] }, "parts.0"],
  ["POST", SAVE, { messages: [] }, "messages"],
  ["POST", SAVE, { messages: Array.from({ length: 101 }, () => valid) }, "messages"],
  ["POST", SAVE, { messages: [valid, { ...valid, content: 5 }] }, "messages.1.content"],
  ["POST", SAVE, { messages: [valid, { ...valid, foo: 1 }] }, "messages.1"],
  [
    "POST",
    SAVE,
    {
      messages: [
        { ...valid, id: "a" },
        { ...valid, id: "a" },
      ],
    },
    "messages.1.id",
  ],
  ["POST", SAVE, { messages: [valid], role: "user" }, ""],
  ["PATCH", `${SAVE}/m`, { content: 5 }, "content"],
  ["PATCH", `${SAVE}/m`, { content: "x", expected_version: 0 }, "expected_version"],
  ["PATCH", `${SAVE}/m`, { content: "x", expected_version: 2 ** 31 }, "expected_version"],
  ["POST", "/api/conversations/messages", { message: "" }, "message"],
  ["POST", "/api/conversations/messages", { message: "x", message_id: "a b" }, "message_id"],
  ["POST", "/api/conversations/messages", { message: "x", conversation_id: long }, "conversation_id"],
  ["POST", "/api/chat", { message: "x", foo: 1 }, ""],
];

test("a field that is unknown, missing, of another type or out of range is named", async ({ limited }) => {
  const blamed: unknown[] = [];
  for (const [method, path, body] of BAD_BODIES) {
    const answer = await limited.call(USER, method, path, body);
    expectProblem(answer, "invalid_request");
    blamed.push([method, path, body, answer.json.errors?.[0]?.path]);
  }
  expect(blamed).toEqual(BAD_BODIES);
  const { json } = await limited.call(USER, "POST", SAVE, { ...valid, foo: 1 });
  expect(json.detail).toContain("foo");
});

const MESSAGES = "/api/conversations/c/messages";
const LIST = "/api/conversations";
const later = encodeConversationCursor({
  pinned: false,
  updatedAt: new Date(),
  id: "01a2091b-84ad-7553-b391-5c4f90b2082e",
});

const BAD_QUERIES: [path: string, code: ErrorCode][] = [
  ...[
    "page=0",
    "page=-1",
    "page=1e3",
    "page=1.5",
    "page=",
    "page=%201",
    "page=0x1",
    "page=99999999999999999999",
    "page=1000000001",
  ].map((query): [string, ErrorCode] => [`${MESSAGES}?${query}`, "invalid_request"]),
  ...["limit=0", "limit=10000", "limit=201", "limit=-1", "limit=1e3", "limit=abc", "page_size=0", "page_size=201"].map(
    (query): [string, ErrorCode] => [`${MESSAGES}?${query}`, "invalid_request"],
  ),
  [`${MESSAGES}?limit=1&limit=2`, "invalid_request"],
  [`${MESSAGES}?unknown=1`, "invalid_request"],
  [`${MESSAGES}?page=1&before=${encodeMessageCursor(1)}`, "invalid_request"],
  [`${MESSAGES}?page=1&around=m`, "invalid_request"],
  [`${MESSAGES}?page=1&limit=5`, "invalid_request"],
  [`${MESSAGES}?before=${encodeMessageCursor(1)}&after=${encodeMessageCursor(1)}`, "invalid_request"],
  [`${MESSAGES}?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z`, "invalid_request"],
  [`${MESSAGES}?from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z`, "invalid_request"],
  [`${MESSAGES}?from=yesterday`, "invalid_request"],
  [`${MESSAGES}?from=2026-02-30T00:00:00Z`, "invalid_request"],
  [`${MESSAGES}?fields=id,password`, "invalid_request"],
  [`${MESSAGES}?fields=`, "invalid_request"],
  [`${MESSAGES}?around=${long}`, "invalid_request"],
  [`${MESSAGES}?around=nobody`, "message_not_found"],
  [`${MESSAGES}?before=random`, "invalid_cursor"],
  [`${MESSAGES}?before=${later}`, "invalid_cursor"],
  [`${MESSAGES}?after=${encodeMessageCursor(1)}=`, "invalid_cursor"],
  [`${MESSAGES}?after=${encodeMessageCursor(1)}A`, "invalid_cursor"],
  [`${MESSAGES}?before=${Buffer.from("m01").toString("base64url")}`, "invalid_cursor"],
  [`${MESSAGES}?before=`, "invalid_request"],
  [`${LIST}?cursor=random`, "invalid_cursor"],
  [`${LIST}?cursor=${encodeMessageCursor(1)}`, "invalid_cursor"],
  [`${LIST}?cursor=${later.slice(0, -2)}`, "invalid_cursor"],
  [`${LIST}?cursor=${Buffer.from(`cu1.${"-".repeat(36)}`).toString("base64url")}`, "invalid_cursor"],
  [`${LIST}?page=1&cursor=${later}`, "invalid_request"],
  [`${LIST}?page=1&limit=1`, "invalid_request"],
  [`${LIST}?archived=yes`, "invalid_request"],
  [`${LIST}?q=${"x".repeat(201)}`, "invalid_request"],
  [`${LIST}/${long}`, "invalid_request"],
  [`${LIST}/a%20b`, "invalid_request"],
  [`${LIST}/a%2Fb`, "invalid_request"],
  [`${LIST}/%zz`, "invalid_request"],
  [`${LIST}/c/export?format=xml`, "invalid_request"],
  ["/api/usage?from=2026-01-02&to=2026-01-01", "invalid_request"],
  ["/api/usage?from=2024-01-01&to=2025-12-31", "invalid_request"],
  ["/api/usage?from=01/01/2026", "invalid_request"],
  ["/api/nothing", "route_not_found"],
  ["/nothing", "route_not_found"],
];

test("a bad parameter, a cursor of another kind and a forged one are refused", async ({ limited }) => {
  const codes: [string, ErrorCode][] = [];
  for (const [path] of BAD_QUERIES) {
    const answer = await limited.call(USER, "GET", path);
    expectProblem(answer);
    codes.push([path, answer.json.code]);
  }
  expect(codes).toEqual(BAD_QUERIES);
});

test("the edges of what is allowed are allowed", async ({ limited }) => {
  const ids = ["x".repeat(128), "A-Z_a.z:0"];
  for (const id of ids) expect((await limited.call(USER, "POST", "/api/conversations", { id })).status).toBe(201);
  const metadata = { a: "x".repeat(16_384 - '{"a":""}'.length) };
  const message = { ...valid, tokens_used: 2_147_483_647, latency_ms: 0, model: "x".repeat(200), metadata };
  expect((await limited.call(USER, "POST", SAVE, message)).status).toBe(201);
  expect((await limited.call(USER, "POST", SAVE, { messages: Array.from({ length: 100 }, () => valid) })).status).toBe(
    201,
  );
  expect((await limited.call(USER, "POST", "/api/conversations", { title: "x".repeat(500) })).status).toBe(201);
  for (const path of [
    `${MESSAGES}?page=1000000000&page_size=200`,
    `${LIST}?page=1000000000&page_size=200`,
    "/api/trash?page=1000000000&page_size=200",
    `${MESSAGES}?limit=200`,
    `${MESSAGES}?before=${encodeMessageCursor(999_999_999_999_999)}`,
    `${MESSAGES}?from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59.999-23:59`,
    `${LIST}?q=`,
    "/api/usage?from=2025-01-01&to=2026-01-01",
    "/api/usage?from=0001-01-01&to=0001-01-02",
    "/api/usage?to=9999-12-31",
  ]) {
    const answer = await limited.call(USER, "GET", path);
    expect(answer.status, `${path} ${answer.text.slice(0, 200)}`).toBe(200);
  }
});

test("a year that PostgreSQL does not have is refused or empty, never a failure", async ({ limited }) => {
  for (const query of ["from=0000-01-01&to=0000-01-02", "to=0000-01-02", "to=0001-01-01", "to=0001-01-15"]) {
    expect((await limited.call(USER, "GET", `/api/usage?${query}`)).status, query).toBeLessThan(500);
  }
  for (const query of ["from=0000-01-01T00:00:00Z", "to=0000-01-01T00:00:00%2B23:59", "to=9999-12-31T23:59:59-23:59"]) {
    expect((await limited.call(USER, "GET", `${MESSAGES}?${query}`)).status, query).toBe(200);
  }
});

test("an Idempotency-Key is 1 to 255 visible ASCII characters", async ({ limited }) => {
  for (const key of ["", "x".repeat(256), "a b", "caf\u00e9", "\u007f"]) {
    expectProblem(await limited.call(USER, "POST", SAVE, valid, { "idempotency-key": key }), "invalid_request");
  }
  expect((await limited.call(USER, "POST", SAVE, valid, { "idempotency-key": "~".repeat(255) })).status).toBe(201);
});

test("a content-type that is not JSON is refused", async ({ limited }) => {
  const body = JSON.stringify(valid);
  for (const type of [
    "text/plain",
    "application/x-ndjson",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
  ]) {
    expectProblem(await send(limited, SAVE, { body, headers: { "content-type": type } }), "unsupported_media_type");
    expectProblem(
      await send(limited, "/api/import", { body, headers: { "content-type": type } }),
      "unsupported_media_type",
    );
  }
  for (const type of ["application/json; charset=utf-8", "Application/JSON"]) {
    expect((await send(limited, SAVE, { body, headers: { "content-type": type } })).status, type).toBe(201);
  }
});

test("without credentials every route under /api but its documentation and the login is refused", async ({
  limited,
}) => {
  const { operations } = await readApi(limited);
  for (const { id, method, path } of operations) {
    if (!path.startsWith("/api/") || id === "login" || id === "logout") continue;
    const url = `http://localhost${path.replaceAll(/\{\w+\}/g, "c")}`;
    const response = await limited.fetch(
      new Request(url, {
        method,
        headers: { "content-type": "application/json" },
        body: method === "GET" ? null : "{}",
      }),
    );
    const json = await response.json();
    expect(response.status, path).toBe(401);
    expect(json).toMatchObject({ code: "unauthenticated", status: 401 });
  }
  for (const path of ["/livez", "/readyz", "/api/openapi.json", "/api/docs"]) {
    expect((await limited.fetch(new Request(`http://localhost${path}`))).status, path).toBe(200);
  }
});

test("a valid x-request-id is echoed on every answer, and replaced when it is not one", async ({ limited }) => {
  for (const [method, path, body] of [
    ["GET", "/livez", undefined],
    ["GET", "/api/me", undefined],
    ["GET", "/nothing", undefined],
    ["POST", "/api/conversations", "{"],
    ["POST", SAVE, valid],
    ["GET", "/api/conversations/c/export", undefined],
  ] as const) {
    const answer = await limited.call(USER, method, path, body, { "x-request-id": "trace-1:2.3_4" });
    expect(answer.headers.get("x-request-id"), path).toBe("trace-1:2.3_4");
    for (const bad of ["a b", "x".repeat(129), "é"]) {
      const { headers } = await limited.call(USER, method, path, body, { "x-request-id": bad });
      expect(headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    }
  }
});
