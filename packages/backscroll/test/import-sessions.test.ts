import fc from "fast-check";
import { expect } from "vitest";
import { LIMITS } from "../src/domain/limits.ts";
import { timeZone } from "../src/domain/session-time.ts";
import {
  ADA,
  BOB,
  importDump,
  inPieces,
  messagesOf,
  type SessionsMessage,
  timesOf,
  WRITTEN_AT,
} from "./import-sessions-fixture.ts";
import { isReadRight, jsonValue } from "./json-value.ts";
import { test } from "./services.ts";

const user = (content: unknown, more: object = {}): SessionsMessage => ({ role: "user", content, ...more });
const bot = (content: unknown, more: object = {}): SessionsMessage => ({ role: "assistant", content, ...more });

const CHAT = [user("Hi"), bot("Hello", { sources: [{ page: 1 }], score: null })];

const SHAPES: Record<string, string> = {
  "an object of sessions": JSON.stringify({
    s: { messages: CHAT, context: { city: "Rome" }, created_at: "2026-01-02" },
  }),
  "pairs of a Map": JSON.stringify([
    ["s", { context: { city: "Rome" }, messages: CHAT, createdAt: "2026-01-02T00:00:00.000Z" }],
  ]),
  "a byte order mark, and white space": `\ufeff\n ${JSON.stringify({ s: { created_at: "2026-01-02 00:00:00", messages: CHAT, context: { city: "Rome" } } }, null, 2)}\n`,
};

test.for(Object.entries(SHAPES))("%s comes back as it was", async ([, dump], { services }) => {
  const result = await importDump(services, dump);
  expect(result).toMatchObject({ sessionsCreated: 1, sessionsExisting: 0, messagesSaved: 2, failed: 0, errors: [] });
  const session = await services.sessionStore<SessionsMessage>({ user: ADA }).get("s");
  expect(session).toEqual({
    messages: CHAT,
    context: { city: "Rome" },
    createdAt: new Date("2026-01-02T00:00:00.000Z"),
    hasMore: false,
  });
});

test("a bare list of messages is a session, and so is one without messages", async ({ services }) => {
  const dump = { list: CHAT, empty: [], none: { messages: null, context: { a: 1 } }, context: { context: {} } };
  expect(await importDump(services, JSON.stringify(dump))).toMatchObject({ sessionsCreated: 4, failed: 0 });
  expect(await messagesOf(services, "list")).toEqual(CHAT);
  expect(await messagesOf(services, "empty")).toEqual([]);
  expect(await services.sessionStore({ user: ADA }).getContext("none")).toEqual({ a: 1 });
});

test("an imported session is found by the API, and a turn goes on in it", async ({ services }) => {
  await importDump(
    services,
    JSON.stringify({ "tab-7": { messages: [user("Where to eat?")], model: "gpt", plan: null } }),
  );
  const { json: session } = await services.call(ADA, "GET", "/api/sessions/tab-7");
  const { json: turn } = await services.call(ADA, "POST", "/api/chat", {
    message: "And to drink?",
    session_id: "tab-7",
  });
  expect(turn.conversation_id).toBe(session.conversation_id);
  const { json: conversation } = await services.call(ADA, "GET", `/api/conversations/${session.conversation_id}`);
  expect(conversation).toMatchObject({
    title: "Where to eat?",
    message_count: 3,
    metadata: { model: "gpt", plan: null },
  });
});

test("what a Python dump has that JSON has not is taken, and counted", async ({ services }) => {
  const dump = `{"s": {"messages": [{"role": "user", "content": "NaN, -Infinity", "score": NaN, "n": [-Infinity, Infinity,1e999]},
    {"role": "user", "content": null, "id": 1234567890123456789}], "context": {"x": NaN}, "created_at": "2024-05-01 12:34:56.789012"}}`;
  for (const size of [1, 7, 1_000]) {
    const result = await importDump(services, inPieces(dump, size));
    expect(result).toMatchObject({ failed: 0, naiveTimes: 1, numbers: { nonFinite: 5, inexact: 1 } });
  }
  expect(await messagesOf(services, "s")).toEqual([
    { role: "user", content: "NaN, -Infinity", score: null, n: [null, null, null] },
    { role: "user", content: null, id: 1234567890123456800 },
  ]);
  expect(await timesOf(services, "s")).toEqual(["2024-05-01T12:34:56.789Z", "2024-05-01T12:34:56.789Z"]);
});

