import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { BackscrollConnectionError, type ReplyEvent } from "../src/index.ts";
import { collect, failureOf } from "./running-service.ts";
import { drawn, readUntil, type Scripted, startScripted, streamOf } from "./scripted-service.ts";

const QUESTION = { message: "How are you?", message_id: "question-1" };

async function history({ client }: Scripted, conversationId: string): Promise<(readonly [string, string])[]> {
  const messages = await collect(client.iterateMessages(conversationId));
  return messages.map(({ role, content }) => [role, content] as const);
}

test("a reply is its names, each delta with the text so far, and its end as it is stored", async () => {
  const { services, client } = await startScripted();
  const events = client.streamMessage(QUESTION)[Symbol.asyncIterator]();
  const reply = await services.nextReply();
  reply.say("I am ");
  const first = await readUntil(events, "I am ");
  reply.say("well.");
  const second = await readUntil(events, "well.");
  reply.add({ type: "usage", tokensUsed: 12, model: "scripted-1" });
  reply.finish();
  const last = await collect({ [Symbol.asyncIterator]: () => events });

  const [start] = first;
  if (start?.type !== "start") throw new Error("it does not begin with its names");
  const [stored] = (await client.getRecentMessages(start.conversation_id)).messages;
  expect(start).toEqual({
    type: "start",
    conversation_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    user_message_id: "question-1",
    message_id: stored?.id,
  });
  expect(first.slice(1)).toEqual([{ type: "text", delta: "I am ", snapshot: "I am " }]);
  expect(second).toEqual([{ type: "text", delta: "well.", snapshot: "I am well." }]);
  const { role: _, metadata: __, version: ___, edited_at: ____, ...kept } = stored ?? {};
  expect(last).toEqual([{ type: "end", reply: { ...kept, user_message_id: "question-1" } }]);
  expect(kept).toMatchObject({ status: "complete", model: "scripted-1", tokens_used: 12, content: "I am well." });
});

test("a reply needs nobody who looks: its promises settle, and loops that come late begin at its beginning", async () => {
  const { services, client } = await startScripted();
  const stream = client.streamMessage(QUESTION);
  const reply = await services.nextReply();
  const early = collect(stream);
  reply.say("I am well.");
  reply.finish();

  expect(await stream.finalText()).toBe("I am well.");
  expect((await stream.finished()).content).toBe("I am well.");
  const late = await collect(stream);
  expect(late.map(({ type }) => type)).toEqual(["start", "text", "end"]);
  expect(await early).toEqual(late);
  expect(await stream.started()).toEqual(late[0]);
});

test("calls and results of tools come in their places", async () => {
  const { services, client } = await startScripted();
  const stream = client.streamMessage(QUESTION);
  const reply = await services.nextReply();
  reply.say("Let me look.");
  reply.add({ type: "tool-call", toolCallId: "c1", toolName: "weather", input: { city: "Oslo" } });
  reply.add({ type: "tool-result", toolCallId: "c1", toolName: "weather", output: [21, null] });
  reply.say("21 degrees.");
  reply.finish();

  expect((await collect(stream)).slice(1, -1)).toEqual([
    { type: "text", delta: "Let me look.", snapshot: "Let me look." },
    { type: "tool-call", tool_call_id: "c1", tool_name: "weather", input: { city: "Oslo" } },
    { type: "tool-result", tool_call_id: "c1", tool_name: "weather", output: [21, null] },
    { type: "text", delta: "21 degrees.", snapshot: "Let me look.21 degrees." },
  ]);
  expect(await stream.finalText()).toBe("Let me look.21 degrees.");
});

