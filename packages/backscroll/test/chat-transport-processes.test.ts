import * as ai7 from "ai";
import * as ai6 from "ai-v6";
import { describe, expect, test } from "vitest";
import { type Ai, type Message, read, textOf, userMessage } from "./chat-client.ts";
import { briefly, killHard, REAPED_SOON, relayTo, twoServersOnRedis } from "./turn-fixture.ts";

/** The unmodified clients of the AI SDK, two servers in processes of their own, and a network that stalls and cuts. */
describe.for([
  ["7", ai7],
  ["6", ai6 as unknown as typeof ai7],
] as const)("ai %s", ([, ai]) => {
  test("cut off after one chunk, a chat comes back on the other server to the whole reply, once", async () => {
    const { a, b, model } = await twoServersOnRedis();
    const { relay, url } = await relayTo(a);
    const id = ai.generateId();
    const question = userMessage(ai, "Hello");
    const first = read(ai, await send(ai, url, id, question));
    const reply = await model.nextReply();
    reply.say("One");
    await first.shows("One");
    relay.cut();
    await first.last;
    reply.say(" two");

    const again = read(ai, await comeBack(ai, b.url, id));
    await again.shows("One two");
    reply.say(" three");
    reply.finish();
    const message = await again.last;

    expect(textOf(message)).toBe("One two three");
    expect(message.parts.filter(({ type }) => type === "text")).toHaveLength(1);
    expect(message.id).toBe((await first.last).id);
    const history = await b.history(id);
    expect(briefly(history)).toEqual(["user complete: Hello", "assistant complete: One two three"]);
    expect(history.map((stored) => stored.id)).toEqual([question.id, message.id]);
    expect(question.id).toMatch(/^[A-Za-z0-9]{16}$/);
    expect(model.asked).toBe(1);
    expect(await transportTo(ai, b.url).reconnectToStream({ chatId: id })).toBeNull();
  });

  test("a network that stands still delays a reply, and holds back neither the model nor a chat elsewhere", async () => {
    const { a, b, model } = await twoServersOnRedis();
    const { relay, url } = await relayTo(a);
    const id = ai.generateId();
    const stalled = read(ai, await send(ai, url, id, userMessage(ai, "Hello")));
    const reply = await model.nextReply();
    reply.say("One");
    await stalled.shows("One");
    relay.stall();
    reply.sayAll(" two", " three");
    const elsewhere = await transportTo(ai, b.url).reconnectToStream({ chatId: id });
    if (elsewhere) expect(textOf(await read(ai, elsewhere).last)).toBe("One two three");
    await expect.poll(async () => briefly(await b.history(id)).at(-1)).toBe("assistant complete: One two three");
    relay.resume();
    expect(textOf(await stalled.last)).toBe("One two three");
  });

  test("of a server that is killed mid-reply the other shows the text, and regenerating there replaces it", async () => {
    const { a, b, model } = await twoServersOnRedis(REAPED_SOON);
    const { url } = await relayTo(a);
    const id = ai.generateId();
    const question = userMessage(ai, "Hello");
    const first = read(ai, await send(ai, url, id, question));
    const reply = await model.nextReply();
    reply.say("One two");
    await first.shows("One two");
    const elsewhere = read(ai, await comeBack(ai, b.url, id));
    await elsewhere.shows("One two");
    await killHard(a);
    await elsewhere.last;
    expect(elsewhere.errors).toHaveLength(1);
    expect(briefly(await b.history(id))).toEqual(["user complete: Hello", "assistant interrupted: One two"]);

    const regenerated = await transportTo(ai, b.url).sendMessages({
      chatId: id,
      messages: [question],
      trigger: "regenerate-message",
      messageId: undefined,
      abortSignal: undefined,
    });
    (await model.nextReply()).sayAll("Whole");
    expect(textOf(await read(ai, regenerated).last)).toBe("Whole");
    expect(briefly(await b.history(id))).toEqual(["user complete: Hello", "assistant complete: Whole"]);
  });
});

function transportTo(ai: Ai, url: string): ai7.DefaultChatTransport<Message> {
  return new ai.DefaultChatTransport<Message>({ api: `${url}/api/chat` });
}

function send(ai: Ai, url: string, chatId: string, message: Message): Promise<ReadableStream<ai7.UIMessageChunk>> {
  const turn = { chatId, messageId: undefined, abortSignal: undefined };
  return transportTo(ai, url).sendMessages({ ...turn, messages: [message], trigger: "submit-message" });
}

async function comeBack(ai: Ai, url: string, chatId: string): Promise<ReadableStream<ai7.UIMessageChunk>> {
  const stream = await transportTo(ai, url).reconnectToStream({ chatId });
  if (stream === null) throw new Error("no reply is being written");
  return stream;
}