test("messages have the times that they say, or their predecessor's, or their session's, or the dump's", async ({
  services,
}) => {
  const dump = {
    said: [
      user("a", { timestamp: "2024-05-01 12:00:00" }),
      bot("b"),
      user("c", { ts: 1_714_600_000 }),
      bot("d", { createdAt: 1_714_600_000_500 }),
      user("e", { time: 2.5, date: "2024-05-03T00:00:00+02:00" }),
      bot("backwards", { created_at: "2024-05-02T00:00:00Z" }),
      user("g", { timestamp: "yesterday" }),
      user("h", { timestamp: "9999-01-01" }),
    ],
    session: { messages: [user("a"), user("b", { date: "2024-05-05" })], created_at: "2024-05-04 00:00:00" },
    none: [user("a")],
  };
  const result = await importDump(services, JSON.stringify(dump), { zone: timeZone("Europe/Rome") });
  expect(result).toMatchObject({ failed: 0, naiveTimes: 3, unreadableTimes: 2 });
  expect(await timesOf(services, "said")).toEqual([
    "2024-05-01T10:00:00.000Z",
    "2024-05-01T10:00:00.000Z",
    "2024-05-01T21:46:40.000Z",
    "2024-05-01T21:46:40.500Z",
    "2024-05-02T22:00:00.000Z",
    "2024-05-02T22:00:00.000Z",
    "2024-05-02T22:00:00.000Z",
    "2024-05-02T22:00:00.000Z",
  ]);
  expect(await timesOf(services, "session")).toEqual(["2024-05-03T22:00:00.000Z", "2024-05-04T22:00:00.000Z"]);
  expect(await timesOf(services, "none")).toEqual([WRITTEN_AT.toISOString()]);
});

test("a time that is still to come, as one of another zone, is now: for the session and what is said next", async ({
  services,
}) => {
  const ahead = new Date(Date.now() + 9 * 3_600_000).toISOString().slice(0, 19).replace("T", " ");
  const dump = {
    s: { messages: [user("a", { timestamp: ahead })], created_at: ahead },
    list: [user("a", { ts: ahead })],
  };
  await importDump(services, JSON.stringify(dump));
  await services.sessionStore<SessionsMessage>({ user: ADA }).append("s", bot("b"));
  const { rows } = await services.deps.db.pool.query(`
    select count(*) as ahead from (
      select created_at from messages union all select created_at from sessions
      union all select created_at from conversations union all select updated_at from conversations
    ) as times where created_at > now()`);
  expect(rows).toEqual([{ ahead: "0" }]);
  expect(await messagesOf(services, "s")).toEqual([user("a", { timestamp: ahead }), bot("b")]);
});

test("each session goes to whom it names, wherever it does; one that names nobody is told", async ({ services }) => {
  const dump = {
    behind: { messages: [user("a")], context: { user: { email: ADA } } },
    before: { context: { user: { email: BOB } }, messages: [user("b")] },
    none: { messages: [user("c")], context: {} },
    number: { messages: [user("c")], context: { user: { email: 5 } } },
    list: [user("c")],
  };
  const result = await importDump(services, JSON.stringify(dump), { owner: { path: ["context", "user", "email"] } });
  expect(await messagesOf(services, "behind")).toEqual([user("a")]);
  expect(await messagesOf(services, "before", BOB)).toEqual([user("b")]);
  expect(await messagesOf(services, "before")).toBeUndefined();
  expect(result.errors).toEqual(
    ["none", "number", "list"].map((sessionId, index) => ({
      sessionId,
      session: index + 2,
      message: null,
      code: "invalid_request",
      detail: "it has no text in context.user.email; none of its 1 messages was imported",
    })),
  );
});

