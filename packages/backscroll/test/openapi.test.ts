import { expect } from "vitest";
import { z } from "zod";
import { type ApiOperation, readApi, resolveSchema, type SchemaObject } from "./api-operations.ts";
import { expectProblem } from "./problem.ts";
import { type Services, test } from "./services.ts";

const ADA = "ada@example.com";

type Document = Awaited<ReturnType<typeof readApi>>["document"];
type Step = readonly [operation: string, path: string, body?: unknown];

const part = { type: "tool-call", tool_name: "search", input: { q: [1, null] } };
const message = {
  id: "m1",
  role: "assistant",
  content: "Hello",
  parts: [part],
  model: "gpt",
  tokens_used: 3,
  latency_ms: 4,
  metadata: { a: { b: null } },
};

/** Every operation, each in all of its ways of succeeding; in this order. */
const SCRIPT: Step[] = [
  ["livez", "/livez"],
  ["readyz", "/readyz"],
  ["getMe", "/api/me"],
  ["createConversation", "/api/conversations", { id: "c", title: "Plans", metadata: { a: 1 } }],
  ["createConversation", "/api/conversations", { id: "c" }],
  ["createConversation", "/api/conversations", {}],
  ["saveMessages", "/api/conversations/c/messages", message],
  ["saveMessages", "/api/conversations/c/messages", message],
  ["saveMessages", "/api/conversations/c/messages", { role: "user", content: "" }],
  [
    "saveMessages",
    "/api/conversations/c/messages",
    {
      messages: [
        { id: "m2", role: "system", content: "x" },
        { id: "m3", role: "tool", content: "y" },
      ],
    },
  ],
  ["editMessage", "/api/conversations/c/messages/m1", { content: "edited", expected_version: 1 }],
  ["sendMessage", "/api/conversations/messages", { message: "Hello", conversation_id: "c", message_id: "m4" }],
  ["sendMessage", "/api/conversations/messages", { message: "Hello" }],
  ["sendMessage", "/api/conversations/messages", { message: "Hello", stream: true }],
  ["chat", "/api/chat", { message: "Hello" }],
  [
    "chat",
    "/api/chat",
    {
      id: "u",
      messages: [{ id: "u1", role: "user", parts: [{ type: "text", text: "Hello" }] }],
      trigger: "submit-message",
    },
  ],
  ["chat", "/api/chat", { id: "u", trigger: "regenerate-message" }],
  ["stopReply", "/api/chat/u/stop"],
  ["putSession", "/api/sessions/s", { conversation_id: "c" }],
  ["putSession", "/api/sessions/s", { conversation_id: "c", context: { a: [1, null] } }],
  ["updateSession", "/api/sessions/s", { context: { b: 2 }, remove: ["a"] }],
  ["getSession", "/api/sessions/s"],
  ["chat", "/api/chat", { message: "Hello", session_id: "s" }],
  ["sendMessage", "/api/conversations/messages", { message: "Hello", session_id: "s" }],
  ["appendToSession", "/api/sessions/s/messages", { id: "s1", role: "user", content: "Hello" }],
  ["appendToSession", "/api/sessions/s/messages", { id: "s1", role: "user", content: "Hello" }],
  ["listSessions", "/api/sessions?limit=1"],
  ["deleteSession", "/api/sessions/s"],
  ["listMessages", "/api/conversations/c/messages"],
  ["listMessages", "/api/conversations/c/messages?limit=1"],
  ["listMessages", "/api/conversations/c/messages?page=1&page_size=2"],
  ["listMessages", "/api/conversations/c/messages?around=m2&limit=2"],
  ["listMessages", "/api/conversations/c/messages?from=2020-01-01T00:00:00Z"],
  ["getConversation", "/api/conversations/c"],
  ["updateConversation", "/api/conversations/c", { pinned: true, archived: false, title: "New", metadata: { b: [] } }],
  ["listConversations", "/api/conversations"],
  ["listConversations", "/api/conversations?page=1&page_size=1"],
  ["listConversations", "/api/conversations?limit=1"],
  ["exportConversation", "/api/conversations/c/export"],
  ["exportMe", "/api/me/export"],
  ["exportConversation", "/api/conversations/c/export?format=markdown"],
  [
    "importConversations",
    "/api/import",
    {
      backscroll_export: 1,
      conversations: [
        { conversation: { conversation_id: "i", title: "t", created_at: "2026-01-01T00:00:00Z" }, messages: [5] },
      ],
    },
  ],
  ["getUsage", "/api/usage"],
  ["deleteMessage", "/api/conversations/c/messages/m3"],
  ["deleteConversation", "/api/conversations/c"],
  ["listDeletedConversations", "/api/trash"],
  ["restoreConversation", "/api/conversations/c/restore"],
  ["deleteConversation", "/api/conversations/c?permanent=true"],
  ["eraseMe", "/api/me"],
];
/**
 * For as long as a reply is being written only: see `chat-transport.test.ts`; without an end: `events.test.ts`; where
 * the service itself knows who somebody is: `login.test.ts`; for admins: `audit.test.ts` and
 * `operator.test.ts`;
 * for good: `erased-users.test.ts`.
 */
