import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { describe, expect, onTestFinished, vi } from "vitest";
import { resolveUser } from "../src/service/users.ts";
import { openTab, type Tab } from "./events-fixture.ts";
import { eventually, listenTo } from "./live-fixture.ts";
import { type Services, test } from "./services.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";

const heard = (tab: Tab) => eventually(() => tab.heard);
const versionOf = async (services: Services, id: string): Promise<number> => {
  const { rows } = await services.deps.db.pool.query<{ version: string }>(
    "select version from conversations where client_id = $1",
    [id],
  );
  return Number(rows[0]?.version);
};

test("a stream begins with what a client needs to come back, and is held by no proxy", async ({ services }) => {
  const { status, headers, events, text } = await openTab(services, ADA);
  expect(status).toBe(200);
  expect(headers.get("content-type")).toBe("text/event-stream");
  expect(headers.get("cache-control")).toBe("no-store, no-transform");
  expect(headers.get("x-accel-buffering")).toBe("no");
  expect(headers.get("x-request-id")).toMatch(/./);
  expect(text).toMatch(/^retry: 1000\n\n/);
  expect(events).toEqual([{ id: expect.stringMatching(/^[\w-]+$/), type: "ready", data: { type: "ready" } }]);
});

describe("every change is told with its ids as the API shows them", () => {
  test("messages that are saved, also one at a time and with ids minted here", async ({ services }) => {
    await services.call(ADA, "POST", "/api/conversations", { id: "c" });
    const tab = await openTab(services, ADA);
    const two = {
      messages: [
        { id: "m1", role: "user", content: "a" },
        { id: "m2", role: "user", content: "b" },
      ],
    };
    await services.call(ADA, "POST", "/api/conversations/c/messages", two);
    const version = await versionOf(services, "c");
    const one = await services.call(ADA, "POST", "/api/conversations/c/messages", {
      role: "user",
      content: '"id":"x"',
    });
    await heard(tab).toEqual([
      { type: "messages_saved", conversation_id: "c", version, message_ids: ["m1", "m2"] },
      { type: "messages_saved", conversation_id: "c", version: version + 1, message_ids: [one.json.id] },
    ]);
    expect(tab.events.every(({ type, data }) => type === data.type)).toBe(true);
  });

  test("messages that are edited and deleted, with the conversation's version", async ({ services }) => {
    await services.call(ADA, "POST", "/api/conversations", { id: "c" });
    await services.call(ADA, "POST", "/api/conversations/c/messages", { id: "m", role: "user", content: "a" });
    const version = await versionOf(services, "c");
    const tab = await openTab(services, ADA);
    await services.call(ADA, "PATCH", "/api/conversations/c/messages/m", { content: "b" });
    await services.call(ADA, "DELETE", "/api/conversations/c/messages/m");
    const of = { conversation_id: "c", message_id: "m" };
    await heard(tab).toEqual([
      { type: "message_edited", ...of, version: version + 1 },
      { type: "message_deleted", ...of, version: version + 2 },
    ]);
    expect(await versionOf(services, "c")).toBe(version + 2);
  });

  test("conversations that are made, renamed, pinned, archived, deleted, restored and erased", async ({ services }) => {
    const tab = await openTab(services, ADA);
    const minted = await services.call(ADA, "POST", "/api/conversations", {});
    await services.call(ADA, "POST", "/api/conversations", { id: "c" });
    for (const change of [{ title: "t" }, { pinned: true }, { archived: true }])
      await services.call(ADA, "PATCH", "/api/conversations/c", change);
    await services.call(ADA, "DELETE", "/api/conversations/c");
    await services.call(ADA, "POST", "/api/conversations/c/restore");
    await services.call(ADA, "DELETE", "/api/conversations/c?permanent=true");
    await eventually(() => tab.heard.map(({ type, conversation_id: id }) => [type, id])).toEqual([
      ["conversation_created", minted.json.conversation_id],
      ["conversation_created", "c"],
      ["conversation_updated", "c"],
      ["conversation_updated", "c"],
      ["conversation_updated", "c"],
      ["conversation_deleted", "c"],
      ["conversation_restored", "c"],
      ["conversation_deleted", "c"],
    ]);
  });

  test("an import is one resync at its end, also one that breaks off", async ({ services }) => {
    const conversation = { conversation_id: "i", title: "t", created_at: "2026-01-01T00:00:00Z" };
    const messages = Array.from({ length: 250 }, (_, i) => ({ id: `m${i}`, role: "user", content: "x" }));
    const whole = JSON.stringify({
      backscroll_export: 1,
      conversations: [
        { conversation, messages: messages.map((one) => ({ ...one, created_at: conversation.created_at })) },
      ],
    });
    const tab = await openTab(services, ADA);
    expect((await services.call(ADA, "POST", "/api/import", whole)).status).toBe(200);
    await heard(tab).toEqual([{ type: "resync" }]);
    expect((await services.call(ADA, "POST", "/api/import", whole.slice(0, -20))).status).toBe(400);
    await heard(tab).toEqual([{ type: "resync" }, { type: "resync" }]);
  });

  test("a turn: its conversation, its question, its reply from beginning to end", async ({ services }) => {
    const tab = await openTab(services, ADA);
    const { json } = await services.call(ADA, "POST", "/api/conversations/messages", { message: "Hello" });
    const reply = { conversation_id: json.conversation_id, message_id: json.assistant_message.id };
    const saved = (id: string) => ({
      type: "messages_saved",
      conversation_id: json.conversation_id,
      version: expect.any(Number),
      message_ids: [id],
    });
    await eventually(() => tab.heard.length).toBeGreaterThanOrEqual(5);
    const ordered = tab.heard.filter(({ type }) => type !== "conversation_updated");
    expect(ordered).toEqual([
      { type: "conversation_created", conversation_id: json.conversation_id },
      saved(json.user_message.id),
      { type: "reply_started", ...reply },
      saved(reply.message_id),
      { type: "reply_ended", ...reply },
    ]);
  });

  test("a reply that is written again says that it took another's place", async ({ services }) => {
    const id = "regenerated";
    const first = { id, messages: [{ id: "q", role: "user", parts: [{ type: "text", text: "Hello" }] }] };
    await services.call(ADA, "POST", "/api/chat", first);
    const tab = await openTab(services, ADA);
    await services.call(ADA, "POST", "/api/chat", { id, trigger: "regenerate-message" });
    await eventually(() => tab.heard.filter(({ type }) => type === "messages_saved")).toEqual([
      expect.objectContaining({ conversation_id: id, replaced: true }),
    ]);
  });

  test("a retry that finds everything stored tells it again: the first try may have died before it did", async ({
    services,
  }) => {
    const conversation = { id: "c" };
    const message = { id: "m", role: "user", content: "a" };
    await services.call(ADA, "POST", "/api/conversations", conversation);
    await services.call(ADA, "POST", "/api/conversations/c/messages", message);
    const tab = await openTab(services, ADA);
    await services.call(ADA, "POST", "/api/conversations", conversation);
    await services.call(ADA, "POST", "/api/conversations/c/messages", message);
    await services.call(ADA, "DELETE", "/api/conversations/c/messages/m");
    await services.call(ADA, "DELETE", "/api/conversations/c/messages/m");
    const version = await versionOf(services, "c");
    await services.call(ADA, "DELETE", "/api/conversations/c");
    await services.call(ADA, "DELETE", "/api/conversations/c");
    const deleted = { type: "message_deleted", conversation_id: "c", message_id: "m", version };
    await heard(tab).toEqual([
      { type: "conversation_created", conversation_id: "c" },
      { type: "messages_saved", conversation_id: "c", version: version - 1, message_ids: ["m"] },
      deleted,
      deleted,
      { type: "conversation_deleted", conversation_id: "c" },
      { type: "conversation_deleted", conversation_id: "c" },
    ]);
  });

  test("what was refused is not told", async ({ services }) => {
    await services.call(ADA, "POST", "/api/conversations", { id: "c" });
    const tab = await openTab(services, ADA);
    await services.call(ADA, "POST", "/api/conversations/none/messages", { role: "user", content: "a" });
    await services.call(ADA, "POST", "/api/conversations", { id: "c", title: "other" });
    await services.call(ADA, "PATCH", "/api/conversations/none", { title: "t" });
    await services.call(ADA, "PATCH", "/api/conversations/c", { title: "last" });
    await heard(tab).toEqual([{ type: "conversation_updated", conversation_id: "c" }]);
  });
});

