import * as ai7 from "ai";
import * as ai6 from "ai-v6";
import { describe, expect, test } from "vitest";
import { ResponderError } from "../src/responder/responder.ts";
import { type Ai, type Message, read, textOf, userMessage } from "./chat-client.ts";
import { type ScriptedServices, scriptedServices } from "./scripted-responder.ts";

const ADA = "ada@example.com";

/** The unmodified clients of the AI SDK, over real connections. */
describe.for([
  ["7", ai7],
  ["6", ai6 as unknown as typeof ai7],
] as const)("ai %s", ([, ai]) => {
  test("a turn is shown as it is written, and its end says what is stored", async () => {
    const services = await scriptedServices();
    const chat = open(ai, services);
    const stream = await chat.send(userMessage(ai, "Hello"));
    const reply = await services.nextReply();
    const shown = read(ai, stream);
    reply.say("Good ");
    await shown.shows("Good ");
    reply.say("day");
    reply.add({ type: "usage", tokensUsed: 5, model: "scripted-1" });
    reply.finish();
    const message = await shown.last;
    expect(textOf(message)).toBe("Good day");
    expect(message.metadata).toMatchObject({
      conversation_id: chat.id,
      status: "complete",
      model: "scripted-1",
      tokens_used: 5,
      seq: 2,
    });
    const [question, answer] = await historyOf(services, chat.id);
    expect(question).toMatchObject({ role: "user", content: "Hello" });
    expect(question.id).toMatch(/^[A-Za-z0-9]{16}$/);
    expect(message.metadata).toMatchObject({ user_message_id: question.id, created_at: answer.created_at });
    expect(answer).toMatchObject({ id: message.id, role: "assistant", content: "Good day", status: "complete" });
  });

  test("who loses the connection after one chunk and comes back sees the whole reply once", async () => {
    const services = await scriptedServices();
    const chat = open(ai, services);
    const away = new AbortController();
    const stream = await chat.send(userMessage(ai, "Hello"), { abortSignal: away.signal });
    const reply = await services.nextReply();
    const first = read(ai, stream);
    reply.say("Good ");
    await first.shows("Good ");
    away.abort();
    await first.last;
    reply.say("day");

    const again = read(ai, await chat.reconnect());
    await again.shows("Good ");
    reply.say(" to you");
    reply.finish();
    const message = await again.last;
    expect(textOf(message)).toBe("Good day to you");
    expect(message.parts.filter(({ type }) => type === "text")).toHaveLength(1);
    expect(message.id).toBe((await first.last).id);
    expect((await historyOf(services, chat.id)).map(({ content }) => content)).toEqual(["Hello", "Good day to you"]);
    expect(services.asked).toBe(1);
  });

  test("there is nothing to come back to when no reply is written: not before the first message, nor after the last", async () => {
    const services = await scriptedServices();
    const chat = open(ai, services);
    expect(await chat.transport.reconnectToStream({ chatId: chat.id })).toBeNull();
    const stream = await chat.send(userMessage(ai, "Hello"));
    const reply = await services.nextReply();
    reply.say("Good day");
    reply.finish();
    await read(ai, stream).last;
    expect(await chat.transport.reconnectToStream({ chatId: chat.id })).toBeNull();
  });

  test("tools are shown as the parts of a message, beside the text around them", async () => {
    const services = await scriptedServices();
    const chat = open(ai, services);
    const stream = await chat.send(userMessage(ai, "Where?"));
    const reply = await services.nextReply();
    reply.say("Let me look. ");
    reply.add({ type: "tool-call", toolCallId: "t", toolName: "search", input: { q: "Rome" } });
    reply.add({ type: "tool-result", toolCallId: "t", toolName: "search", output: ["Trastevere"] });
    reply.say("Trastevere.");
    reply.finish();
    const parts = [
      { type: "text", text: "Let me look. ", state: "done" },
      {
        type: "dynamic-tool",
        toolName: "search",
        toolCallId: "t",
        state: "output-available",
        input: { q: "Rome" },
        output: ["Trastevere"],
        providerExecuted: true,
      },
      { type: "text", text: "Trastevere.", state: "done" },
    ];
    const message = await read(ai, stream).last;
    expect(message.parts).toMatchObject(parts);
    expect(message.parts).toHaveLength(3);
  });

  test("a message that was sent already is answered by its stored reply, tools and all", async () => {
    const services = await scriptedServices();
    const chat = open(ai, services);
    const question = userMessage(ai, "Where?");
    const stream = await chat.send(question);
    const reply = await services.nextReply();
    reply.say("Let me look. ");
    reply.add({ type: "tool-call", toolCallId: "t", toolName: "search", input: { q: "Rome" } });
    reply.add({ type: "tool-result", toolCallId: "t", toolName: "search", output: ["Trastevere"] });
    reply.say("Trastevere.");
    reply.finish();
    const first = await read(ai, stream).last;
    const second = await read(ai, await chat.send(question)).last;
    expect(second).toEqual(first);
    expect(services.asked).toBe(1);
  });

  test("a regeneration takes the place of the reply, in the history too", async () => {
    const services = await scriptedServices();
    const chat = open(ai, services);
    const question = userMessage(ai, "Hello");
    const first = await answered(ai, services, await chat.send(question), "Good day");
    const options = { trigger: "regenerate-message", messageId: first.id } as const;
    const second = await answered(ai, services, await chat.send(question, options), "Good evening");
    expect(textOf(second)).toBe("Good evening");
    expect(second.id).not.toBe(first.id);
    expect((await historyOf(services, chat.id)).map(({ id }) => id)).toEqual([question.id, second.id]);
  });

  test("stopping ends the stream in good order, and keeps what was written", async () => {
    const services = await scriptedServices();
    const chat = open(ai, services);
    const stream = await chat.send(userMessage(ai, "Hello"));
    const reply = await services.nextReply();
    const shown = read(ai, stream);
    reply.say("Good ");
    await shown.shows("Good ");
    const stopped = await services.call(ADA, "POST", `/api/chat/${chat.id}/stop`);
    expect(stopped.json).toMatchObject({ stopped: true, message: { content: "Good ", status: "stopped" } });
    const message = await shown.last;
    expect(message.metadata).toMatchObject({ status: "stopped" });
    expect(shown.errors).toEqual([]);
    expect(reply.request.signal.aborted).toBe(true);
    expect(await historyOf(services, chat.id)).toMatchObject([{ content: "Hello" }, stopped.json.message]);
  });

  test("a reply that fails is an error with what was written, and the same message asks again", async () => {
    const services = await scriptedServices();
    const chat = open(ai, services);
    const question = userMessage(ai, "Hello");
    const stream = await chat.send(question);
    const reply = await services.nextReply();
    reply.say("Good ");
    reply.fail(new ResponderError("rate_limited", "provider secret", { retryAfterSeconds: 7 }));
    const shown = read(ai, stream);
    const message = await shown.last;
    expect(textOf(message)).toBe("Good ");
    expect(message.metadata).toMatchObject({ status: "failed", error_code: "responder_rate_limited", retry_after: 7 });
    expect(shown.errors).toEqual([expect.stringContaining("the responder is rate limited")]);

    const second = await answered(ai, services, await chat.send(question), "Good day");
    expect((await historyOf(services, chat.id)).map(({ id }) => id)).toEqual([question.id, second.id]);
  });

  test("trying again a message that never arrived asks it, not the one before", async () => {
    const services = await scriptedServices();
    const chat = open(ai, services);
    const first = userMessage(ai, "one");
    const reply = await answered(ai, services, await chat.send(first), "first");
    const lost = userMessage(ai, "two");
    const stream = await chat.send([first, reply, lost], { trigger: "regenerate-message" });
    const second = await answered(ai, services, stream, "second");
    expect((await historyOf(services, chat.id)).map(({ id }) => id)).toEqual([first.id, reply.id, lost.id, second.id]);
  });

  test("a second message while a reply is written is refused, and does not make the client try again", async () => {
    const services = await scriptedServices();
    const chat = open(ai, services);
    const stream = await chat.send(userMessage(ai, "one"));
    await expect(chat.send(userMessage(ai, "two"))).rejects.toThrow("conversation_busy");
    await answered(ai, services, stream, "first");
    expect(services.asked).toBe(1);
  });
});