const ELSEWHERE = [
  "login 200 application/json",
  "logout 200 application/json",
  "followReply 200 text/event-stream",
  "followChanges 200 text/event-stream",
  "listAudit 200 application/json",
  "getOperatorReport 200 application/json",
];

test("every answer of every operation is as the document describes it, with nothing that it does not", async ({
  services,
}) => {
  const { document, operations } = await readApi(services);
  const seen = new Set<string>();
  const wrong: unknown[] = [];
  for (const [id, path, body] of SCRIPT) {
    const operation = operations.find((one) => one.id === id);
    if (!operation) throw new Error(`the document has no operation ${id}`);
    const answer = await services.call(ADA, operation.method, path, body);
    expect(answer.status, `${id} ${path} ${answer.text.slice(0, 200)}`).toBeLessThan(300);
    const described = operation.responses[answer.status];
    expect(described, `${id} answers ${answer.status}`).toBeDefined();
    const type = answer.headers.get("content-type")?.replace(/;.*/, "") ?? "";
    const schema = described?.content?.[type]?.schema;
    if (!schema) throw new Error(`${id} answers ${answer.status} in ${type}, which is not described`);
    seen.add(`${id} ${answer.status} ${type}`);
    if (type !== "application/json" || id.startsWith("export")) continue;
    const { error } = z.fromJSONSchema(closed(document, schema) as never).safeParse(answer.json);
    if (error) wrong.push({ id, path, issues: error.issues });
  }
  expect(wrong).toEqual([]);
  const successes = operations.flatMap(({ id, responses }) =>
    Object.entries(responses)
      .filter(([status]) => status < "300")
      .flatMap(([status, { content }]) => Object.keys(content ?? {}).map((type) => `${id} ${status} ${type}`)),
  );
  expect(successes.filter((success) => !seen.has(success))).toEqual(ELSEWHERE);
});

test("a body that the document allows is accepted: its schemas are those of the requests", async ({ services }) => {
  const { document, operations } = await readApi(services);
  for (const [id, path, body] of SCRIPT) {
    const operation = operations.find((one) => one.id === id);
    if (!operation?.body || body === undefined || id === "importConversations") continue;
    const { error } = z.fromJSONSchema(closed(document, operation.body) as never).safeParse(body);
    expect(error?.issues, `${id} ${path}`).toBeUndefined();
  }
});

test("every operation has a name of its own, a summary, and says how it fails", async ({ services }) => {
  const { document, operations } = await readApi(services);
  const names = operations.map(({ id }) => id);
  expect(new Set(names).size).toBe(names.length);
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, { summary, responses, parameters = [] }] of Object.entries(methods)) {
      expect(summary, `${method} ${path}`).toMatch(/\w/);
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(
        parameters.filter((parameter) => parameter.in === "path").map(({ name }) => name),
        path,
      ).toEqual(inPath);
      if (path.startsWith("/api/"))
        expect(Object.keys(responses)).toEqual(expect.arrayContaining(["400", "401", "503"]));
      // Of a reply that is not being written, it makes no difference why.
      if (path.startsWith("/api/chat/")) continue;
      // It begins with the first message.
      if (path === "/api/sessions/{sessionId}/messages") continue;
      if (inPath.length > 0) expect(Object.keys(responses), `${method} ${path}`).toContain("404");
    }
  }
});

