import { expect, onTestFinished } from "vitest";
import { type Responder, ResponderError, type ResponderDelta } from "../src/responder/responder.ts";
import { createServices, newSchema, type Services, test } from "./services.ts";

const ADA = "ada@example.com";
const SEND = "/api/conversations/messages";

/** A Backscroll whose responder says what the test wants. */
async function withResponder(
  respond: (request: Parameters<Responder["respond"]>[0]) => AsyncIterable<ResponderDelta>,
  options: { responderTimeoutMs?: number; drainTimeoutMs?: number } = {},
): Promise<Services> {
  const { databaseUrl, drop } = await newSchema();
  const services = await createServices({ databaseUrl, responder: { description: "scripted", respond }, ...options });
  onTestFinished(async () => {
    await services.close();
    await drop();
  });
  return services;
}

async function* say(...deltas: ResponderDelta[]): AsyncIterable<ResponderDelta> {
  for (const delta of deltas) yield await Promise.resolve(delta);
}

test("a turn saves the question and the reply, in a conversation made for it", async ({ services }) => {
  const { status, json } = await services.call(ADA, "POST", SEND, { message: "Hello" });
  expect(status).toBe(200);
  expect(json.user_message).toMatchObject({ seq: 1, role: "user", content: "Hello" });
  expect(json.assistant_message).toMatchObject({ seq: 2, role: "assistant", model: "eliza", status: "complete" });
  const history = await services.call(ADA, "GET", `/api/conversations/${json.conversation_id}/messages?page=1`);
  expect(history.json.messages).toEqual([json.user_message, json.assistant_message]);
});

test("the guide's chat endpoint answers in its short form, and goes on in the same conversation", async ({
  services,
}) => {
  const first = await services.call(ADA, "POST", "/api/chat", { message: "Hello" });
  expect(Object.keys(first.json)).toEqual(["response", "conversation_id"]);
  const second = await services.call(ADA, "POST", "/api/chat", {
    message: "More",
    conversation_id: first.json.conversation_id,
  });
  expect(second.json.conversation_id).toBe(first.json.conversation_id);
  const { json } = await services.call(ADA, "GET", `/api/conversations/${first.json.conversation_id}`);
  expect(json.message_count).toBe(4);
});

test("the responder sees the newest messages, oldest first, up to the one to answer", async () => {
  const seen: string[][] = [];
  const services = await withResponder(async function* ({ messages }) {
    seen.push(messages.map(({ role, content }) => `${role}: ${content}`));
    yield { type: "text", text: `reply ${seen.length}` };
  });
  const { json } = await services.call(ADA, "POST", SEND, { message: "one" });
  await services.call(ADA, "POST", SEND, { message: "two", conversation_id: json.conversation_id });
  expect(seen).toEqual([["user: one"], ["user: one", "assistant: reply 1", "user: two"]]);
});

test("tool calls and results are kept in parts, in the order they came, with tokens, model and time", async () => {
  const services = await withResponder(() =>
    say(
      { type: "text", text: "Let me look. " },
      { type: "tool-call", toolCallId: "t1", toolName: "web_search", input: { query: "Rome" } },
      { type: "tool-result", toolCallId: "t1", toolName: "web_search", output: ["Trastevere"] },
      { type: "text", text: "Trastevere." },
      { type: "usage", tokensUsed: 42, model: "scripted-1" },
    ),
  );
  const { json } = await services.call(ADA, "POST", SEND, { message: "Where?" });
  expect(json.assistant_message).toMatchObject({
    content: "Let me look. Trastevere.",
    tokens_used: 42,
    model: "scripted-1",
  });
  expect(json.assistant_message.latency_ms).toBeGreaterThanOrEqual(0);
  expect(json.assistant_message.parts).toEqual([
    { type: "text", text: "Let me look. " },
    { type: "tool-call", tool_call_id: "t1", tool_name: "web_search", input: { query: "Rome" } },
    { type: "tool-result", tool_call_id: "t1", tool_name: "web_search", output: ["Trastevere"] },
    { type: "text", text: "Trastevere." },
  ]);
});

