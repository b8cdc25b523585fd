import { expect, onTestFinished, test } from "vitest";
import { createServices } from "../../backscroll/test/services.ts";
import { createAdaptorServer } from "@hono/node-server";
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { ResponderError } from "../../backscroll/src/responder/responder.ts";
import { BackscrollApiError } from "../src/index.ts";
import { collect, failureOf } from "./running-service.ts";
import { drawn, readUntil, startScripted, streamOf } from "./scripted-service.ts";

const QUESTION = { message: "How are you?", message_id: "question-1" };
const START = {
  type: "start",
  messageId: "reply-1",
  messageMetadata: { conversation_id: "talk-1", user_message_id: "question-1" },
};
const TEXT = { type: "text-delta", id: "text-1", delta: "Hal" };
const INTERRUPTED = [
  { type: "message-metadata", messageMetadata: { status: "interrupted", error_code: "reply_interrupted" } },
  { type: "error", errorText: "the server stopped" },
];

for (const [failure, code] of [
  ["failed", "responder_failed"],
  ["rate_limited", "responder_rate_limited"],
  ["timeout", "responder_timeout"],
  ["refused", "responder_refused"],
] as const) {
  test(`a reply that ends as ${code} says so everywhere, and is not asked for again by itself`, async () => {
    const { services, client } = await startScripted();
    const stream = client.streamMessage(QUESTION);
    const events = stream[Symbol.asyncIterator]();
    const reply = await services.nextReply();
    reply.say("I am ");
    await readUntil(events, "I am ");
    reply.fail(new ResponderError(failure, "no", failure === "rate_limited" ? { retryAfterSeconds: 7 } : {}));

    const error = await failureOf(events.next());

    expect(error).toBeInstanceOf(BackscrollApiError);
    expect(error).toMatchObject({
      status: 200,
      code,
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      retryAfterSeconds: failure === "rate_limited" ? 7 : undefined,
    });
    expect(await failureOf(stream.finished())).toBe(error);
    expect(await failureOf(stream.finalText())).toBe(error);
    expect(await failureOf(collect(stream))).toBe(error);
    expect(services.asked).toBe(1);
  });
}

test("the same message_id asks again after a failure", async () => {
  const { services, client } = await startScripted();
  const failed = client.streamMessage(QUESTION);
  (await services.nextReply()).fail(new ResponderError("failed", "no"));
  await failureOf(failed.finished());

  const again = client.streamMessage(QUESTION);
  const reply = await services.nextReply();
  reply.say("Well.");
  reply.finish();

  expect(await again.finalText()).toBe("Well.");
  const { conversation_id } = await failed.started();
  const messages = await collect(client.iterateMessages(conversation_id));
  expect(messages.map(({ role, content }) => [role, content])).toEqual([
    ["user", "How are you?"],
    ["assistant", "Well."],
  ]);
});

test("a reply whose server stops is asked for again from the next one, after a restart", async () => {
  const { services, proxy, client } = await startScripted({ drainTimeoutMs: 1 });
  const next = await createServices({ databaseUrl: services.databaseUrl });
  const server = createAdaptorServer({ fetch: next.fetch }).listen(0, "127.0.0.1") as Server;
  onTestFinished(async () => {
    server.close();
    server.closeAllConnections();
    await next.close();
  });
  if (!server.listening) await once(server, "listening");
  const stream = client.streamMessage(QUESTION);
  const events = stream[Symbol.asyncIterator]();
  const reply = await services.nextReply();
  reply.say("I am ");
  const before = await readUntil(events, "I am ");
  proxy.forwardTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  await services.close();
  const after = await collect({ [Symbol.asyncIterator]: () => events });

  const finished = await stream.finished();
  expect(after[0]).toEqual({ ...before[0], type: "restart", message_id: finished.id });
  expect(drawn([...before, ...after])).toBe(finished.content);
  expect(after.findLast(({ type }) => type === "text")).toMatchObject({ snapshot: finished.content });
  const { conversation_id } = await stream.started();
  const messages = await collect(client.iterateMessages(conversation_id));
  expect(messages.map(({ id, content }) => [id, content])).toEqual([
    ["question-1", "How are you?"],
    [finished.id, finished.content],
  ]);
});

test("a reply that is interrupted twice is an error, and with retries: 0 at once", async () => {
  const { proxy, client } = await startScripted();
  const interrupted = streamOf(START, TEXT, ...INTERRUPTED);
  const again = streamOf({ ...START, messageId: "reply-2" }, TEXT, ...INTERRUPTED);
  proxy.faults.push(interrupted, again);
  const stream = client.streamMessage(QUESTION);

  expect(await failureOf(collect(stream))).toMatchObject({ code: "reply_interrupted" });
  expect(proxy.requests.length).toBe(2);
  proxy.faults.push(interrupted);
  expect(await failureOf(collect(client.streamMessage(QUESTION, { retries: 0 })))).toMatchObject({
    code: "reply_interrupted",
    detail: "the server stopped",
  });
  expect(proxy.requests.length).toBe(3);
});

test("a reply that is not to be asked for again ends as interrupted, with what was written", async () => {
  const { proxy, client } = await startScripted();
  proxy.faults.push(streamOf(START, TEXT), streamOf(START, TEXT, ...INTERRUPTED));
  const stream = client.streamMessage(QUESTION, { askAgain: false });

  expect(await failureOf(stream.finished())).toMatchObject({ code: "reply_interrupted" });

  expect(proxy.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
    "POST /api/conversations/messages",
    "GET /api/chat/talk-1/stream",
  ]);
});

test("a reply that was asked for again has only so many connections, however far each of them comes", async () => {
  const { proxy, client } = await startScripted();
  const replies = [1, 2, 3, 4, 5].map((count) => streamOf({ ...START, messageId: `reply-${count}` }, TEXT));
  proxy.faults.push(...replies);

  await failureOf(collect(client.streamMessage(QUESTION, { retries: 2 })));

  expect(proxy.requests.length).toBe(3);
});

test("what a newer service says beside is left out", async () => {
  const { proxy, client } = await startScripted();
  const end = { type: "finish", messageMetadata: { status: "complete", seq: 2 } };
  proxy.faults.push(streamOf(START, { type: "data-mood", data: "sunny" }, { type: "start-step" }, TEXT, end));

  const events = await collect(client.streamMessage(QUESTION));

  expect(events.map(({ type }) => type)).toEqual(["start", "text", "end"]);
});

test("an answer that is not a stream of the service's is an error, whether it begins as one or not", async () => {
  const { proxy, client } = await startScripted();
  const answers = [
    { status: 200, headers: { "content-type": "text/html" }, body: "<h1>Welcome to the hotel</h1>" },
    { status: 200, headers: { "content-type": "text/event-stream" }, body: "data: <h1>Welcome</h1>\n\n" },
    { status: 204 },
  ];
  for (const answer of answers) {
    proxy.faults.push(answer);
    const stream = client.streamMessage(QUESTION);
    expect(await failureOf(collect(stream))).toMatchObject({ code: "unreadable_answer" });
    expect(await failureOf(stream.started())).toBeInstanceOf(Error);
  }
  expect(proxy.requests.length).toBe(3);
});