test("another user's changes are never heard", async ({ services }) => {
  const [ada, bob] = [await openTab(services, ADA), await openTab(services, BOB)];
  for (const user of [ADA, BOB])
    await services.call(user, "POST", "/api/conversations", { id: `of-${user.slice(0, 3)}` });
  await heard(ada).toEqual([{ type: "conversation_created", conversation_id: "of-ada" }]);
  await heard(bob).toEqual([{ type: "conversation_created", conversation_id: "of-bob" }]);
});

describe("a cursor", () => {
  const create = (services: Services, id: string) => services.call(ADA, "POST", "/api/conversations", { id });
  const created = (id: string) => ({ type: "conversation_created", conversation_id: id });

  test("comes by header or, where no header can be sent, in the query; the header is newer", async ({ services }) => {
    const tab = await openTab(services, ADA);
    await create(services, "a");
    await heard(tab).toEqual([created("a")]);
    await tab.close();
    const [first, last] = tab.events.map(({ id }) => id);
    await create(services, "b");
    const byHeader = await openTab(services, ADA, { headers: { "last-event-id": last ?? "" } });
    await heard(byHeader).toEqual([created("b")]);
    const byQuery = await openTab(services, ADA, { query: `?last_event_id=${first}` });
    await heard(byQuery).toEqual([created("a"), created("b")]);
    const byBoth = await openTab(services, ADA, {
      query: `?last_event_id=${first}`,
      headers: { "last-event-id": last ?? "" },
    });
    await heard(byBoth).toEqual([created("b")]);
  });

  test("of which nothing is known is answered with a resync, never refused: EventSource would give up", async ({
    services,
  }) => {
    for (const cursor of ["", "x", "7-7", "%00", "x".repeat(2_000)]) {
      const tab = await openTab(services, ADA, { query: `?last_event_id=${cursor}` });
      expect(tab.status).toBe(200);
      await heard(tab).toEqual([{ type: "resync" }]);
    }
  });
});

