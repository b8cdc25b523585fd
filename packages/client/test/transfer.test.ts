import { expect } from "vitest";
import { BackscrollConnectionError } from "../src/index.ts";
import { collect, failureOf, said, test } from "./running-service.ts";

const GRACE = { "x-test-user": "grace@example.com" };

test("an export streamed into an import is the same conversation, and again nothing is stored twice", async ({
  client,
  clientWith,
}) => {
  const { conversation_id: id } = await client.createConversation({
    id: "moved",
    title: "Moved",
    metadata: { team: "red" },
  });
  await client.saveMessages(id, said(60));
  const other = clientWith({ headers: GRACE });

  const first = await other.importConversations(await client.exportConversation(id));
  const again = await other.importConversations(await client.exportConversation(id));

  expect(first).toMatchObject({
    conversations: { created: 1 },
    messages: { saved: 60, skipped: 0 },
    failed: 0,
    errors: [],
  });
  expect(again).toMatchObject({
    conversations: { created: 0 },
    messages: { saved: 0, skipped: 60 },
    failed: 0,
    errors: [],
  });
  expect(await collect(other.iterateMessages(id))).toEqual(await collect(client.iterateMessages(id)));
});

test("an import of text, bytes or a blob whose answer was lost is sent again", async ({
  proxy,
  client,
  clientWith,
}) => {
  const { conversation_id: id } = await client.createConversation({ id: "moved" });
  await client.saveMessages(id, said(3));
  const text = await new Response(await client.exportConversation(id)).text();
  const other = clientWith({ headers: GRACE });

  for (const source of [text, new TextEncoder().encode(text), new Blob([text])]) {
    proxy.faults.push("lose-answer");
    expect(await other.importConversations(source)).toMatchObject({ messages: { saved: 0, skipped: 3 }, failed: 0 });
  }
  expect((await other.getFullHistory(id)).pagination.total).toBe(3);
});

test("an import of a stream is never sent twice", async ({ proxy, client }) => {
  const source = new Response('{"backscroll_export":1,"conversations":[]}').body;
  proxy.faults.push("lose-answer");

  const failure = await failureOf(client.importConversations(source ?? ""));

  expect(failure).toBeInstanceOf(BackscrollConnectionError);
  // Not that the stream is used up.
  expect((failure as Error).message).toMatch(/other side closed/);
  expect(proxy.requests.length).toBe(1);
});

test("an import that is not an export says so", async ({ client }) => {
  expect(await failureOf(client.importConversations('{"a":'))).toMatchObject({ status: 400, code: "malformed_json" });
});

test("an export as Markdown reads as one", async ({ client }) => {
  const { conversation_id: id } = await client.createConversation({ title: "Notes" });
  await client.saveMessages(id, said(1));

  const text = await new Response(await client.exportConversation(id, { format: "markdown" })).text();

  expect(text).toMatch(/^# Notes\n[^]*## user[^]*m1/);
});

test("an export of what is not there fails before the stream, and a refused one is tried again", async ({
  proxy,
  client,
}) => {
  expect(await failureOf(client.exportConversation("nowhere"))).toMatchObject({ code: "conversation_not_found" });

  const { conversation_id: id } = await client.createConversation();
  proxy.faults.push({ status: 503 }, "drop");
  expect(await new Response(await client.exportConversation(id)).json()).toMatchObject({ backscroll_export: 1 });
});

test("an export whose connection breaks errors the stream, so that half of one never passes for whole", async ({
  proxy,
  client,
}) => {
  const { conversation_id: id } = await client.createConversation();
  await client.saveMessages(id, said(50));
  proxy.faults.push("cut-answer");

  const stream = await client.exportConversation(id);

  expect(await failureOf(new Response(stream).text())).toBeInstanceOf(BackscrollConnectionError);
});

test("an abort ends an export that is being read", async ({ clientWith, origin, client }) => {
  const { conversation_id: id } = await client.createConversation();
  const long = "x".repeat(500_000);
  for (let index = 0; index < 10; index += 1) await client.saveMessage(id, { role: "user", content: long });
  const abort = new AbortController();
  const stream = await clientWith({ baseUrl: origin }).exportConversation(id, {}, { signal: abort.signal });
  const reader = stream.getReader();
  await reader.read();

  abort.abort();

  await expect(
    (async () => {
      while (!(await reader.read()).done);
    })(),
  ).rejects.toMatchObject({ name: "AbortError" });
});

test("an export may take longer than timeoutMs once it has begun", async ({ clientWith, origin, client }) => {
  const { conversation_id: id } = await client.createConversation();
  const long = "x".repeat(900_000);
  for (let index = 0; index < 10; index += 1) await client.saveMessage(id, { role: "user", content: long });
  const startedAt = performance.now();
  const stream = await clientWith({ baseUrl: origin, timeoutMs: 200 }).exportConversation(id);
  const reader = stream.getReader();
  // A slow reader: the service waits for it.
  await expect.poll(() => performance.now() - startedAt, { timeout: 2_000 }).toBeGreaterThan(300);
  let bytes = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) bytes += next.value.length;

  expect(bytes).toBeGreaterThan(9_000_000);
});

test("everything of a person is read by whoever they move to, without what was in the trash", async ({
  client,
  clientWith,
}) => {
  for (const id of ["kept", "trashed"]) {
    await client.createConversation({ id });
    await client.saveMessages(id, said(2));
  }
  await client.deleteConversation("trashed");

  const text = await new Response(await client.exportMe()).text();

  expect(JSON.parse(text)).toMatchObject({
    conversations: [expect.anything(), expect.anything()],
    audit: [{ action: "person_exported", actor: "you" }, { action: "conversation_trashed" }],
  });
  const other = clientWith({ headers: GRACE });
  expect(await other.importConversations(text)).toMatchObject({
    conversations: { created: 1 },
    messages: { saved: 2 },
    failed: 0,
  });
});