test("what Backscroll cannot keep is told where it is, and keeps nothing else from being imported", async ({
  services,
}) => {
  const deep = JSON.parse(`${"[".repeat(200)}${"]".repeat(200)}`) as unknown;
  const dump = [
    ["null", null],
    ["text", "Hi"],
    ["history", { history: [] }],
    ["no list", { messages: "Hi" }],
    [
      "messages",
      {
        messages: [
          user("a"),
          "Hi",
          null,
          { role: "narrator", content: "x" },
          user("\u0000"),
          user("\ud800"),
          user(deep),
          user("b"),
        ],
      },
    ],
    ["context", { messages: [user("a")], context: { big: "x".repeat(LIMITS.sessionContextBytesMax) } }],
    ["", [user("a")]],
    ["\u0000", [user("a")]],
    [["id"], [user("a")]],
    ["alone"],
    "no pair",
    ["stray", { messages: [user("a")], nul: "\u0000" }],
    ["messages", [user("other")]],
    ["ids", [user("a", { id: "1" }), user("a", { id: "1" }), user("b", { id: "1" })]],
  ];
  const { errors, ...result } = await importDump(services, JSON.stringify(dump));
  expect(
    errors
      .map(({ sessionId, session, message, code }) => [sessionId, session, message, code])
      .toSorted((a, b) => Number(a[1]) - Number(b[1]) || Number(a[2]) - Number(b[2])),
  ).toEqual([
    ["null", 0, null, "invalid_request"],
    ["text", 1, null, "invalid_request"],
    ["history", 2, null, "invalid_request"],
    ["no list", 3, null, "invalid_request"],
    ["messages", 4, 1, "invalid_request"],
    ["messages", 4, 2, "invalid_request"],
    ["messages", 4, 3, "invalid_request"],
    ["messages", 4, 4, "invalid_request"],
    ["messages", 4, 5, "invalid_request"],
    ["messages", 4, 6, "message_too_large"],
    ["context", 5, null, "invalid_request"],
    ["", 6, null, "invalid_request"],
    ["\u0000", 7, null, "invalid_request"],
    [null, 8, null, "invalid_request"],
    ["alone", 9, null, "invalid_request"],
    [null, 10, null, "invalid_request"],
    ["stray", 11, null, "invalid_request"],
    ["messages", 12, null, "duplicate_session"],
    ["ids", 13, 2, "message_id_conflict"],
  ]);
  expect(result).toMatchObject({ failed: errors.length, sessionsCreated: 4, messagesSaved: 5, messagesSkipped: 1 });
  expect(await messagesOf(services, "messages")).toEqual([user("a"), user("b")]);
  expect(await messagesOf(services, "context")).toEqual([user("a")]);
  expect(await messagesOf(services, "stray")).toEqual([user("a")]);

  const again = await importDump(services, JSON.stringify(dump));
  expect(again).toMatchObject({
    failed: errors.length,
    sessionsCreated: 0,
    sessionsExisting: 4,
    messagesSaved: 0,
    messagesSkipped: 6,
  });
});

test.for([
  ["cut off in a text", '{"a": [{"role": "user", "content": "x"}], "b": [{"role": "us', /breaks off after 60 bytes/],
  ["cut off between sessions", '{"a": [{"role": "user", "content": "x"}], ', /breaks off/],
  ["no JSON", '{"a": [{"role": "user", "content": "x"}], b: 5}', /not JSON in UTF-8 near byte 42/],
  [
    "Latin-1",
    Buffer.from('{"a": [{"role": "user", "content": "x"}], "\xe9": [], "c": []}', "latin1"),
    /not JSON in UTF-8 near byte \d+/,
  ],
  ["with something behind", '{"a": [{"role": "user", "content": "x"}]} {}', /not JSON in UTF-8 near byte 42/],
] as const)(
  "a dump that is %s is refused with the place, and what came before is stored",
  async ([, dump, told], { services }) => {
    await expect(importDump(services, dump)).rejects.toThrow(
      expect.objectContaining({ code: "malformed_json", message: expect.stringMatching(told) }),
    );
    expect(await messagesOf(services, "a")).toEqual([user("x")]);
  },
);