test("a connection cut after any byte is gone on with where it was: no gap, nothing doubled", async () => {
  const { services, proxy, client, clientWith } = await startScripted();
  const asked = client.streamMessage(QUESTION);
  const reply = await services.nextReply();
  reply.say("Grüße, ");
  reply.add({ type: "tool-call", toolCallId: "c1", toolName: "weather", input: { city: "漢" } });
  reply.add({ type: "tool-result", toolCallId: "c1", toolName: "weather", output: "😀" });
  reply.say("21 degrees 😀.");
  reply.finish();
  const whole = drawn(await collect(asked));
  const headers = { "x-test-user": "ada@example.com", "content-type": "application/json" };
  const body = JSON.stringify({ ...QUESTION, stream: true });
  const answer = await fetch(`${services.url}/api/conversations/messages`, { method: "POST", headers, body });
  const bytes = new Uint8Array(await answer.arrayBuffer()).length;
  const cuts = Array.from({ length: bytes }, (_, cut) => cut).filter((cut) => cut % 3 === 0);

  const { conversation_id } = await asked.finished();
  const impatient = clientWith({ retries: 3 });
  // The waits between tries are half a second at most: all of them at once.
  const shown = [];
  for (let from = 0; from < cuts.length; from += 100) {
    const some = cuts.slice(from, from + 100);
    proxy.faults.push(...some.map((cutAfterBytes) => ({ cutAfterBytes })));
    const streams = some.map(() => impatient.streamMessage(QUESTION));
    shown.push(...(await Promise.all(streams.map((stream) => collect(stream)))));
  }

  expect(whole).toBe('Grüße, [weather {"city":"漢"}][weather: "😀"]21 degrees 😀.');
  expect(shown.map(drawn)).toEqual(cuts.map(() => whole));
  expect(shown.map((events) => events.filter(({ type }) => type === "start").length)).toEqual(cuts.map(() => 1));
  expect(shown.map((events) => events.at(-1)?.type)).toEqual(cuts.map(() => "end"));
  expect(cuts.length).toBeGreaterThan(200);
  expect(await history({ services, proxy, client, clientWith }, conversation_id)).toHaveLength(2);
  expect(services.asked).toBe(1);
});

test("a reply that comes again in other pieces goes on where it was, within a piece", async () => {
  const { proxy, client } = await startScripted();
  const messageMetadata = { conversation_id: "talk-1", user_message_id: "question-1" };
  const start = { type: "start", messageId: "reply-1", messageMetadata };
  const said = (delta: string): object => ({ type: "text-delta", id: "text-1", delta });
  const end = { type: "finish", messageMetadata: { status: "complete", seq: 2 } };
  proxy.faults.push(
    streamOf(start, said("Hal")),
    streamOf(start, said("Ha")),
    streamOf(start, said("H"), said("allo, you."), end),
  );
  const stream = client.streamMessage(QUESTION);

  const deltas = (await collect(stream)).flatMap((event) => (event.type === "text" ? [event.delta] : []));

  expect(deltas).toEqual(["Hal", "lo, you."]);
  expect(await stream.finalText()).toBe("Hallo, you.");
});

test("a connection that breaks after the reply's end is not opened again", async () => {
  const { services, proxy, client } = await startScripted();
  const stored = client.streamMessage(QUESTION);
  const reply = await services.nextReply();
  reply.say("Well.");
  reply.finish();
  await stored.finished();
  const headers = { "x-test-user": "ada@example.com", "content-type": "application/json" };
  const body = JSON.stringify({ ...QUESTION, stream: true });
  const answer = await fetch(`${services.url}/api/conversations/messages`, { method: "POST", headers, body });
  const bytes = (await answer.arrayBuffer()).byteLength;
  proxy.faults.push({ cutAfterBytes: bytes - 4 });
  const { signal } = new AbortController();

  expect(await client.streamMessage(QUESTION, { signal }).finalText()).toBe("Well.");
  await expect.poll(() => getEventListeners(signal, "abort")).toEqual([]);
  expect(proxy.requests.length).toBe(2);
});

test("a reply whose connection is cut after every word goes on for ever with one retry: each brings something new", async () => {
  const scripted = await startScripted();
  const { services, proxy, client } = scripted;
  const stream = client.streamMessage(QUESTION, { retries: 1 });
  const events = stream[Symbol.asyncIterator]();
  const reply = await services.nextReply();
  const words = ["One ", "two ", "three ", "four ", "five ", "six."];
  for (const word of words) {
    reply.say(word);
    await readUntil(events, word);
    proxy.cut();
  }
  reply.finish();

  expect(await stream.finalText()).toBe(words.join(""));
  expect(drawn(await collect(stream))).toBe(words.join(""));
  expect(services.asked).toBe(1);
  const { conversation_id } = await stream.started();
  expect(await history(scripted, conversation_id)).toEqual([
    ["user", "How are you?"],
    ["assistant", words.join("")],
  ]);
  expect(new Set(proxy.requests.map(({ body }) => body)).size).toBe(2);
});