test("a server that stops ends the stream at once, and one that is stopping does not begin one", async ({
  services,
}) => {
  const tab = await openTab(services, ADA);
  const begun = performance.now();
  services.drain();
  await tab.ended;
  expect(performance.now() - begun).toBeLessThan(1_000);
  const late = await openTab(services, ADA);
  expect(late.status).toBe(200);
  await late.ended;
});

describe("over real connections", () => {
  async function listen(services: Services): Promise<{ port: number; sockets: () => Promise<number> }> {
    const server = serve({ fetch: services.fetch, port: 0, hostname: "127.0.0.1" });
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const sockets = (): Promise<number> =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      );
    return { port: (server.address() as AddressInfo).port, sockets };
  }

  test("a client that does not read holds back nobody, is not written for, and is told that it missed something", async ({
    services,
  }) => {
    const { port, sockets } = await listen(services);
    const user = await resolveUser(services.deps, ADA);
    const stalled = request({ port, path: "/api/events", headers: { "x-test-user": ADA } });
    stalled.on("error", () => undefined).end();
    const [response] = (await once(stalled, "response")) as [IncomingMessage];
    let bytes = 0;
    let text = "";
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      text = (text + String(chunk)).slice(-50_000);
    });
    await eventually(() => text).toContain("event: ready");
    response.pause();
    const quick = await listenTo(services.deps.live.feed, user);
    const message_ids = Array.from({ length: 100 }, (_, i) => `${i}`.padEnd(128, "x"));
    for (let version = 1; version <= 3_000; version += 1) {
      services.deps.live.feed.tell(user, { type: "messages_saved", conversation_id: "c", version, message_ids });
      if (version % 100 === 0) await eventually(() => quick.heard.length).toBe(version);
    }
    response.resume();
    await eventually(() => text).toMatch(/"type":"resync"|"version":3000,/);
    await services.call(ADA, "POST", "/api/conversations", { id: "last" });
    await eventually(() => text).toContain('"conversation_id":"last"');
    expect(text).toContain('"type":"resync"');
    // Of 40 MB it was sent what the connection took before it was full.
    expect(bytes).toBeLessThan(20_000_000);
    expect(await sockets()).toBe(1);
    stalled.destroy();
    await eventually(sockets).toBe(0);
  });

  test("a client that goes is forgotten", async ({ services }) => {
    const { port, sockets } = await listen(services);
    const listening: AbortSignal[] = [];
    const { feed } = services.deps.live;
    const follow = feed.follow.bind(feed);
    const spy = vi.spyOn(feed, "follow").mockImplementation((user, cursor, signal) => {
      listening.push(signal);
      return follow(user, cursor, signal);
    });
    onTestFinished(() => spy.mockRestore());
    const clients = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const client = request({ port, path: "/api/events", headers: { "x-test-user": ADA } });
        client.on("error", () => undefined).end();
        const [response] = (await once(client, "response")) as [IncomingMessage];
        await once(response, "data");
        return client;
      }),
    );
    expect(await sockets()).toBe(20);
    for (const client of clients) client.destroy();
    await eventually(() => listening.filter(({ aborted }) => aborted).length).toBe(20);
  });
});
