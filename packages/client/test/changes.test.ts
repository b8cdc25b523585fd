import { getEventListeners } from "node:events";
import { expect } from "vitest";
import type { FollowedChange } from "../src/index.ts";
import { failureOf, test } from "./running-service.ts";

/** @returns an answer of the proxy's own: a feed with these changes, which then ends */
function feedOf(...changes: readonly (readonly [id: string, change: object])[]): {
  status: number;
  headers: Record<string, string>;
  body: string;
} {
  const body = changes.map(([id, change]) => `id: ${id}\ndata: ${JSON.stringify(change)}\n\n`).join("");
  return { status: 200, headers: { "content-type": "text/event-stream" }, body: `: hello\n\n${body}` };
}

const READY = { type: "ready" };
const UPDATED = { type: "conversation_updated", conversation_id: "talk-1" };
const RESYNC = { type: "resync" };

async function take(changes: AsyncIterator<FollowedChange, void>, count: number): Promise<FollowedChange[]> {
  const taken: FollowedChange[] = [];
  while (taken.length < count) {
    const next = await changes.next();
    if (next.done === true) throw new Error("the feed ended");
    taken.push(next.value);
  }
  return taken;
}

test("what another client changes is told, with ids and versions", async ({ client, clientWith }) => {
  const changes = client.followChanges();
  expect(await take(changes, 1)).toMatchObject([{ type: "ready" }]);
  const other = clientWith({});

  const { conversation_id } = await other.createConversation();
  const message = await other.saveMessage(conversation_id, { role: "user", content: "hello" });
  await other.editMessage(conversation_id, message.id, { content: "hi" });
  await other.deleteMessage(conversation_id, message.id);

  expect(await take(changes, 4)).toEqual([
    { type: "conversation_created", conversation_id, event_id: expect.any(String) },
    {
      type: "messages_saved",
      conversation_id,
      message_ids: [message.id],
      version: expect.any(Number),
      event_id: expect.any(String),
    },
    {
      type: "message_edited",
      conversation_id,
      message_id: message.id,
      version: expect.any(Number),
      event_id: expect.any(String),
    },
    {
      type: "message_deleted",
      conversation_id,
      message_id: message.id,
      version: expect.any(Number),
      event_id: expect.any(String),
    },
  ]);
  await changes.return();
});

test("a reply that begins is told, so another client can follow it", async ({ client, clientWith }) => {
  const changes = client.followChanges();
  await take(changes, 1);
  const { conversation_id, message_id } = await clientWith({}).streamMessage({ message: "hello" }).started();

  const told: FollowedChange[] = [];
  while (told.at(-1)?.type !== "reply_ended") told.push(...(await take(changes, 1)));

  expect(told).toContainEqual({ type: "reply_started", conversation_id, message_id, event_id: expect.any(String) });
  expect(told.at(-1)).toMatchObject({ conversation_id, message_id });
  await changes.return();
});

test("what changes while the connection is away is told when it is back", async ({
  client,
  proxy,
  clientWith,
  origin,
}) => {
  const changes = client.followChanges();
  await take(changes, 1);
  const direct = clientWith({ baseUrl: origin });
  const first = await direct.createConversation();
  expect(await take(changes, 1)).toMatchObject([{ conversation_id: first.conversation_id }]);
  proxy.faults.push("hang");
  proxy.cut();
  const coming = take(changes, 2);
  await proxy.arrived(2);
  const second = await direct.createConversation();
  const third = await direct.createConversation();
  proxy.cut();

  expect(await coming).toMatchObject([
    { type: "conversation_created", conversation_id: second.conversation_id },
    { type: "conversation_created", conversation_id: third.conversation_id },
  ]);
  await changes.return();
});

test("a program that was away comes back with the cursor it kept", async ({ client }) => {
  const before = client.followChanges();
  const [ready] = await take(before, 1);
  await before.return();
  const { conversation_id } = await client.createConversation();

  const after = client.followChanges({ lastEventId: ready?.event_id });

  expect(await take(after, 2)).toMatchObject([{ type: "ready" }, { type: "conversation_created", conversation_id }]);
  await after.return();
});

test("each connection names the last change seen, and ready is told once", async ({ client, proxy }) => {
  proxy.faults.push(feedOf(["1", READY], ["2", UPDATED]), feedOf(["2", READY]), feedOf(["3", READY], ["4", RESYNC]));
  const changes = client.followChanges({ lastEventId: "0" });

  expect(await take(changes, 3)).toEqual([
    { type: "ready", event_id: "1" },
    { ...UPDATED, event_id: "2" },
    { type: "resync", event_id: "4" },
  ]);
  expect(proxy.requests.map(({ headers }) => headers["last-event-id"])).toEqual(["0", "2", "2"]);
  expect(proxy.requests.map(({ headers }) => headers.accept)).toEqual(Array(3).fill("text/event-stream"));
  await changes.return();
});

test("a feed that cannot be reached is tried for as long as it takes", async ({ client, proxy, clientWith }) => {
  proxy.faults.push("drop", { status: 503 }, { status: 502 }, { status: 429, headers: { "retry-after": "0" } });
  const changes = clientWith({ retries: 0 }).followChanges();
  proxy.faults.push(feedOf(["1", READY]));

  expect(await take(changes, 1)).toEqual([{ type: "ready", event_id: "1" }]);
  expect(proxy.requests.length).toBe(5);
  await changes.return();
  expect(await client.livez()).toEqual({ status: "ok" });
});

test("a feed that is not answered is asked for again after timeoutMs", async ({ client, proxy }) => {
  const feed = feedOf(["1", READY], ["2", UPDATED]);
  proxy.faults.push(feed, "hang", feedOf(["3", UPDATED]));
  const changes = client.followChanges({ timeoutMs: 200 });

  expect((await take(changes, 3)).map(({ event_id }) => event_id)).toEqual(["1", "2", "3"]);
  await changes.return();
});

test("a feed on which nothing comes is opened again after idleTimeoutMs, and misses nothing", async ({
  client,
  proxy,
}) => {
  const changes = client.followChanges({ idleTimeoutMs: 200 });
  await take(changes, 1);
  const coming = take(changes, 1);
  await proxy.arrived(3);
  const { conversation_id } = await client.createConversation();

  expect(await coming).toMatchObject([{ conversation_id }]);
  await changes.return();
});

test("an answer that no retry changes ends the feed", async ({ clientWith, proxy }) => {
  expect(await failureOf(clientWith({ headers: {} }).followChanges().next())).toMatchObject({
    status: 401,
    code: "unauthenticated",
  });
  expect(proxy.requests.length).toBe(1);
});

test("an abort ends the feed at once with the signal's reason, and a loop that is left closes it", async ({
  client,
  proxy,
}) => {
  const abort = new AbortController();
  const changes = client.followChanges({ signal: abort.signal });
  await take(changes, 1);
  const next = failureOf(changes.next());
  abort.abort(new Error("the user left"));
  expect(await next).toMatchObject({ message: "the user left" });

  const { signal } = new AbortController();
  for await (const { type } of client.followChanges({ signal })) {
    expect(type).toBe("ready");
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    break;
  }
  expect(getEventListeners(signal, "abort")).toEqual([]);
  expect(proxy.requests.length).toBe(2);
});