interface Chat {
  readonly id: string;
  readonly transport: ai7.DefaultChatTransport<Message>;
  send(
    messages: Message | Message[],
    options?: { trigger?: "regenerate-message"; messageId?: string; abortSignal?: AbortSignal },
  ): Promise<ReadableStream<ai7.UIMessageChunk>>;
  reconnect(): Promise<ReadableStream<ai7.UIMessageChunk>>;
}

/** A chat with the id that its client makes. */
function open(ai: Ai, { url }: ScriptedServices): Chat {
  const transport = new ai.DefaultChatTransport<Message>({ api: `${url}/api/chat`, headers: { "x-test-user": ADA } });
  const id = ai.generateId();
  return {
    id,
    transport,
    send: (messages, { trigger, messageId, abortSignal } = {}) =>
      transport.sendMessages({
        chatId: id,
        messages: [messages].flat(),
        trigger: trigger ?? "submit-message",
        messageId,
        abortSignal,
      }),
    async reconnect() {
      const stream = await transport.reconnectToStream({ chatId: id });
      if (stream === null) throw new Error("no reply is being written");
      return stream;
    },
  };
}

/** @returns the reply as its client shows it once it has been written */
async function answered(
  ai: Ai,
  services: ScriptedServices,
  stream: ReadableStream<ai7.UIMessageChunk>,
  text: string,
): Promise<Message> {
  const reply = await services.nextReply();
  reply.say(text);
  reply.finish();
  return read(ai, stream).last;
}

// oxlint-disable-next-line typescript/no-explicit-any -- a test looks into a message as it likes
async function historyOf(services: ScriptedServices, conversationId: string): Promise<any[]> {
  const { json } = await services.call(ADA, "GET", `/api/conversations/${conversationId}/messages?page=1`);
  return json.messages;
}
