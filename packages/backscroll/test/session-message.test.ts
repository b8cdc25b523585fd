import fc from "fast-check";
import { expect, test } from "vitest";
import type { Message } from "../src/domain/message.ts";
import { fromMessage, isMessageId, toNewMessage } from "../src/domain/session-message.ts";
import { jsonValue } from "./json-value.ts";
import { test as withServices } from "./services.ts";

/** As PostgreSQL would give it back. */
function stored(given: unknown): Message {
  const {
    id = "minted",
    parts = null,
    model = null,
    tokensUsed = null,
    latencyMs = null,
    metadata = null,
    ...rest
  } = toNewMessage(given);
  return {
    ...rest,
    id,
    parts,
    model,
    tokensUsed,
    latencyMs,
    metadata,
    conversationId: "c",
    seq: 1,
    version: 1,
    status: "complete",
    createdAt: new Date(),
    editedAt: null,
  };
}

const CALL = { id: "call_1", type: "function", function: { name: "search", arguments: '{"q":"x"}' } };
const SHAPES: Record<string, object> = {
  "role and content": { role: "user", content: "Hi" },
  "extra keys": { role: "user", content: "Hi", timestamp: "2026-01-01T00:00:00", sources: [{ page: 1 }], score: null },
  "its own id": { id: "m:1", role: "assistant", content: "Hello", model: "gpt", tokens_used: 3, latency_ms: 12 },
  "a number for an id": { id: 1, role: "user", content: "Hi" },
  "an id that is none here": { id: "a b/c", role: "user", content: "Hi" },
  "fields with other types": { role: "user", content: "Hi", model: 5, tokens_used: "3", latency_ms: 1.5 },
  "content parts": {
    role: "user",
    content: [
      { type: "text", text: "What is it?" },
      { type: "image_url", image_url: { url: "data:," } },
    ],
  },
  "an empty list": { role: "user", content: [] },
  "tool calls without content": { role: "assistant", content: null, tool_calls: [CALL, CALL] },
  "tool calls beside content": { role: "assistant", content: "Let me see", tool_calls: [CALL] },
  "a tool's answer": { role: "tool", tool_call_id: "call_1", content: "42" },
  "a UI message": { id: "abc", role: "user", parts: [{ type: "text", text: "Hi" }] },
  "no content at all": { role: "assistant" },
  "content that is an object": { role: "assistant", content: { answer: 42 } },
  "content that is a list of texts": { role: "user", content: ["a", "b"] },
  "another word for its role": { role: "human", content: "Hi" },
  "a key of ours": { role: "user", content: "Hi", session_message: { lists: { content: 7 } } },
  "more than metadata holds": { role: "assistant", content: "Hi", sources: "x".repeat(50_000), id: "big" },
  "a key named __proto__": JSON.parse('{"role":"user","content":"Hi","__proto__":{"a":1}}') as object,
};

test.for(Object.entries(SHAPES))("a message with %s comes back as it was", ([, message]) => {
  expect(fromMessage(stored(message))).toEqual(message);
});

withServices("PostgreSQL keeps all of them as they were, and those with an id once", async ({ services }) => {
  const store = services.sessionStore<{ role: string }>({ user: "ada@example.com" });
  const messages = Object.values(SHAPES) as { role: string }[];
  await store.append("s", messages);
  await store.append(
    "s",
    messages.filter((message) => isMessageId(Reflect.get(message, "id"))),
  );
  expect((await store.get("s"))?.messages).toEqual(messages);
});

test("any message that is JSON comes back as it was", () => {
  const roles = fc.constantFrom("user", "assistant", "system", "tool", "human", "bot");
  const part = fc.record({ type: fc.string(), text: jsonValue() });
  const content = fc.oneof(fc.string(), jsonValue(), fc.array(part));
  const keys = fc.dictionary(fc.constantFrom("id", "model", "tokens_used", "parts", "tool_calls", "x"), content);
  fc.assert(
    fc.property(roles, content, keys, (role, content, extra) => {
      const message: unknown = JSON.parse(JSON.stringify({ ...extra, role, content }));
      expect(fromMessage(stored(message))).toEqual(message);
    }),
  );
});

test("what is text in a message's parts can be searched and read", () => {
  const { content } = toNewMessage({
    role: "user",
    content: [
      { type: "text", text: "What is it?" },
      { type: "image_url", image_url: { url: "data:," } },
      { type: "input_text", text: "Say it in one word." },
    ],
  });
  expect(content).toBe("What is it?\nSay it in one word.");
});

test("a date comes back as JSON writes it, and what JSON leaves out is left out", () => {
  const at = new Date("2026-01-02T03:04:05.678Z");
  const given = { role: "user", content: "Hi", timestamp: at, nothing: undefined };
  expect(fromMessage(stored(given))).toEqual({ role: "user", content: "Hi", timestamp: at.toISOString() });
});

test("a message from elsewhere is its role and content", () => {
  const message = { ...stored({ role: "assistant", content: "Hi" }), metadata: { a: 1 }, model: "gpt" };
  expect(fromMessage(message)).toEqual({ role: "assistant", content: "Hi" });
});

test.for([
  ["no role", { content: "Hi" }, "role"],
  ["a role that nobody has", { role: "narrator", content: "Hi" }, "role"],
  ["a text", "Hi", "message"],
  ["a list", ["user", "Hi"], "message"],
  ["nothing", null, "message"],
  ["what JSON cannot write", { role: "user", content: 1n }, "message"],
] as const)("%s is refused with what to change", ([, given, path]) => {
  expect(() => toNewMessage(given)).toThrow(
    expect.objectContaining({ details: { errors: [expect.objectContaining({ path })] } }),
  );
});
