import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, onTestFinished, test } from "vitest";
import { ResponderError } from "../src/responder/responder.ts";
import { expectProblem } from "./problem.ts";
import { type ScriptedServices, scriptedServices } from "./scripted-responder.ts";
import type { Answer } from "./services.ts";

const ADA = "ada@example.com";
const SEND = "/api/conversations/messages";

function userMessage(text: string, id = "question"): object {
  return { id, role: "user", parts: [{ type: "text", text }] };
}

/** Opens a stream without reading it. */
function open(
  { url }: ScriptedServices,
  body: object,
  headers: Record<string, string> = {},
  path = SEND,
): Promise<Response> {
  return fetch(`${url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-test-user": ADA, ...headers },
    body: JSON.stringify(body),
  });
}

/** Writes the next reply that is asked for. */
async function answerWith(services: ScriptedServices, ...texts: readonly string[]): Promise<void> {
  const reply = await services.nextReply();
  for (const text of texts) reply.say(text);
  reply.finish();
}

async function historyOf(services: ScriptedServices, conversationId: string): Promise<Answer["json"][]> {
  return (await services.call(ADA, "GET", `/api/conversations/${conversationId}/messages?page=1`)).json.messages;
}

async function conversations(services: ScriptedServices): Promise<{ conversation_id: string }[]> {
  return (await services.call(ADA, "GET", "/api/conversations")).json.conversations;
}

test("a stream carries what every answer carries, and what keeps proxies from holding it back", async () => {
  const services = await scriptedServices();
  const response = await open(services, { message: "Hello", stream: true }, { "x-request-id": "mine" });
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "content-type": "text/event-stream",
    "x-vercel-ai-ui-message-stream": "v1",
    "x-accel-buffering": "no",
    "cache-control": "no-store, no-transform",
    "x-request-id": "mine",
  });
  await answerWith(services, "Good day");
  expect(await response.text()).toMatch(/data: \[DONE\]\n\n$/);
});

test("when a stream begins its question is stored, and its reply has its id", async () => {
  const services = await scriptedServices();
  const response = await open(services, { message: "Hello", stream: true });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = (await reader?.read()) ?? {};
  const { messageId, messageMetadata } = JSON.parse(value.slice("data: ".length));
  const before = await historyOf(services, messageMetadata.conversation_id);
  expect(before).toMatchObject([{ id: messageMetadata.user_message_id, role: "user", content: "Hello" }]);
  await answerWith(services, "Good day");
  while ((await reader?.read())?.done !== true);
  expect((await historyOf(services, messageMetadata.conversation_id))[1].id).toBe(messageId);
});

test("the same message 20 times is asked once, and streamed 20 times, byte for byte", async () => {
  const services = await scriptedServices();
  const join = (): Promise<Watched>[] =>
    Array.from({ length: 10 }, async () =>
      watch(await open(services, { message: "Hello", message_id: "once", stream: true })),
    );
  const atOnce = join();
  const reply = await services.nextReply();
  const first = await Promise.any(atOnce);
  let said = "";
  for (const word of ["One ", "two ", "three "]) {
    said += word;
    reply.say(word);
    await first.shows(said);
  }
  const later = await Promise.all(join());
  reply.say("four");
  reply.finish();
  const watched = [...(await Promise.all(atOnce)), ...later];
  const streams = await Promise.all(watched.map(({ whole }) => whole));
  expect(new Set(streams).size).toBe(1);
  expect(streams[0]?.match(/"delta":"[^"]*"/g)).toEqual(
    ["One ", "two ", "three ", "four"].map((word) => `"delta":"${word}"`),
  );
  expect(services.asked).toBe(1);
  const [{ conversation_id: id } = { conversation_id: "" }, ...others] = await conversations(services);
  expect(others).toEqual([]);
  expect((await historyOf(services, id)).map(({ content }) => content)).toEqual(["Hello", "One two three four"]);
});

test("clients that do not read hold up nobody and no memory: the reply is stored, and theirs whenever they come to it", async () => {
  const services = await scriptedServices();
  await services.call(ADA, "POST", "/api/conversations", { id: "c" });
  const body = { message: "Tell me all", message_id: "m", conversation_id: "c", stream: true };
  const slow = [await openWithoutReading(services, body)];
  const reply = await services.nextReply();
  for (let n = 1; n < 5; n += 1) slow.push(await openWithoutReading(services, body));
  await expect.poll(() => connectionsOf(services)).toBe(5);
  // Six bytes each in JSON, so 18 MB in all: the kernel takes four of them at most.
  const piece = "\u0001".repeat(10_000);
  const before = bufferBytes();
  for (let n = 0; n < 300; n += 1) reply.say(piece);
  reply.finish();

  await expect.poll(async () => (await historyOf(services, "c")).length, { timeout: 15_000 }).toBe(2);
  expect((await historyOf(services, "c"))[1]).toMatchObject({ status: "complete", content: piece.repeat(300) });
  // What was read to compare it is garbage, which is swept in the background; what waits for a client stays.
  await expect.poll(() => bufferBytes() - before, { timeout: 10_000 }).toBeLessThan(5_000_000);
  const streams = await Promise.all(slow.map(readAll));
  for (const stream of streams) {
    expect(stream.length).toBeGreaterThan(18_000_000);
    expect(deltasOf(stream)).toBe(piece.repeat(300));
  }
});

test("a client that closes the connection is forgotten, and the reply goes on to its end", async () => {
  const services = await scriptedServices();
  const away = new AbortController();
  const response = await fetch(`${services.url}/api/chat`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-test-user": ADA },
    body: JSON.stringify({ id: "c", messages: [userMessage("Hello")] }),
    signal: away.signal,
  });
  const reply = await services.nextReply();
  await response.body?.getReader().read();
  away.abort();
  await expect.poll(() => connectionsOf(services)).toBe(0);
  reply.say("Good day");
  expect(reply.request.signal.aborted).toBe(false);
  reply.finish();
  await expect.poll(async () => (await historyOf(services, "c")).length).toBe(2);
  expect((await historyOf(services, "c"))[1]).toMatchObject({ content: "Good day", status: "complete" });
});

test("a retry with the same key joins the running stream, gets the stored reply later, and another body nothing", async () => {
  const services = await scriptedServices();
  const key = { "idempotency-key": "k" };
  const body = { message: "Hello", stream: true };
  const first = await open(services, body, key);
  const reply = await services.nextReply();
  reply.say("Good ");
  const second = await open(services, body, key);
  reply.say("day");
  reply.finish();
  const [stream, joined] = await Promise.all([first.text(), second.text()]);
  expect(joined).toBe(stream);
  expect([first, second].map(({ headers }) => headers.get("idempotency-replayed"))).toEqual([null, "true"]);

  const later = await open(services, body, key);
  expect(later.headers.get("idempotency-replayed")).toBe("true");
  const lateStream = await later.text();
  expect(deltasOf(lateStream)).toBe("Good day");
  expect(lateStream.split("\n\n")[0]).toBe(stream.split("\n\n")[0]);
  expectProblem(
    await services.call(ADA, "POST", SEND, { message: "Bye", stream: true }, key),
    "idempotency_key_reused",
  );
  expect(services.asked).toBe(1);
  expect(await conversations(services)).toHaveLength(1);
  const kept = await services.deps.db.pool.query("select response_body from idempotency_keys");
  expect(kept.rows).toEqual([{ response_body: null }]);
});

test("after a failure the same key asks again, for the same message in the same conversation", async () => {
  const services = await scriptedServices();
  const key = { "idempotency-key": "k" };
  const first = await open(services, { message: "Hello", stream: true }, key);
  (await services.nextReply()).fail(new ResponderError("failed", "provider secret"));
  const failed = await first.text();
  expect(failed).toContain('"error_code":"responder_failed"');
  expect(failed).not.toContain("secret");
  const second = await open(services, { message: "Hello", stream: true }, key);
  await answerWith(services, "Good day");
  expect(deltasOf(await second.text())).toBe("Good day");
  expect(second.headers.get("idempotency-replayed")).toBeNull();
  const [{ conversation_id: id } = { conversation_id: "" }, ...others] = await conversations(services);
  expect(others).toEqual([]);
  expect((await historyOf(services, id)).map(({ content }) => content)).toEqual(["Hello", "Good day"]);
});

test("a regeneration with the same key is made once, however often it is sent", async () => {
  const services = await scriptedServices();
  const first = open(services, { id: "c", messages: [userMessage("Hello")] }, {}, "/api/chat");
  await answerWith(services, "Good day");
  await (await first).text();
  const again = { id: "c", messages: [userMessage("Hello")], trigger: "regenerate-message" };
  const regenerations = [1, 2, 3].map(() => open(services, again, { "idempotency-key": "k" }, "/api/chat"));
  await answerWith(services, "Good evening");
  for (const each of await Promise.all(regenerations)) expect(deltasOf(await each.text())).toBe("Good evening");
  const later = await open(services, again, { "idempotency-key": "k" }, "/api/chat");
  expect(deltasOf(await later.text())).toBe("Good evening");
  expect(later.headers.get("idempotency-replayed")).toBe("true");
  expect(services.asked).toBe(2);
  expect((await historyOf(services, "c")).map(({ content }) => content)).toEqual(["Hello", "Good evening"]);
});

test("a turn that began as a stream is finished by a retry that wants it whole", async () => {
  const services = await scriptedServices();
  const stream = await open(services, { message: "Hello", message_id: "m", stream: true });
  const whole = services.call(ADA, "POST", SEND, { message: "Hello", message_id: "m" });
  await answerWith(services, "Good day");
  const { json } = await whole;
  expect(json.assistant_message).toMatchObject({ content: "Good day", status: "complete" });
  expect(await stream.text()).toContain(`"messageId":"${json.assistant_message.id}"`);
  expect(services.asked).toBe(1);
});

test("the guide's chat streams too, when it is asked to", async () => {
  const services = await scriptedServices();
  const response = open(services, { message: "Hello", stream: true }, {}, "/api/chat");
  await answerWith(services, "Good day");
  expect(deltasOf(await (await response).text())).toBe("Good day");
});

test("while a reply is written another message is refused in a way that no client repeats by itself", async () => {
  const services = await scriptedServices();
  const first = await open(services, { id: "c", messages: [userMessage("one")] }, {}, "/api/chat");
  const reply = await services.nextReply();
  for (const [path, body] of [
    [SEND, { message: "two", conversation_id: "c" }],
    ["/api/chat", { message: "two", conversation_id: "c" }],
    ["/api/chat", { id: "c", messages: [userMessage("two", "other")] }],
  ] as const) {
    const refused = await services.call(ADA, "POST", path, body);
    expectProblem(refused, "conversation_busy");
    expect(refused.headers.get("x-should-retry")).toBe("false");
  }
  reply.say("done");
  reply.finish();
  await first.text();
  expect((await historyOf(services, "c")).map(({ content }) => content)).toEqual(["one", "done"]);
});

test("a refusal says that it is one, and no client repeats it by itself", async () => {
  const services = await scriptedServices();
  const answer = services.call(ADA, "POST", SEND, { message: "Hello" });
  (await services.nextReply()).fail(new ResponderError("refused", "provider secret"));
  expectProblem(await answer, "responder_refused");
  expect((await answer).headers.get("x-should-retry")).toBe("false");
});

test("useChat's message keeps what of it is not text, and its ids", async () => {
  const services = await scriptedServices();
  const file = { type: "file", mediaType: "image/png", url: "data:image/png;base64,AAAA", filename: "a.png" };
  const message = {
    id: "3xR1vT9pQ0zLmN4b",
    role: "user",
    metadata: { anything: [1] },
    parts: [file, { type: "text", text: "What is " }, { type: "text", text: "this?", state: "done" }],
    createdAt: "whenever",
  };
  for (const body of [
    { id: "all", messages: [{ role: "assistant", whatever: true }, message], trigger: "submit-message" },
    { id: "last", message },
  ]) {
    const response = open(services, body, {}, "/api/chat");
    await answerWith(services, "A picture");
    await (await response).text();
    expect(await historyOf(services, body.id)).toMatchObject([
      { id: message.id, content: "What is this?", parts: [file] },
      { content: "A picture" },
    ]);
  }
});

test("a message that is sent again with another text is refused, with what to do instead", async () => {
  const services = await scriptedServices();
  const first = open(services, { id: "c", messages: [userMessage("one")] }, {}, "/api/chat");
  await answerWith(services, "first");
  await (await first).text();
  const edited = { id: "c", messages: [userMessage("two")], trigger: "submit-message", messageId: "question" };
  const answer = await services.call(ADA, "POST", "/api/chat", edited);
  expectProblem(answer, "message_id_conflict");
  expect(answer.json.detail).toContain("PATCH /api/conversations/{id}/messages/{message_id}");
});

const TEXT = [{ type: "text", text: "Hello" }];
const REFUSED: [body: object, path: string][] = [
  [{ message: "" }, "message"],
  [{ message: "Hello", unknown: 1 }, ""],
  [{ message: "Hello", stream: "yes" }, "stream"],
  [{ message: "Hello", conversation_id: "not an id" }, "conversation_id"],
  [{ id: "c" }, "messages"],
  [{ id: "c", messages: [] }, "messages"],
  [{ id: "c", messages: "Hello" }, "messages"],
  [{ id: "c", messages: ["Hello"] }, "messages.0"],
  [{ id: "c", messages: [{ role: "user", parts: TEXT }], unknown: 1 }, ""],
  [{ id: "not an id", messages: [{ role: "user", parts: TEXT }] }, "id"],
  [{ id: "c", messages: [{ role: "user", parts: TEXT }], trigger: "resume-stream" }, "trigger"],
  [{ messages: [{ role: "user", parts: TEXT }] }, "id"],
  [
    {
      id: "c",
      messages: [
        { role: "user", parts: TEXT },
        { role: "assistant", parts: TEXT },
      ],
    },
    "messages.1.role",
  ],
  [{ id: "c", messages: [{ role: "user", content: "Hello" }] }, "messages.0.parts"],
  [{ id: "c", messages: [{ role: "user", parts: ["Hello"] }] }, "messages.0.parts"],
  [{ id: "c", messages: [{ role: "user", parts: [{ type: "file" }] }] }, "messages.0.parts"],
  [{ id: "c", message: { role: "user", parts: [] } }, "message.parts"],
  [{ id: "c", message: { id: "not an id", role: "user", parts: TEXT } }, "message.id"],
];

test("a body that is not one of the two is refused, naming the field of the one it was meant to be", async () => {
  const services = await scriptedServices();
  for (const [body, path] of REFUSED) {
    const answer = await services.call(ADA, "POST", "/api/chat", body);
    expectProblem(answer, "invalid_request");
    expect(answer.json.errors, JSON.stringify(body)).toEqual([{ path, message: expect.any(String) }]);
  }
  expect(await conversations(services)).toEqual([]);
});

interface Watched {
  /** Resolves when the text so far begins with this. */
  shows(text: string): Promise<void>;
  /** all that was received */
  readonly whole: Promise<string>;
}

function watch(response: Response): Watched {
  let received = "";
  let grown = Promise.withResolvers<void>();
  const read = async (): Promise<string> => {
    for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      received += text;
      grown.resolve();
      grown = Promise.withResolvers();
    }
    return received;
  };
  const isShown = (text: string): boolean => deltasOf(received).startsWith(text);
  return {
    whole: read(),
    async shows(text) {
      while (!isShown(text)) await grown.promise;
    },
  };
}

/** @returns how much memory buffers take that something holds */
function bufferBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().arrayBuffers;
}

async function openWithoutReading({ url }: ScriptedServices, body: object): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  socket.pause();
  const text = JSON.stringify(body);
  const head = [`POST ${SEND} HTTP/1.1`, `host: ${hostname}`, `x-test-user: ${ADA}`, "content-type: application/json"];
  socket.write([...head, `content-length: ${text.length}`, "connection: close", "", text].join("\r\n"));
  return socket;
}

async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** @returns all text that a stream shows, read from its raw bytes */
function deltasOf(stream: string): string {
  return [...stream.matchAll(/"delta":("(?:[^"\\]|\\.)*")/g)]
    .map(([, text]) => JSON.parse(text ?? "") as string)
    .join("");
}

function connectionsOf({ server }: ScriptedServices): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
}
