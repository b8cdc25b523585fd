import { expect, onTestFinished, test } from "vitest";
import {
  killHard,
  REAPED_SOON,
  type TwoServersOnRedis,
  twoServersOnRedis,
} from "../../backscroll/test/turn-fixture.ts";
import { type BackscrollClient, createClient } from "../src/index.ts";
import { type FaultProxy, startFaultProxy } from "./fault-proxy.ts";
import { collect } from "./running-service.ts";
import { drawn, readUntil } from "./scripted-service.ts";

const QUESTION = { message: "How are you?", message_id: "question-1" };

/** Two servers in processes of their own, and a client whose load balancer begins with A. */
async function startTwo(): Promise<TwoServersOnRedis & { client: BackscrollClient; balancer: FaultProxy }> {
  const servers = await twoServersOnRedis(REAPED_SOON);
  const balancer = await startFaultProxy(servers.a.url);
  onTestFinished(() => balancer.close());
  return { ...servers, balancer, client: createClient({ baseUrl: balancer.origin }) };
}

async function history(client: BackscrollClient, conversationId: string): Promise<string[]> {
  const messages = await collect(client.iterateMessages(conversationId));
  return messages.map(({ role, status, content }) => `${role} ${status}: ${content}`);
}

test("a reply whose connection is cut goes on from another server, where it was", async () => {
  const { b, model, balancer, client } = await startTwo();
  const stream = client.streamMessage(QUESTION);
  const events = stream[Symbol.asyncIterator]();
  const reply = await model.nextReply();
  reply.say("I am ");
  await readUntil(events, "I am ");
  balancer.forwardTo(b.url);
  balancer.cut();
  reply.say("well, ");
  await readUntil(events, "well, ");
  reply.sayAll("thank you.");

  expect(await stream.finalText()).toBe("I am well, thank you.");
  expect(drawn(await collect(stream))).toBe("I am well, thank you.");
  const { conversation_id } = await stream.started();
  expect(await history(client, conversation_id)).toEqual([
    "user complete: How are you?",
    "assistant complete: I am well, thank you.",
  ]);
  expect(model.asked).toBe(1);
});

test("a reply whose server is killed is written anew by another one, and the question is there once", async () => {
  const { a, b, model, balancer, client } = await startTwo();
  const stream = client.streamMessage(QUESTION, { retries: 8 });
  const events = stream[Symbol.asyncIterator]();
  const first = await model.nextReply();
  first.say("I am ");
  await readUntil(events, "I am ");
  balancer.forwardTo(b.url);
  await killHard(a);
  const second = await model.nextReply();
  second.sayAll("All ", "is well.");

  const finished = await stream.finished();
  expect(finished).toMatchObject({ status: "complete", content: "All is well." });
  const seen = await collect(stream);
  expect(drawn(seen)).toBe("All is well.");
  expect(seen.filter(({ type }) => type === "restart")).toHaveLength(1);
  expect(await history(client, finished.conversation_id)).toEqual([
    "user complete: How are you?",
    "assistant complete: All is well.",
  ]);
  expect(model.asked).toBe(2);
});

test("a reply of one server is followed and stopped from another", async () => {
  const { a, b, model, client } = await startTwo();
  const elsewhere = createClient({ baseUrl: b.url });
  const stream = createClient({ baseUrl: a.url }).streamMessage(QUESTION);
  const reply = await model.nextReply();
  reply.say("I am ");
  const { conversation_id } = await stream.started();
  const followed = await elsewhere.followReply(conversation_id);
  if (!followed) throw new Error("no reply is followed");
  await readUntil(followed[Symbol.asyncIterator](), "I am ");

  expect(await elsewhere.stopReply(conversation_id)).toMatchObject({ stopped: true, message: { content: "I am " } });

  expect(await stream.finished()).toMatchObject({ status: "stopped", content: "I am " });
  expect(await followed.finished()).toEqual(await stream.finished());
  expect(await client.followReply(conversation_id)).toBeNull();
  await reply.hungUp;
});
