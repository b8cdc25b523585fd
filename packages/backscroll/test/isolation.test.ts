import { expect } from "vitest";
import { ID_PATTERN } from "../src/domain/ids.ts";
import {
  type ApiOperation,
  fillPath,
  readApi,
  resolveSchema,
  sampleBody,
  type SchemaObject,
} from "./api-operations.ts";
import { expectProblem } from "./problem.ts";
import { scriptedServices } from "./scripted-responder.ts";
import { type Answer, type Services, test } from "./services.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";

type IdKind =
  /** an existing thing of the caller's, that must not be somebody else's */
  | "conversation"
  | "message"
  | "session"
  /** names something new: the same words of two people never meet */
  | "new"
  /** of a body in another form than the sample's: it has a test of its own */
  | "apart";

/** What every id of the API names. An id that is not here fails the sweep until somebody says what it is. */
const ID_KINDS: Record<string, IdKind> = {
  "path conversationId": "conversation",
  "path messageId": "message",
  "path sessionId": "session",
  "query around": "message",
  "body conversation_id": "conversation",
  "body message_id": "new",
  "body session_id": "new",
  "body id": "new",
  // A place in what is the caller's own, whatever it says.
  "query last_event_id": "new",
  "body messageId": "apart",
};

/** What is never there for somebody else is never there: these do not say whether the conversation is. */
const SILENT: Record<string, number> = { followReply: 204, stopReply: 200 };

interface IdPlace {
  readonly in: string;
  readonly name: string;
  readonly kind: IdKind;
}

type Ids = Record<"conversation" | "message" | "session", string>;

const NOTHING: Ids = { conversation: "no-such-conversation", message: "no-such-message", session: "no-such-session" };

test("every id in the API is one of those that the sweep knows", async ({ services }) => {
  const { document, operations } = await readApi(services);
  const names = operations.flatMap((operation) =>
    idPlaces(document, operation).map(({ in: at, name }) => `${at} ${name}`),
  );
  expect(new Set(names)).toEqual(new Set(Object.keys(ID_KINDS)));
});

test("somebody else's ids answer exactly as ids that do not exist, on every route", async ({ services }) => {
  const { document, operations } = await readApi(services);
  const theirs = await conversationOf(services, ADA, "theirs");
  const own = await conversationOf(services, BOB, "own");
  const before = await services.call(ADA, "GET", `/api/conversations/${theirs.conversation}/export`);

  let swept = 0;
  for (const operation of operations) {
    const places = existingPlaces(document, operation);
    if (places.length === 0) continue;
    swept += 1;
    const requests: [Ids, Ids][] = [[theirs, NOTHING]];
    if (places.some(({ kind }) => kind === "message")) {
      requests.push([
        { ...own, message: theirs.message },
        { ...own, message: NOTHING.message },
      ]);
      requests.push([
        { ...theirs, message: own.message },
        { ...NOTHING, message: own.message },
      ]);
    }
    for (const [real, unreal] of requests) {
      const given = await request(services, BOB, operation, places, real);
      const expected = await request(services, BOB, operation, places, unreal);
      expect(expected.status, operation.id).toBe(SILENT[operation.id] ?? 404);
      expectSameAnswer(given, expected, operation.id);
    }
  }
  expect(swept).toBeGreaterThanOrEqual(9);
  const after = await services.call(ADA, "GET", `/api/conversations/${theirs.conversation}/export`);
  expect(withoutTime(after.text)).toBe(withoutTime(before.text));
});

test("another conversation of one's own does not open a message", async ({ services }) => {
  const { document, operations } = await readApi(services);
  const one = await conversationOf(services, ADA, "one");
  const other = await conversationOf(services, ADA, "other");
  const mixed = { ...one, message: other.message };

  for (const operation of operations) {
    const places = existingPlaces(document, operation);
    if (!places.some(({ kind }) => kind === "message")) continue;
    expectProblem(await request(services, ADA, operation, places, mixed), "message_not_found");
  }
});

test("a conversation in the trash answers as one that does not exist, on every route but its restoration", async ({
  services,
}) => {
  const { document, operations } = await readApi(services);
  const trashed = await conversationOf(services, ADA, "trashed");
  expect((await services.call(ADA, "DELETE", `/api/conversations/${trashed.conversation}`)).status).toBe(200);

  for (const operation of operations) {
    const places = existingPlaces(document, operation);
    if (places.length === 0 || operation.id === "restoreConversation") continue;
    const given = await request(services, ADA, operation, places, trashed);
    const expected = await request(services, ADA, operation, places, NOTHING);
    expect(expected.status, operation.id).toBe(SILENT[operation.id] ?? 404);
    expectSameAnswer(given, expected, operation.id);
  }
  const restored = await services.call(ADA, "POST", `/api/conversations/${trashed.conversation}/restore`);
  expect(restored.json).toMatchObject({ conversation_id: trashed.conversation, message_count: 2 });
});

test("somebody else's reply is not written again, nor followed, nor stopped", async () => {
  const services = await scriptedServices();
  const theirs = { conversation_id: "theirs", message_id: "question", message: "Hello", stream: true };
  await services.call(ADA, "POST", "/api/conversations", { id: "theirs" });
  const shown = services.call(ADA, "POST", "/api/conversations/messages", theirs);
  const reply = await services.nextReply();
  const again = { id: "theirs", messageId: "question", trigger: "regenerate-message" };
  expectProblem(await services.call(BOB, "POST", "/api/chat", again), "conversation_not_found");
  expect((await services.call(BOB, "GET", "/api/chat/theirs/stream")).status).toBe(204);
  expect((await services.call(BOB, "POST", "/api/chat/theirs/stop")).json).toEqual({ stopped: false, message: null });
  reply.say("Good day");
  reply.finish();
  expect((await shown).text).toContain("Good day");
  expectProblem(await services.call(BOB, "POST", "/api/chat", again), "conversation_not_found");
  expect(services.asked).toBe(1);
});

