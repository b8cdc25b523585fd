import { expect, test } from "vitest";
import { ResponderError } from "../../backscroll/src/responder/responder.ts";
import { collect, failureOf } from "./running-service.ts";
import { drawn, readUntil, startScripted, streamOf } from "./scripted-service.ts";

const QUESTION = { message: "How are you?", message_id: "question-1" };

test("another client follows a running reply from its beginning, and sees what the first one sees", async () => {
  const { services, client, clientWith } = await startScripted();
  const first = client.streamMessage(QUESTION);
  const reply = await services.nextReply();
  reply.say("I am ");
  const { conversation_id } = await first.started();

  const followed = await clientWith({}).followReply(conversation_id);
  if (!followed) throw new Error("no reply is followed");
  await readUntil(followed[Symbol.asyncIterator](), "I am ");
  reply.say("well.");
  reply.finish();

  expect(await followed.finished()).toEqual(await first.finished());
  expect(drawn(await collect(followed))).toBe("I am well.");
});

test("where no reply is being written there is none to follow, and none to stop", async () => {
  const { client } = await startScripted();
  const { conversation_id } = await client.createConversation();

  for (const id of [conversation_id, "nowhere"]) {
    expect(await client.followReply(id)).toBeNull();
    expect(await client.stopReply(id)).toEqual({ stopped: false, message: null });
  }
});

test("a follower whose connection is cut goes on where it was", async () => {
  const { services, proxy, client } = await startScripted();
  const first = client.streamMessage(QUESTION);
  const reply = await services.nextReply();
  const { conversation_id } = await first.started();
  const followed = await client.followReply(conversation_id);
  if (!followed) throw new Error("no reply is followed");
  const events = followed[Symbol.asyncIterator]();
  reply.say("I am ");
  await readUntil(events, "I am ");
  proxy.cut();
  reply.say("well.");
  await readUntil(events, "well.");
  reply.finish();

  expect(await followed.finalText()).toBe("I am well.");
});

test("a reply that ends while its follower is away is read to its end from the history", async () => {
  const { services, proxy, client, clientWith } = await startScripted();
  const first = clientWith({ baseUrl: services.url }).streamMessage(QUESTION);
  const reply = await services.nextReply();
  const { conversation_id } = await first.started();
  const followed = await client.followReply(conversation_id);
  if (!followed) throw new Error("no reply is followed");
  reply.say("Let me look.");
  await readUntil(followed[Symbol.asyncIterator](), "Let me look.");
  proxy.faults.push("hang");
  proxy.cut();
  await proxy.arrived(2);
  reply.add({ type: "tool-call", toolCallId: "c1", toolName: "weather", input: {} });
  reply.add({ type: "tool-result", toolCallId: "c1", toolName: "weather", output: 21 });
  reply.say("21 degrees.");
  reply.finish();
  const finished = await first.finished();
  proxy.cut();

  expect(await followed.finished()).toEqual(finished);
  expect(await collect(followed)).toEqual(await collect(first));
});

test("a reply that fails while its follower is away is that failure, and one that is gone is not found", async () => {
  for (const ending of ["failed", "deleted"] as const) {
    const { services, proxy, client, clientWith } = await startScripted();
    const first = clientWith({ baseUrl: services.url }).streamMessage(QUESTION);
    const reply = await services.nextReply();
    const { conversation_id, message_id } = await first.started();
    const followed = await client.followReply(conversation_id);
    if (!followed) throw new Error("no reply is followed");
    proxy.faults.push("hang");
    proxy.cut();
    await proxy.arrived(2);
    reply.say("I am ");
    reply.fail(new ResponderError("refused", "no"));
    await failureOf(first.finished());
    if (ending === "deleted") await client.deleteMessage(conversation_id, message_id);
    proxy.cut();

    expect(await failureOf(followed.finished())).toMatchObject({
      code: ending === "failed" ? "responder_refused" : "message_not_found",
    });
  }
});

test("a follower who comes back to another reply reads the end of its own", async () => {
  const { services, proxy, client, clientWith } = await startScripted();
  const direct = clientWith({ baseUrl: services.url });
  const first = direct.streamMessage(QUESTION);
  const reply = await services.nextReply();
  const { conversation_id } = await first.started();
  const followed = await client.followReply(conversation_id);
  if (!followed) throw new Error("no reply is followed");
  proxy.faults.push("hang");
  proxy.cut();
  await proxy.arrived(2);
  reply.say("I am well.");
  reply.finish();
  await first.finished();
  const second = direct.streamMessage({ message: "And now?", conversation_id });
  const other = await services.nextReply();
  other.say("Still well.");
  await second.started();
  proxy.cut();

  expect(await followed.finalText()).toBe("I am well.");
  other.finish();
});

