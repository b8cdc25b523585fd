import { expect, test } from "vitest";
import { post } from "./service-process.ts";
import { briefly, CHECKPOINT_MS, newTurn, relayTo, twoServers, twoServersOnRedis } from "./turn-fixture.ts";

/** Far below what it takes when Redis does not carry it: a test of the way, not of the speed. */
const LIVE_MS = 1_000;

test("whoever follows on another server, from whenever on, is shown the whole reply while it is being written", async () => {
  const { a, b, model } = await twoServersOnRedis();
  const turn = await newTurn(a);
  const followers = [await a.say(turn)];
  const reply = await model.nextReply();
  let text = "";
  for (const token of ["One", " two", " three", " four", " five"]) {
    reply.say(token);
    text += token;
    followers.push(await b.follow(turn.conversation_id), await a.follow(turn.conversation_id));
    // The model says nothing more before everybody has it.
    const saidAt = performance.now();
    await Promise.all(followers.map((follower) => follower.shows(text)));
    expect(performance.now() - saidAt).toBeLessThan(LIVE_MS);
  }
  reply.finish();

  const [first, ...others] = await Promise.all(followers.map(({ whole }) => whole));
  expect(first).toMatchObject({ text: "One two three four five", ending: "finish", metadata: { status: "complete" } });
  expect(others).toEqual(others.map(() => first));
  for (const server of [a, b]) {
    const history = await server.history(turn.conversation_id);
    expect(briefly(history)).toEqual(["user complete: How are you?", "assistant complete: One two three four five"]);
    expect(history[1]?.id).toBe(first?.messageId);
    expect((await fetch(`${server.url}/api/chat/${turn.conversation_id}/stream`)).status).toBe(204);
  }
});

test("stopping on another server ends the model's request and keeps what was written", async () => {
  const { a, b, model } = await twoServersOnRedis();
  const turn = await newTurn(a);
  const onA = await a.say(turn);
  const reply = await model.nextReply();
  reply.say("One two");
  await onA.shows("One two");

  const stopped = await b.stop(turn.conversation_id);

  expect(stopped).toMatchObject({ stopped: true, message: { status: "stopped", content: "One two" } });
  await reply.hungUp;
  const { messageId, text, ending } = await onA.whole;
  expect({ messageId, text, ending }).toEqual({ messageId: stopped.message?.id, text: "One two", ending: "abort" });
  const history = ["user complete: How are you?", "assistant stopped: One two"];
  expect(briefly(await a.history(turn.conversation_id))).toEqual(history);
  expect(await b.stop(turn.conversation_id)).toEqual({ stopped: false, message: null });
  // It was wanted so: the same message again gets what there is.
  expect((await (await b.say(turn)).whole).text).toBe("One two");
  expect(briefly(await b.history(turn.conversation_id))).toEqual(history);
  expect(model.asked).toBe(1);
});

test("while a reply is written, another message is refused on every server and leaves nothing; afterwards it is taken", async () => {
  const { a, b, model } = await twoServersOnRedis();
  const turn = await newTurn(a);
  const onA = await a.say(turn);
  const reply = await model.nextReply();
  const another = { ...turn, message_id: "another", message: "And now?" };

  for (const { url } of [a, b]) {
    for (const stream of [true, false]) {
      const refused = await post(`${url}/api/conversations/messages`, { ...another, stream });
      expect(refused.status).toBe(409);
      expect(refused.headers.get("x-should-retry")).toBe("false");
      expect(await refused.json()).toMatchObject({ code: "conversation_busy" });
    }
  }
  expect(briefly(await b.history(turn.conversation_id))).toEqual(["user complete: How are you?"]);

  reply.sayAll("Well");
  await onA.whole;
  const onB = await b.say(another);
  (await model.nextReply()).sayAll("Still well");
  await onB.whole;
  expect(briefly(await a.history(turn.conversation_id))).toEqual([
    "user complete: How are you?",
    "assistant complete: Well",
    "user complete: And now?",
    "assistant complete: Still well",
  ]);
});

const SENDERS = 20;

test.for([
  { where: "in a conversation that is there", isFirst: false },
  { where: "as the first message of a new conversation", isFirst: true },
])(
  `one message sent ${SENDERS} times at once over two servers, $where: asked once, one question, one answer, ${SENDERS} equal streams`,
  async ({ isFirst }) => {
    const { a, b, model } = await twoServersOnRedis();
    const { conversation_id, ...first } = await newTurn(a);
    const turn = isFirst ? first : { conversation_id, ...first };
    const opening = Array.from({ length: SENDERS }, (_, sender) => (sender % 2 === 0 ? a : b).say(turn));
    const reply = await model.nextReply();
    reply.say("One");
    const streams = await Promise.all(opening);
    await Promise.all(streams.map((stream) => stream.shows("One")));
    reply.say(" two");
    await Promise.all(streams.map((stream) => stream.shows("One two")));
    reply.sayAll(" three");

    const [whole, ...others] = await Promise.all(streams.map((stream) => stream.whole));
    expect(whole).toMatchObject({ text: "One two three", ending: "finish" });
    expect(others).toEqual(others.map(() => whole));
    expect(model.asked).toBe(1);
    const history = await b.history(String(whole?.metadata["conversation_id"]));
    expect(briefly(history)).toEqual(["user complete: How are you?", "assistant complete: One two three"]);
  },
);