test("two people may give the same ids to their own things", async ({ services }) => {
  for (const user of [ADA, BOB]) {
    await conversationOf(services, user, "same");
    await services.call(user, "POST", "/api/conversations/messages", { message: user, message_id: "first" });
  }
  for (const user of [ADA, BOB]) {
    const list = await services.call(user, "GET", "/api/conversations");
    expect(list.json.pagination.total).toBe(2);
    const { json } = await services.call(user, "GET", "/api/conversations/same/messages");
    expect(json.messages.map(({ content }: { content: string }) => content)).toEqual([
      `second of ${user}`,
      `first of ${user}`,
    ]);
  }
});

test("lists, the trash and the usage show nothing of anybody else", async ({ services }) => {
  await conversationOf(services, ADA, "kept");
  await conversationOf(services, ADA, "trashed");
  await services.call(ADA, "DELETE", "/api/conversations/trashed");

  expect((await services.call(BOB, "GET", "/api/conversations")).json).toMatchObject({
    conversations: [],
    pagination: { total: 0 },
  });
  expect((await services.call(BOB, "GET", "/api/conversations?q=kept&limit=10")).json.conversations).toEqual([]);
  expect((await services.call(BOB, "GET", "/api/trash")).json).toMatchObject({
    conversations: [],
    pagination: { total: 0 },
  });
  expect((await services.call(BOB, "GET", "/api/usage")).json.days).toEqual([]);
});

test("a cursor of somebody else's list opens nothing of theirs", async ({ services }) => {
  for (const id of ["one", "two", "three"]) await conversationOf(services, ADA, id);
  await conversationOf(services, BOB, "mine");
  const { json } = await services.call(ADA, "GET", "/api/conversations?limit=1");
  const found = await services.call(BOB, "GET", `/api/conversations?limit=10&cursor=${json.pagination.next_cursor}`);
  for (const { conversation_id } of found.json.conversations) expect(conversation_id).toBe("mine");
});

/** Two messages, the second of which is `message`. */
async function conversationOf(services: Services, user: string, id: string): Promise<Ids> {
  await services.call(user, "POST", "/api/conversations", { id, title: `kept of ${user}` });
  const messages = ["first", "second"].map((which) => ({
    id: `${id}-${which}-${user.slice(0, 3)}`,
    role: "user",
    content: `${which} of ${user}`,
  }));
  const saved = await services.call(user, "POST", `/api/conversations/${id}/messages`, { messages });
  expect(saved.status).toBe(201);
  const session = `session-${id}`;
  await services.call(user, "PUT", `/api/sessions/${session}`, { conversation_id: id });
  return { conversation: id, message: messages[1]?.id ?? "", session };
}

/** Where the operation takes ids: by their pattern, or by a name that ends like one. */
function idPlaces(document: Parameters<typeof resolveSchema>[0], operation: ApiOperation): IdPlace[] {
  const found: { in: string; name: string }[] = operation.parameters
    .filter((parameter) => isId(parameter.name, parameter.schema) || parameter.in === "path")
    .map((parameter) => ({ in: parameter.in, name: parameter.name }));
  const look = (given: SchemaObject): void => {
    const schema = resolveSchema(document, given);
    for (const [name, property] of Object.entries(schema.properties ?? {})) {
      if (isId(name, resolveSchema(document, property))) found.push({ in: "body", name });
      else look(property);
    }
    for (const inner of [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])]) look(inner);
    if (schema.items) look(schema.items);
  };
  if (operation.body) look(operation.body);
  return found.map((place) => {
    const kind = ID_KINDS[`${place.in} ${place.name}`];
    if (kind === undefined)
      throw new Error(`isolation.test.ts does not know what "${place.in} ${place.name}" of ${operation.id} names`);
    return { ...place, kind };
  });
}

/** A session of another's is one that is not there, and begins. */
const BEGINS = "appendToSession";

/** Those that name something that is there already. */
function existingPlaces(document: Parameters<typeof resolveSchema>[0], operation: ApiOperation): IdPlace[] {
  if (operation.id === BEGINS) return [];
  return idPlaces(document, operation).filter(({ kind }) => kind !== "new" && kind !== "apart");
}

function isId(name: string, schema: SchemaObject): boolean {
  return schema.pattern === ID_PATTERN.source || /(^|_)id$|Id$/.test(name);
}

async function request(
  services: Services,
  user: string,
  operation: ApiOperation,
  places: readonly IdPlace[],
  ids: Ids,
): Promise<Answer> {
  const valuesIn = (at: string): Record<string, string> =>
    Object.fromEntries(
      places.filter((place) => place.in === at).map(({ name, kind }) => [name, ids[kind as keyof Ids]]),
    );
  const query = new URLSearchParams(valuesIn("query")).toString();
  const sample = sampleBody(operation);
  const body = sample && { ...sample, ...valuesIn("body") };
  return services.call(user, operation.method, `${fillPath(operation, valuesIn("path"))}${query && `?${query}`}`, body);
}

function expectSameAnswer(given: Answer, expected: Answer, operation: string): void {
  if (expected.status >= 400) {
    expectProblem(given);
    expectProblem(expected);
  }
  const withoutId = ({ json = {}, headers, status }: Answer): unknown => {
    const { request_id: _, ...body } = json;
    return { status, body, headers: [...headers].filter(([name]) => name !== "x-request-id") };
  };
  expect(withoutId(given), operation).toEqual(withoutId(expected));
}

function withoutTime(text: string): string {
  return text.replace(/"exported_at":"[^"]+"/, "");
}