test("a connection on which nothing comes any more is given up and gone on with", async () => {
  const { services, proxy, client } = await startScripted();
  proxy.faults.push({ stallAfterBytes: 250 });
  const stream = client.streamMessage(QUESTION, { idleTimeoutMs: 300 });
  const reply = await services.nextReply();
  reply.say("I am well, thank you, and how are you?");
  await proxy.arrived(2);
  reply.finish();

  expect(drawn(await collect(stream))).toBe("I am well, thank you, and how are you?");
  expect(proxy.requests.length).toBe(2);
});

test("a first message whose answer was lost makes one conversation with one exchange", async () => {
  const { services, proxy, client } = await startScripted();
  proxy.faults.push("drop", { cutAfterBytes: 0 });
  const stream = client.streamMessage({ message: "How are you?" });
  const reply = await services.nextReply();
  await proxy.arrived(3);
  reply.say("Well.");
  reply.finish();

  expect(await stream.finalText()).toBe("Well.");
  expect((await client.listConversations()).pagination.total).toBe(1);
  expect(services.asked).toBe(1);
  expect(new Set(proxy.requests.slice(0, 3).map(({ body }) => body)).size).toBe(1);
});

test("tries that bring nothing new are bounded, and the error is that of the connection", async () => {
  const { services, proxy, client } = await startScripted();
  const stream = client.streamMessage(QUESTION, { retries: 2 });
  const events = stream[Symbol.asyncIterator]();
  const reply = await services.nextReply();
  reply.say("I am ");
  await readUntil(events, "I am ");
  proxy.faults.push("drop", "drop");
  proxy.cut();

  expect(await failureOf(events.next())).toBeInstanceOf(BackscrollConnectionError);
  expect(await failureOf(stream.finished())).toBeInstanceOf(BackscrollConnectionError);
  expect(await failureOf(collect(stream))).toBeInstanceOf(BackscrollConnectionError);
  expect(proxy.requests.length).toBe(3);
  reply.finish();
});

test("a busy conversation is said at once: it is not tried again", async () => {
  const { services, proxy, client } = await startScripted();
  const stream = client.streamMessage(QUESTION);
  const { conversation_id } = await stream.started();

  const other = client.streamMessage({ message: "And now?", conversation_id });

  expect(await failureOf(other.started())).toMatchObject({ status: 409, code: "conversation_busy" });
  expect(await failureOf(other.finished())).toMatchObject({ code: "conversation_busy" });
  expect(await failureOf(collect(other))).toMatchObject({ code: "conversation_busy" });
  expect(proxy.requests.length).toBe(2);
  (await services.nextReply()).finish();
});

for (const [how, leave] of [
  ["an abort", (abort: AbortController) => abort.abort(new Error("the user left"))],
  ["a loop that is left", (_: AbortController, loop: AsyncIterator<ReplyEvent>) => loop.return?.()],
] as const) {
  test(`${how} stops the reading at once, and not the reply`, async () => {
    const { services, client } = await startScripted();
    const abort = new AbortController();
    const stream = client.streamMessage(QUESTION, { signal: abort.signal });
    const events = stream[Symbol.asyncIterator]();
    const reply = await services.nextReply();
    reply.say("I am ");
    await readUntil(events, "I am ");
    await leave(abort, events);

    const failure = await failureOf(stream.finished());
    expect(failure).toMatchObject(how === "an abort" ? { message: "the user left" } : { name: "AbortError" });
    expect(getEventListeners(abort.signal, "abort")).toEqual([]);
    expect(reply.request.signal.aborted).toBe(false);
    reply.say("well.");
    reply.finish();
    expect((await client.sendMessage(QUESTION)).assistant_message.content).toBe("I am well.");
  });
}

test("a signal that outlives a reply is let go, and one that was aborted before sends nothing", async () => {
  const { services, proxy, client } = await startScripted();
  const { signal } = new AbortController();
  const stream = client.streamMessage(QUESTION, { signal });
  const reply = await services.nextReply();
  reply.say("Well.");
  reply.finish();
  await stream.finished();
  // The signal is let go when the connection is over, shortly after the reply.
  await expect.poll(() => getEventListeners(signal, "abort")).toEqual([]);

  const aborted = client.streamMessage(QUESTION, { signal: AbortSignal.abort(new Error("before")) });

  expect(await failureOf(collect(aborted))).toMatchObject({ message: "before" });
  expect(proxy.requests.length).toBe(1);
});
