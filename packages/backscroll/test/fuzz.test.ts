import fc from "fast-check";
import { expect } from "vitest";
import { type ApiOperation, ENDLESS, readApi, sampleBody, type SchemaObject } from "./api-operations.ts";
import { expectProblem, send } from "./problem.ts";
import { type Answer, type Services, test } from "./services.ts";

const REQUESTS = 2_500;

/** What breaks parsers, databases and people who concatenate strings. */
const STRANGE_TEXTS = [
  "",
  "\u0000",
  "\ud800",
  "\udc00x",
  "\uffff",
  "a\u0000b",
  "NaN",
  "Infinity",
  "-0",
  "1e308",
  "null",
  "true",
  "__proto__",
  "constructor",
  "' or 1=1 --",
  "%00",
  "%",
  "../..",
  "0000-01-01",
  "0000-01-01T00:00:00Z",
  "9999-12-31T23:59:59-23:59",
  "99999999999999999999",
  "1000000000",
  "x".repeat(129),
  "👩‍👩‍👧‍👦",
  Buffer.from("m5").toString("base64url"),
  Buffer.from("m999999999999999").toString("base64url"),
  Buffer.from(`cu1.${"-".repeat(36)}`).toString("base64url"),
  Buffer.from(`cp999999999999999.${"f".repeat(36)}`).toString("base64url"),
];
const STRANGE_NUMBERS = [-1, 0, 0.5, 2 ** 31, 2 ** 53, -(2 ** 63), 1e21, 1e308, 5e-324];

const text = fc.oneof(
  fc.constantFrom(...STRANGE_TEXTS),
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme" }),
  fc.string(),
);
const deep = fc.constantFrom(50, 500, 5_000, 20_000).map((depth) => `${'{"a":['.repeat(depth)}${"]}".repeat(depth)}`);
/** JSON text; strings keep their lone surrogates and NUL as escapes */
const jsonValue = fc.oneof(
  { weight: 4, arbitrary: text.map((value) => JSON.stringify(value)) },
  { weight: 3, arbitrary: fc.constantFrom(...STRANGE_NUMBERS).map(String) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "null",
      "true",
      "[]",
      "{}",
      "[[]]",
      "1e999",
      "-0",
      '"\\ud800"',
      '"\\u0000"',
      '{"\\u0000":1}',
    ),
  },
  { weight: 2, arbitrary: fc.json({ stringUnit: "binary" }) },
  { weight: 2, arbitrary: deep },
);

interface Fuzzed {
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string | Uint8Array<ArrayBuffer> | null;
}

test(`${REQUESTS} malformed requests to every route: never a 5xx, every refusal a problem`, async ({ services }) => {
  const { document, operations } = await readApi(services);
  const runs = Math.ceil(REQUESTS / operations.length);
  for (const operation of operations.filter(({ id }) => id !== ENDLESS)) {
    const properties = propertyNames(document, operation);
    await fc.assert(
      fc.asyncProperty(request(operation, properties), async ({ path, headers, body }) => {
        await ensureConversation(services);
        const answer = await send(services, path, { method: operation.method, headers, body });
        expectNoFailure(answer);
      }),
      { numRuns: runs, endOnFailure: false },
    );
  }
}, 120_000);

test("a response that a client reads by halves does not break the next", async ({ services }) => {
  await ensureConversation(services);
  const response = await services.fetch(
    new Request("http://localhost/api/conversations/fuzzed/export", { headers: { "x-test-user": "ada@example.com" } }),
  );
  const reader = response.body?.getReader();
  await reader?.read();
  await reader?.cancel();
  expect((await services.call("ada@example.com", "GET", "/api/conversations/fuzzed")).status).toBe(200);
});

function expectNoFailure(answer: Answer): void {
  expect(answer.status, answer.text.slice(0, 500)).toBeLessThan(500);
  if (answer.status >= 300 && answer.status < 400) return; // "/", where a path of dots leads
  if (answer.status >= 400) expectProblem(answer);
}

function request(operation: ApiOperation, properties: readonly string[]): fc.Arbitrary<Fuzzed> {
  const id = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom("fuzzed", "fuzzed-1", "01a2091b-84ad-7553-b391-5c4f90b2082e") },
    { weight: 1, arbitrary: text.map(encodePathSegment) },
    { weight: 1, arbitrary: fc.constantFrom("%zz", "%", "%ff%fe", "%00", "%2F", "%ed%a0%80", "a;b", "a,b", "*", "~") },
  );
  const path = fc.tuple(id, id).map(([first, second]) => {
    const ids = [first, second];
    return operation.path.replaceAll(/\{\w+\}/g, () => ids.shift() ?? "x");
  });
  const known = operation.parameters.filter((parameter) => parameter.in === "query");
  const pairs = [...known, { name: "unknown", schema: {} }, { name: "__proto__", schema: {} }].map(({ name, schema }) =>
    queryValue(schema).map((value) => `${name}=${value}`),
  );
  const query = fc.array(fc.oneof(...pairs), { maxLength: known.length > 0 ? 3 : 1 }).map((asked) => asked.join("&"));
  const headers = fc.oneof(
    { weight: 6, arbitrary: fc.constant({ "content-type": "application/json" }) },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom(
          "text/plain",
          "application/json; charset=utf-8",
          "application/x-ndjson",
          "multipart/form-data",
          "x",
          "application/vnd.api+json",
        )
        .map((type) => ({ "content-type": type })),
    },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom("k", "é", "", " ", "x".repeat(256))
        .map((key) => ({ "content-type": "application/json", "idempotency-key": key })),
    },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom("0", "-1", "abc", "1e9", "99999999999999")
        .map((length) => ({ "content-type": "application/json", "content-length": length })),
    },
    { weight: 1, arbitrary: fc.constant({}) },
  ) as fc.Arbitrary<Record<string, string>>;
  const bodies = operation.method === "GET" ? fc.constant(null) : body(operation, properties);
  return fc.record({
    path: fc.tuple(path, query).map(([filled, asked]) => (asked === "" ? filled : `${filled}?${asked}`)),
    headers,
    body: bodies,
  });
}