test("a reply that is stopped keeps what was written, for who streams it and who stops it", async () => {
  const { services, client } = await startScripted();
  const stream = client.streamMessage(QUESTION);
  const reply = await services.nextReply();
  reply.say("I am ");
  await readUntil(stream[Symbol.asyncIterator](), "I am ");
  const { conversation_id, message_id } = await stream.started();

  const { stopped, message } = await client.stopReply(conversation_id);

  expect(stopped).toBe(true);
  expect(message).toMatchObject({ id: message_id, status: "stopped", content: "I am " });
  expect(await stream.finished()).toMatchObject({ id: message_id, status: "stopped", content: "I am ", seq: 2 });
  expect(reply.request.signal.aborted).toBe(true);
});

test("a stop whose answer was lost answers what it did", async () => {
  const { services, proxy, client } = await startScripted();
  const stream = client.streamMessage(QUESTION);
  (await services.nextReply()).say("I am ");
  await readUntil(stream[Symbol.asyncIterator](), "I am ");
  const { conversation_id } = await stream.started();
  proxy.faults.push("lose-answer");

  expect(await client.stopReply(conversation_id)).toMatchObject({ stopped: true, message: { content: "I am " } });
});

test("a regenerated reply takes the place of the one before, once, whatever happens to its connection", async () => {
  const { services, proxy, client } = await startScripted();
  const first = client.streamMessage(QUESTION);
  const old = await services.nextReply();
  old.say("Fine.");
  old.finish();
  const { conversation_id } = await first.finished();
  proxy.faults.push("drop", { cutAfterBytes: 0 });
  const stream = client.regenerateReply(conversation_id);
  const events = stream[Symbol.asyncIterator]();
  const reply = await services.nextReply();
  reply.say("I am ");
  await readUntil(events, "I am ");
  proxy.cut();
  reply.say("well.");
  await readUntil(events, "well.");
  reply.finish();

  const finished = await stream.finished();
  expect(finished).toMatchObject({ content: "I am well.", user_message_id: "question-1" });
  const messages = await collect(client.iterateMessages(conversation_id));
  expect(messages.map(({ id, content }) => [id, content])).toEqual([
    ["question-1", "How are you?"],
    [finished.id, "I am well."],
  ]);
  expect(services.asked).toBe(2);
});

test("a regeneration that fails leaves the old reply where it is", async () => {
  const { services, client } = await startScripted();
  const first = client.streamMessage(QUESTION);
  const old = await services.nextReply();
  old.say("Fine.");
  old.finish();
  const { conversation_id, id } = await first.finished();
  const stream = client.regenerateReply(conversation_id);
  (await services.nextReply()).fail(new ResponderError("refused", "no"));

  expect(await failureOf(stream.finished())).toMatchObject({ code: "responder_refused" });
  expect((await client.getRecentMessages(conversation_id)).messages[0]).toMatchObject({ id, content: "Fine." });
});

test("a regeneration that fails while its connection is away is not asked for again", async () => {
  const { services, proxy, client, clientWith } = await startScripted();
  const first = client.streamMessage(QUESTION);
  const old = await services.nextReply();
  old.say("Fine.");
  old.finish();
  const { conversation_id } = await first.finished();
  const stream = client.regenerateReply(conversation_id);
  const reply = await services.nextReply();
  await stream.started();
  const followed = await clientWith({ baseUrl: services.url }).followReply(conversation_id);
  proxy.faults.push("hang");
  proxy.cut();
  await proxy.arrived(3);
  reply.fail(new ResponderError("failed", "no"));
  await failureOf(followed?.finished() ?? Promise.resolve());
  proxy.cut();

  expect(await failureOf(stream.finished())).toMatchObject({ code: "message_not_found" });
  expect(services.asked).toBe(2);
});

test("an interrupted reply is not asked for again by who only follows it", async () => {
  const { proxy, client } = await startScripted();
  const messageMetadata = { conversation_id: "talk-1", user_message_id: "question-1" };
  proxy.faults.push(
    streamOf(
      { type: "start", messageId: "reply-1", messageMetadata },
      { type: "message-metadata", messageMetadata: { status: "interrupted", error_code: "reply_interrupted" } },
      { type: "error", errorText: "the server stopped" },
    ),
  );
  const followed = await client.followReply("talk-1");
  if (!followed) throw new Error("no reply is followed");

  expect(await failureOf(followed.finished())).toMatchObject({ code: "reply_interrupted" });
  expect(proxy.requests.length).toBe(1);
});