test.for([
  ["nothing", "", /it is empty/],
  ["a number", "5 ", /no dictionary/],
  ["what PowerShell writes", Buffer.from("\ufeff{}", "utf16le"), /UTF-16/],
] as const)("%s is no dump", async ([, dump, told], { services }) => {
  await expect(importDump(services, dump)).rejects.toThrow(told);
});

test("an import that cannot go on does not wait for what is still to be written", async ({ services }) => {
  async function* unfinished(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('{"a": null, "b": [');
    await new Promise(() => undefined);
  }
  const onError = (): never => {
    throw new Error("the disk is full");
  };
  await expect(importDump(services, unfinished(), { onError })).rejects.toThrow("the disk is full");
});

test("any dictionary that JSON can hold comes back as it was, and a second time adds nothing", async ({ services }) => {
  const message = fc.record(
    {
      role: fc.constantFrom("user", "assistant", "system", "tool", "human"),
      content: fc.oneof(
        fc.string({ unit: "binary" }).map((text) => text.replaceAll("\u0000", "")),
        jsonValue(),
        fc.constant(null),
      ),
      timestamp: fc.constantFrom("2024-05-01 12:34:56.789012", 1_714_600_000, "x"),
      id: fc.constantFrom("m1", "m2", 3),
      extra: jsonValue(),
    },
    { requiredKeys: ["role", "content"] },
  );
  const isKept = (value: unknown): boolean =>
    !JSON.stringify(value).includes("\\u0000") && JSON.stringify(value).isWellFormed();
  const messages = fc.uniqueArray(message, {
    maxLength: 8,
    selector: (each) => (typeof each.id === "string" ? each.id : Symbol("no id")),
  });
  const context = fc.dictionary(fc.string(), jsonValue()).filter(isReadRight);
  const session = fc.oneof(messages, fc.record({ messages, context }));
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(session, { maxLength: 5 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 300 }),
      async (list, isMap, size) => {
        run += 1;
        const sessions = list.filter(isKept).map((each, index) => [`${run}-${index}`, each] as const);
        const text = JSON.stringify(isMap ? sessions : Object.fromEntries(sessions));
        expect(await importDump(services, inPieces(text || "{}", size))).toMatchObject({
          failed: 0,
          sessionsCreated: sessions.length,
        });
        for (const [id, each] of JSON.parse(JSON.stringify(sessions)) as typeof sessions) {
          const wanted = Array.isArray(each) ? { messages: each, context: {} } : each;
          expect(await services.sessionStore<SessionsMessage>({ user: ADA }).get(id)).toMatchObject(wanted);
          expect(await messagesOf(services, id)).toEqual((wanted as { messages: object[] }).messages);
        }
        expect(await importDump(services, text)).toMatchObject({ messagesSaved: 0, sessionsCreated: 0, failed: 0 });
      },
    ),
    { numRuns: 40 },
  );
}, 120_000);

test("a session of many megabytes is imported in pieces, and again adds nothing", async ({ services }) => {
  const messages = Array.from({ length: 5_000 }, (_, n) => user(`${n} ${"x".repeat(1_000)}\u2028`));
  const dump = JSON.stringify({ s: { messages, context: { email: ADA } } });
  const owner = { path: ["context", "email"] };
  expect(await importDump(services, dump, { owner })).toMatchObject({ messagesSaved: 5_000, failed: 0 });
  expect(await messagesOf(services, "s")).toEqual(messages);
  expect(await importDump(services, dump, { owner })).toMatchObject({ messagesSaved: 0, messagesSkipped: 5_000 });
}, 60_000);

test("a service's cache and its user's other clients hear of an import", async ({ services }) => {
  const store = services.sessionStore<SessionsMessage>({ user: ADA });
  await store.append("s", user("a"));
  await store.get("s");
  await importDump(services, JSON.stringify({ s: { messages: [user("a"), user("b")], context: { city: "Rome" } } }));
  expect(await store.get("s")).toMatchObject({ messages: [user("a"), user("b")], context: { city: "Rome" } });
});