test.for([
  ["failed", 502, "responder_failed", undefined],
  ["rate_limited", 503, "responder_rate_limited", "7"],
  ["timeout", 504, "responder_timeout", undefined],
] as const)(
  "a responder that says %s is %i, the question is kept, and the same message_id asks again",
  async ([failure, status, code, retryAfter]) => {
    let tries = 0;
    const services = await withResponder(async function* () {
      tries += 1;
      if (tries === 1) throw new ResponderError(failure, "provider secret", { retryAfterSeconds: 7 });
      yield { type: "text", text: "now" };
    });
    const failed = await services.call(ADA, "POST", SEND, { message: "Hello", message_id: "m1" });
    expect(failed.status).toBe(status);
    expect(failed.json.code).toBe(code);
    expect(failed.headers.get("retry-after")).toBe(retryAfter ?? null);
    expect(failed.text).not.toContain("secret");

    const retried = await services.call(ADA, "POST", SEND, { message: "Hello", message_id: "m1" });
    expect(retried.status).toBe(200);
    const history = await services.call(ADA, "GET", `/api/conversations/${retried.json.conversation_id}/messages`);
    expect(history.json.messages.map(({ content }: { content: string }) => content)).toEqual(["now", "Hello"]);
  },
);

test("a responder that hangs is given up after its time", async () => {
  const services = await withResponder(
    async function* ({ signal }) {
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
      yield { type: "text", text: "never" };
    },
    { responderTimeoutMs: 50 },
  );
  expect(await services.call(ADA, "POST", SEND, { message: "Hello" })).toMatchObject({
    status: 504,
    json: { code: "responder_timeout" },
  });
});

test("the same message_id 20 times at once asks once, and everybody gets the one answer", async () => {
  let asked = 0;
  const services = await withResponder(async function* () {
    asked += 1;
    yield { type: "text", text: `answer ${asked}` };
  });
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => services.call(ADA, "POST", SEND, { message: "Hello", message_id: "once" })),
  );
  expect(asked).toBe(1);
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  const later = await services.call(ADA, "POST", SEND, { message: "Hello", message_id: "once" });
  expect(later.text).toBe(answers[0]?.text);
  expect(asked).toBe(1);
});

test("a message_id with another text is a conflict", async ({ services }) => {
  const first = await services.call(ADA, "POST", SEND, { message: "Hello", message_id: "m1" });
  const second = await services.call(ADA, "POST", SEND, {
    message: "Bye",
    message_id: "m1",
    conversation_id: first.json.conversation_id,
  });
  expect(second).toMatchObject({ status: 409, json: { code: "message_id_conflict" } });
});

test("a reply that PostgreSQL could not keep is mended, not lost", async () => {
  const services = await withResponder(() =>
    say(
      { type: "text", text: "a\u0000b\ud800c \\u0000 d" },
      { type: "tool-result", toolCallId: "t", toolName: "x", output: { text: "e\u0000f" } },
    ),
  );
  const { json } = await services.call(ADA, "POST", SEND, { message: "Hello" });
  expect(json.assistant_message.content).toBe("ab\ufffdc \\u0000 d");
  expect(json.assistant_message.parts[1].output).toEqual({ text: "ef" });
});

test("keys, model and token counts that could not be stored are mended too", async () => {
  const services = await withResponder(() =>
    say(
      { type: "tool-call", toolCallId: "t", toolName: "x", input: { "a\u0000b": [{ "c\ud800": "d" }] } },
      { type: "usage", tokensUsed: 3e9, model: "m\u0000" },
    ),
  );
  const { status, json } = await services.call(ADA, "POST", SEND, { message: "Hello" });
  expect(status).toBe(200);
  expect(json.assistant_message).toMatchObject({ model: "m", tokens_used: null });
  expect(json.assistant_message.parts[0].input).toEqual({ ab: [{ "c\ufffd": "d" }] });
});

test("a responder that is deaf to its signal is given up after its time", async () => {
  const services = await withResponder(
    async function* () {
      await new Promise(() => undefined);
      yield { type: "text", text: "never" };
    },
    { responderTimeoutMs: 50, drainTimeoutMs: 50 },
  );
  expect(await services.call(ADA, "POST", SEND, { message: "Hello" })).toMatchObject({ status: 504 });
});

test("a message that is refused leaves no empty conversation behind", async ({ services }) => {
  expect((await services.call(ADA, "POST", SEND, { message: "a\u0000b" })).status).toBe(400);
  expect((await services.call(ADA, "POST", SEND, { message: "x".repeat(1_048_577) })).status).toBe(413);
  expect((await services.call(ADA, "GET", "/api/conversations")).json.conversations).toEqual([]);
});