test("every reference in the document leads somewhere, and every schema is referred to", async ({ services }) => {
  const { document } = await readApi(services);
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(
    ([, name]) => name ?? "",
  );
  expect(new Set(references)).toEqual(new Set(Object.keys(document.components?.schemas ?? {})));
});

/** what is asked, and the failure that the operation must describe */
const FAILURES: [operation: string, path: string, body?: unknown][] = [
  ["getConversation", "/api/conversations/none"],
  ["updateConversation", "/api/conversations/none", { pinned: true }],
  ["updateConversation", "/api/conversations/c", "{"],
  ["createConversation", "/api/conversations", { id: "c", title: "other" }],
  ["createConversation", "/api/conversations", "{"],
  ["createConversation", "/api/conversations", `"${"x".repeat(17_000_000)}"`],
  ["saveMessages", "/api/conversations/c/messages", { role: "user", content: "x".repeat(1_048_577) }],
  ["saveMessages", "/api/conversations/c/messages", { id: "m1", role: "user", content: "other" }],
  ["editMessage", "/api/conversations/c/messages/m1", { content: "x", expected_version: 9 }],
  ["sendMessage", "/api/conversations/messages", { message: "other", message_id: "m1", conversation_id: "c" }],
  ["chat", "/api/chat", { message: "Hello", conversation_id: "none" }],
  ["chat", "/api/chat", { id: "none", trigger: "regenerate-message" }],
  ["chat", "/api/chat", { id: "c", messages: [{ id: "m1", role: "user", parts: [{ type: "text", text: "y" }] }] }],
  ["listMessages", "/api/conversations/c/messages?before=x"],
  ["importConversations", "/api/import", "x"],
];

test("a failure is one that its operation describes", async ({ services }) => {
  const { operations } = await readApi(services);
  await prepare(services);
  const undescribed: string[] = [];
  for (const [id, path, body] of FAILURES) {
    const operation = operations.find((one) => one.id === id) as ApiOperation;
    const answer = await services.call(ADA, operation.method, path, body);
    expectProblem(answer);
    const described = operation.responses[answer.status] as { description?: string } | undefined;
    if (!described?.description?.includes(`\`${answer.json.code}\``))
      undescribed.push(`${id} ${answer.status} ${answer.json.code}`);
  }
  expect(undescribed).toEqual([]);
});

async function prepare(services: Services): Promise<void> {
  await services.call(ADA, "POST", "/api/conversations", { id: "c", title: "c" });
  await services.call(ADA, "POST", "/api/conversations/c/messages", { id: "m1", role: "user", content: "x" });
}

/** The schema in one piece, where objects that name their properties have no others. */
function closed(document: Document, given: SchemaObject): SchemaObject {
  const schema = resolveSchema(document, given);
  const every = (schemas: readonly SchemaObject[] | undefined): object =>
    schemas ? schemas.map((one) => closed(document, one)) : [];
  return {
    ...schema,
    ...(schema.properties && {
      additionalProperties: schema.additionalProperties ?? false,
      properties: Object.fromEntries(
        Object.entries(schema.properties).map(([name, one]) => [name, closed(document, one)]),
      ),
    }),
    ...(schema.items && { items: closed(document, schema.items) }),
    ...(schema.anyOf && { anyOf: every(schema.anyOf) as SchemaObject[] }),
    ...(schema.oneOf && { oneOf: every(schema.oneOf) as SchemaObject[] }),
    ...(schema.allOf && { allOf: every(schema.allOf) as SchemaObject[] }),
  };
}