test("a connection that is cut stops no reply: sent again or followed on the other server, all of it is there", async () => {
  const { a, b, model } = await twoServersOnRedis();
  const turn = await newTurn(a);
  const { relay, url } = await relayTo(a);
  const lost = await a.say(turn, url);
  const reply = await model.nextReply();
  reply.say("One");
  await lost.shows("One");

  relay.cut();
  await lost.over;
  reply.say(" two");
  const streams = await Promise.all([
    b.say(turn),
    b.follow(turn.conversation_id),
    a.say(turn, url),
    a.follow(turn.conversation_id),
  ]);
  await Promise.all(streams.map((stream) => stream.shows("One two")));
  reply.sayAll(" three");

  const wholes = await Promise.all(streams.map(({ whole }) => whole));
  expect(wholes.map(({ text, ending }) => `${ending}: ${text}`)).toEqual(streams.map(() => "finish: One two three"));
  const start = lost.chunks.find(({ type }) => type === "start");
  expect(new Set(wholes.map(({ messageId }) => messageId))).toEqual(new Set([start?.messageId]));
  expect(briefly(await b.history(turn.conversation_id))).toEqual([
    "user complete: How are you?",
    "assistant complete: One two three",
  ]);
  expect(model.asked).toBe(1);
});

test("a client that stops reading holds back nobody, and has all of it when it reads on", async () => {
  const { a, b, model } = await twoServersOnRedis();
  const turn = await newTurn(a);
  const { relay, url } = await relayTo(a);
  const stalled = await a.say(turn, url);
  const reply = await model.nextReply();
  reply.say("Once");
  await stalled.shows("Once");
  relay.stall();
  const [onA, onB] = [await a.follow(turn.conversation_id), await b.follow(turn.conversation_id)];
  const tokens = Array.from({ length: 3_000 }, (_, n) => `${n} `.padEnd(1_000, "ä"));
  reply.sayAll(...tokens);

  const text = `Once${tokens.join("")}`;
  expect((await onA.whole).text === text).toBe(true);
  expect((await onB.whole).text === text).toBe(true);
  const [, stored] = await b.history(turn.conversation_id);
  expect([stored?.status, stored?.content === text]).toEqual(["complete", true]);
  expect(stalled.text.length).toBeLessThan(text.length);

  relay.resume();
  expect((await stalled.whole).text === text).toBe(true);
});

test("a line that is slow shows the same, later", async () => {
  const { a, b, model } = await twoServersOnRedis();
  const turn = await newTurn(a);
  const { relay, url } = await relayTo(b);
  const onA = await a.say(turn);
  const reply = await model.nextReply();
  relay.throttle(20_000);
  const slow = await b.say(turn, url);
  reply.sayAll(...Array.from({ length: 300 }, (_, n) => `${n} `.padEnd(100, ".")));

  const { text } = await onA.whole;
  expect((await slow.whole).text).toBe(text);
});

test("without Redis another server still follows and stops a reply, by what PostgreSQL is told every two seconds", async () => {
  const { a, b, model } = await twoServers();
  const turn = await newTurn(a);
  const onA = await a.say(turn);
  const reply = await model.nextReply();
  reply.say("One");
  await onA.shows("One");

  const onB = await b.follow(turn.conversation_id);
  await within(2 * CHECKPOINT_MS, onB.shows("One"));
  reply.say(" two");
  await within(2 * CHECKPOINT_MS, onB.shows("One two"));
  await within(2 * CHECKPOINT_MS, b.stop(turn.conversation_id));

  await reply.hungUp;
  for (const { whole } of [onA, onB]) expect(await whole).toMatchObject({ text: "One two", ending: "abort" });
  expect(briefly(await b.history(turn.conversation_id))).toEqual([
    "user complete: How are you?",
    "assistant stopped: One two",
  ]);

  const next = { ...turn, message_id: "next", message: "Again?" };
  const streams = [await a.say(next), await b.say(next)];
  (await model.nextReply()).sayAll("Still", " here");
  for (const { whole } of streams) expect(await whole).toMatchObject({ text: "Still here", ending: "finish" });
});

async function within<Result>(ms: number, work: Promise<Result>): Promise<Result> {
  const startedAt = performance.now();
  const result = await work;
  expect(performance.now() - startedAt).toBeLessThan(ms);
  return result;
}