/** Mostly what its schema allows, at the edges. */
function queryValue({ type, format }: SchemaObject): fc.Arbitrary<string> {
  const edges =
    type === "integer"
      ? ["1", "2", "200", "1000000000", "0", "-1", "1e3", "1.5", "+1", "%201", "99999999999999999999"]
      : format === "date" || format === "date-time"
        ? [
            "2026-01-01",
            "0000-01-01",
            "0001-01-01",
            "9999-12-31",
            "2026-02-30",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59-23:59",
            "2026-01-01T00:00:00%2B00:00",
          ]
        : ["true", "fuzzed-1", "id,seq", "parts", "markdown", "%zz", "%25", "%5C", "__proto__"];
  return fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...edges) },
    { weight: 1, arbitrary: text.map(encodePathSegment) },
  );
}

/** Mostly a good body with one thing wrong: what is wrong all over never comes past the parser. */
function body(operation: ApiOperation, properties: readonly string[]): fc.Arbitrary<Fuzzed["body"]> {
  const sample = sampleBody(operation) ?? {};
  const good = JSON.stringify(sample);
  const oneChanged = fc
    .tuple(fc.constantFrom(...properties, "unknown", "__proto__", "constructor"), jsonValue)
    .map(([name, value]) => {
      const kept = Object.entries(sample)
        .filter(([key]) => key !== name)
        .map(([key, own]) => `${JSON.stringify(key)}:${JSON.stringify(own)}`);
      return `{${[...kept, `${JSON.stringify(name)}:${value}`].join(",")}}`;
    });
  const manyMessages = fc.array(oneChanged, { maxLength: 3 }).map((items) => `{"messages":[${items.join(",")}]}`);
  const cut = fc.nat({ max: good.length }).map((length) => good.slice(0, length));
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc
      .uint8Array({ maxLength: 4 })
      .map((some) => Buffer.concat([Buffer.from(good.slice(0, -2)), some, Buffer.from(good.slice(-2))])),
  );
  return fc.oneof(
    { weight: 8, arbitrary: oneChanged },
    { weight: operation.id === "saveMessages" ? 4 : 0, arbitrary: manyMessages },
    { weight: operation.id === "importConversations" ? 12 : 0, arbitrary: exportWithOneChange() },
    { weight: 2, arbitrary: cut },
    { weight: 2, arbitrary: jsonValue },
    { weight: 1, arbitrary: text },
    { weight: 1, arbitrary: bytes.map((some) => new Uint8Array(some)) },
    { weight: 1, arbitrary: fc.constant(null) },
  );
}

function exportWithOneChange(): fc.Arbitrary<string> {
  const conversation = {
    conversation_id: "imported",
    title: "t",
    metadata: {},
    pinned: false,
    archived: false,
    created_at: "2026-01-01T00:00:00.000Z",
  };
  const message = {
    id: "m1",
    role: "user",
    content: "x",
    status: "complete",
    model: null,
    tokens_used: 1,
    latency_ms: null,
    metadata: null,
    parts: [{ type: "x" }],
    version: 1,
    created_at: "2026-01-01T00:00:00.000Z",
    edited_at: null,
  };
  const changed = (item: object): fc.Arbitrary<string> =>
    fc.tuple(fc.constantFrom(...Object.keys(item)), jsonValue).map(([name, value]) => {
      const own = Object.entries(item).map(
        ([key, kept]) => `${JSON.stringify(key)}:${key === name ? value : JSON.stringify(kept)}`,
      );
      return `{${own.join(",")}}`;
    });
  return fc
    .tuple(
      fc.oneof(fc.constant(JSON.stringify(conversation)), changed(conversation)),
      changed(message),
      fc.nat(100_000),
    )
    .map(
      ([head, item, n]) =>
        `{"backscroll_export":1,"conversations":[{"conversation":${head.replace('"imported"', `"imported-${n}"`)},"messages":[${item}]}]}`,
    );
}

function propertyNames(document: Awaited<ReturnType<typeof readApi>>["document"], operation: ApiOperation): string[] {
  const schemas =
    JSON.stringify(operation.body ?? {}) +
    [...JSON.stringify(operation.body ?? {}).matchAll(/schemas\/(\w+)/g)]
      .map(([, name]) => JSON.stringify(document.components?.schemas?.[name ?? ""]))
      .join("");
  return [...new Set([...schemas.matchAll(/"(\w+)":\{/g)].map(([, name]) => name ?? ""))].filter(
    (name) => !/^(properties|items|additionalProperties)$/.test(name),
  );
}

function encodePathSegment(value: string): string {
  return encodeURIComponent(value.toWellFormed());
}

/** The requests may delete it. */
async function ensureConversation(services: Services): Promise<void> {
  const user = "ada@example.com";
  if ((await services.call(user, "GET", "/api/conversations/fuzzed")).status === 200) return;
  if ((await services.call(user, "POST", "/api/conversations/fuzzed/restore")).status === 200) return;
  await services.call(user, "POST", "/api/conversations", { id: "fuzzed" });
  await services.call(user, "POST", "/api/conversations/fuzzed/messages", {
    messages: [1, 2, 3].map((n) => ({ id: `fuzzed-${n}`, role: "user", content: `${n}` })),
  });
}
