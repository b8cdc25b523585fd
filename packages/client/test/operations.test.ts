import { expect } from "vitest";
import type { BackscrollClient } from "../src/index.ts";
import { collect, failureOf, said, test } from "./running-service.ts";
import type { SeenRequest } from "./fault-proxy.ts";

interface Described {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
}

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly operation: Described;
}

/** `listMessages` has a method for each way to read. */
const METHODS_OF: Record<string, readonly string[]> = {
  listMessages: ["getRecentMessages", "getMessagesAfter", "getMessagesAround", "getFullHistory", "iterateMessages"],
  listConversations: ["listConversations", "listConversationsFrom", "iterateConversations"],
  saveMessages: ["saveMessages", "saveMessage"],
  sendMessage: ["sendMessage", "streamMessage"],
  chat: ["chat", "regenerateReply"],
} satisfies Record<string, readonly (keyof BackscrollClient)[]>;

/** What a query may say where no header can be sent: the SDK sends the header. */
const SAID_IN_HEADERS: ReadonlySet<string> = new Set(["last_event_id"]);

async function describedOperations(origin: string): Promise<readonly Operation[]> {
  const response = await fetch(`${origin}/api/openapi.json`);
  const { paths } = (await response.json()) as { paths: Record<string, Record<string, Described>> };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
}

test("every operation of the API has a method, and every method belongs to an operation", async ({
  origin,
  client,
}) => {
  const operations = await describedOperations(origin);

  const expected = operations.flatMap(({ operation: { operationId } }) => METHODS_OF[operationId] ?? [operationId]);

  expect(Object.keys(client).toSorted()).toEqual(expected.toSorted());
});

test("every operation and every query parameter of the API is reached by a method", async ({
  origin,
  proxy,
  client,
}) => {
  const { conversation_id: id } = await client.createConversation({ title: "all of it" });
  const [first, second] = await client.saveMessages(id, said(4));
  if (!first || !second) throw new Error("nothing was saved");
  const between = { from: new Date(0), to: "2100-01-01T00:00:00.000Z", limit: 2, fields: ["id", "seq"] as const };
  const { next_cursor: cursor } = await client.getRecentMessages(id, between);
  await client.getRecentMessages(id, { before: cursor ?? "" });
  await client.getRecentMessages(id, { consistency: "strong" });
  await client.getMessagesAfter(id, cursor ?? "", between);
  await client.getMessagesAround(id, first.id, between);
  await client.getFullHistory(id, {
    page: 1,
    page_size: 2,
    from: between.from,
    to: between.to,
    fields: between.fields,
  });
  await collect(client.iterateMessages(id));
  await client.saveMessage(id, { role: "system", content: "be brief" });
  await client.editMessage(id, first.id, { content: "m1, edited" });
  await client.deleteMessage(id, second.id);
  await client.appendToSession("tab-7", said(2));
  await client.putSession("tab-8", { conversation_id: id });
  const { pagination: ofSessions } = await client.listSessions({ limit: 1 });
  await client.listSessions({ cursor: ofSessions.next_cursor ?? undefined });
  await client.updateConversation(id, { pinned: true });
  await client.getConversation(id);
  await client.listConversations({ page: 1, page_size: 1, archived: false, q: "all" });
  await client.createConversation({});
  const { pagination } = await client.listConversationsFrom({ limit: 1 });
  await client.listConversationsFrom({ cursor: pagination.next_cursor ?? undefined });
  await collect(client.iterateConversations());
  const exported = await client.exportConversation(id, { format: "json" });
  await client.importConversations(await new Response(exported).text());
  await client.sendMessage({ message: "hello", conversation_id: id });
  await client.chat({ message: "hello" });
  await client.streamMessage({ message: "hello", conversation_id: id }).finished();
  await client.regenerateReply(id).finished();
  await client.putSession("s", { conversation_id: id });
  await client.updateSession("s", { context: { theme: "dark" } });
  await client.getSession("s");
  await client.deleteSession("s");
  await client.followReply(id);
  await client.stopReply(id);
  await client.followChanges().next();
  await client.deleteConversation(id);
  await client.listDeletedConversations({ page: 1, page_size: 1 });
  await client.restoreConversation(id);
  await client.deleteConversation(id, { permanent: true });
  // The host of this service knows its users by itself.
  expect(await failureOf(client.login("a token"))).toMatchObject({ code: "route_not_found" });
  expect(await failureOf(client.logout())).toMatchObject({ code: "route_not_found" });
  await client.getMe();
  await new Response(await client.exportMe()).text();
  const audit = client.listAudit({ user: "ada@example.com", action: "acted_for", cursor: "x", limit: 1 });
  expect(await failureOf(audit)).toMatchObject({ code: "forbidden" });
  expect(await failureOf(client.getOperatorReport({ window: "1h" }))).toMatchObject({ code: "forbidden" });
  await client.getUsage({ from: "2026-01-01", to: "2026-01-31" });
  await client.livez();
  await client.readyz();
  await client.eraseMe();

  const operations = await describedOperations(origin);
  const reached = operations.map(({ method, path, operation: { parameters = [] } }) => {
    const requests = proxy.requests.filter((request) => request.method === method && isAt(path, request));
    const sent = new Set(requests.flatMap(({ url }) => [...new URL(url, origin).searchParams.keys()]));
    const described = parameters.filter((parameter) => parameter.in === "query").map(({ name }) => name);
    const expected = described.filter((name) => !SAID_IN_HEADERS.has(name));
    return { method, path, calls: requests.length > 0, missing: expected.filter((name) => !sent.has(name)) };
  });
  expect(reached.filter(({ calls, missing }) => !calls || missing.length > 0)).toEqual([]);
});

/** "messages" is not an id: it names an operation. */
function isAt(path: string, { url }: SeenRequest): boolean {
  const pattern = path.replaceAll(".", "\\.").replace(/\{\w+\}/g, "(?!messages$|messages/)[^/]+");
  return new RegExp(`^${pattern}(\\?|$)`).test(url);
}
