import fc from "fast-check";
import { pino } from "pino";
import { expect, onTestFinished } from "vitest";
import { legacyDictionary } from "../src/session-store/legacy-sessions.ts";
import { parityText, type SessionParity } from "../src/session-store/parity.ts";
import type { SessionStoreFailure } from "../src/session-store/dual-write.ts";
import type { SessionStore } from "../src/session-store/session-store.ts";
import { cachedAs } from "../src/domain/session.ts";
import { toSessionRef } from "../src/service/sessions.ts";
import { resolveUser } from "../src/service/users.ts";
import { type ChatMessage, type ChatSession, user } from "./chat-session.ts";
import { createServices, newSchema, type Services, test } from "./services.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";

/** Breaks a table of PostgreSQL's, really. @returns what mends it */
async function breakTable({ deps: { db } }: Services, table: string): Promise<() => Promise<void>> {
  await db.pool.query(`alter table ${table} rename to away`);
  return async () => void (await db.pool.query(`alter table away rename to ${table}`));
}

test("legacy-first reads the dictionary and writes both, as the app's own code would have", async ({ services }) => {
  const SESSIONS: Record<string, ChatSession> = {};
  const sessions = services.sessionStore({ user: ADA, legacy: SESSIONS });
  await sessions.create("s");
  await sessions.append("s", [user("Hi"), { role: "assistant", content: "Hello" }]);
  await sessions.updateContext("s", { city: "Rome" });
  const both = { messages: [user("Hi"), { role: "assistant", content: "Hello" }], context: { city: "Rome" } };
  expect(SESSIONS).toEqual({ s: { ...both, created_at: expect.any(Date) } });
  expect(await sessions.with({ mode: "off" }).get("s")).toMatchObject(both);

  SESSIONS["s"]?.messages.push(user("Written past the store"));
  expect((await sessions.get("s"))?.messages).toHaveLength(3);
  expect((await sessions.get("s", { limit: 1 }))?.messages).toEqual([user("Written past the store")]);
  await sessions.clear("s");
  expect(SESSIONS).toEqual({});
  expect(await sessions.with({ mode: "off" }).get("s")).toBeUndefined();
});

test("backscroll-first reads Backscroll and writes both", async ({ services }) => {
  const SESSIONS: Record<string, ChatSession> = {};
  const sessions = services.sessionStore({ user: ADA, legacy: SESSIONS, mode: "backscroll-first" });
  await sessions.append("s", user("Hi"));
  await sessions.setContext("s", { city: "Rome" });
  expect(SESSIONS["s"]).toMatchObject({ messages: [user("Hi")], context: { city: "Rome" } });
  SESSIONS["s"]?.messages.push(user("Written past the store"));
  expect((await sessions.get("s"))?.messages).toEqual([user("Hi")]);
});

test("the messages that are read are a list of the caller's own", async ({ services }) => {
  const kept: ChatSession = { messages: [user("Hi")], context: {} };
  const legacy = { ...legacyDictionary<ChatMessage>({}), read: () => ({ ...kept, createdAt: null }) };
  const sessions = services.sessionStore<ChatMessage>({ user: ADA, legacy });
  (await sessions.get("s"))?.messages.push(user("For the model alone"));
  expect(kept.messages).toEqual([user("Hi")]);
});

test("with `off` the dictionary is left alone", async ({ services }) => {
  const SESSIONS: Record<string, ChatSession> = {};
  const sessions = services.sessionStore({ user: ADA, legacy: SESSIONS, mode: "off" });
  await sessions.append("s", user("Hi"));
  expect(SESSIONS).toEqual({});
  expect(sessions.counts).toMatchObject({ writes: 1, compared: 0 });
});

test("one endpoint moves at a time, and moves back, and no message is missed", async ({ services }) => {
  const SESSIONS: Record<string, ChatSession> = {};
  const old = services.sessionStore({ user: ADA, legacy: SESSIONS });
  const moved = old.with({ mode: "backscroll-first" });
  await old.append("s", user("1"));
  expect((await moved.get("s"))?.messages).toEqual([user("1")]);
  await moved.append("s", user("2"));
  expect((await old.get("s"))?.messages).toEqual([user("1"), user("2")]);
  await old.append("s", user("3"));
  expect(await old.parityOf("s")).toMatchObject({ same: true, legacyMessages: 3, backscrollMessages: 3 });
});

test("the dictionary has a legacy-first message at once, before Backscroll does", async ({ services }) => {
  const SESSIONS: Record<string, ChatSession> = {};
  const sessions = services.sessionStore({ user: ADA, legacy: SESSIONS });
  const appended = [sessions.append("s", user("1")), sessions.append("s", user("2"))];
  expect(SESSIONS["s"]?.messages).toEqual([user("1"), user("2")]);
  await Promise.all(appended);
  expect((await sessions.with({ mode: "off" }).get("s"))?.messages).toEqual([user("1"), user("2")]);
});

test("legacy-first goes on while Backscroll fails: it is counted and told, and brought over later", async ({
  services,
}) => {
  const SESSIONS: Record<string, ChatSession> = {};
  const failures: SessionStoreFailure[] = [];
  const sessions = services.sessionStore({
    user: ADA,
    legacy: SESSIONS,
    onFailure: (failure) => failures.push(failure),
  });
  await sessions.append("s", user("1"));
  const mend = await breakTable(services, "sessions");
  await sessions.updateContext("s", { a: 1 });
  await sessions.create("t");
  await sessions.append("t", user("only there"));
  expect((await sessions.get("t"))?.messages).toEqual([user("only there")]);
  expect(failures.map(({ side, operation, sessionId }) => [side, operation, sessionId])).toEqual([
    ["backscroll", "updateContext", "s"],
    ["backscroll", "create", "t"],
    ["backscroll", "append", "t"],
  ]);
  expect(sessions.counts).toMatchObject({ writes: 4, backscrollFailures: 3, legacyFailures: 0 });
  await mend();

  expect(await sessions.parity()).toMatchObject({ sessions: 2, mismatched: 2, missing: 1, contextDifferences: 1 });
  expect(await sessions.backfill()).toEqual({ sessions: 2, copied: 1, refused: 0, diverged: [] });
  expect(await sessions.parity()).toMatchObject({ sessions: 2, same: 2 });
  expect(await sessions.backfill()).toEqual({ sessions: 2, copied: 0, refused: 0, diverged: [] });
});

test("a session that Backscroll could not clear is cleared with its next write: nothing of it comes back", async ({
  services,
}) => {
  const sessions = services.sessionStore<ChatMessage>({ user: ADA, legacy: {} });
  await sessions.append("s", user("old"));
  await sessions.setContext("s", { old: true });
  const mend = await breakTable(services, "sessions");
  await sessions.clear("s");
  expect(await sessions.get("s")).toBeUndefined();
  await mend();
  expect(sessions.counts).toMatchObject({ backscrollFailures: 1 });
  await sessions.append("s", user("new"));
  expect(await sessions.with({ mode: "off" }).get("s")).toMatchObject({ messages: [user("new")], context: {} });
  expect((await services.conversations.listUserConversations(ADA)).pagination.total).toBe(2);
});

test("a message that Backscroll refuses is in the dictionary all the same, and told", async ({ services }) => {
  const SESSIONS: Record<string, ChatSession> = {};
  const failures: SessionStoreFailure[] = [];
  const sessions = services.sessionStore({
    user: ADA,
    legacy: SESSIONS,
    onFailure: (failure) => failures.push(failure),
  });
  await sessions.append("s", { role: "narrator", content: "Once upon a time" });
  await sessions.append("s", user("\u0000"));
  expect(SESSIONS["s"]?.messages).toHaveLength(2);
  expect(failures).toMatchObject([{ error: { code: "invalid_request" } }, { error: { code: "invalid_request" } }]);
});

test("legacy-first waits for a Backscroll that hangs no longer than its deadline, and it is written later", async ({
  services,
}) => {
  const SESSIONS: Record<string, ChatSession> = {};
  const sessions = services.sessionStore({ user: ADA, legacy: SESSIONS, deadlineMs: 20 });
  const lock = await services.deps.db.pool.connect();
  await lock.query("begin; lock table messages in access exclusive mode");
  await sessions.append("s", user("1"));
  await sessions.append("s", user("2"));
  expect(sessions.counts).toMatchObject({ writes: 2, late: 2, backscrollFailures: 0 });
  await lock.query("commit");
  lock.release();
  await sessions.settled();
  expect(await sessions.parityOf("s")).toMatchObject({ same: true, backscrollMessages: 2 });
});

test("backscroll-first fails with Backscroll, and leaves the dictionary as it was", async ({ services }) => {
  const SESSIONS: Record<string, ChatSession> = {};
  const sessions = services.sessionStore({ user: ADA, legacy: SESSIONS, mode: "backscroll-first" });
  const mend = await breakTable(services, "sessions");
  await expect(sessions.append("s", user("1"))).rejects.toThrow('relation "sessions" does not exist');
  expect(SESSIONS).toEqual({});
  await mend();
  await sessions.append("s", user("1"));
  const mendAgain = await breakTable(services, "sessions");
  await services.deps.cache.changed(
    cachedAs(toSessionRef({ userId: await resolveUser(services.deps, ADA), sessionId: "s" })),
  );
  await expect(sessions.clear("s")).rejects.toThrow('relation "sessions" does not exist');
  await mendAgain();
  await sessions.append("s", user("2"));
  expect((await sessions.get("s"))?.messages).toEqual([user("1"), user("2")]);
  expect(await sessions.parity()).toMatchObject({ sessions: 1, same: 1 });
});

test("backscroll-first goes on while the dictionary fails; by default that is logged, without what was written", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const lines: string[] = [];
  const logger = pino({ base: null }, { write: (line: string) => void lines.push(line) });
  const services = await createServices({ databaseUrl, logger });
  onTestFinished(() => services.close());
  const broken = {
    ...legacyDictionary<ChatMessage>({}),
    async read(): Promise<never> {
      throw new Error("the dictionary is away");
    },
    append() {
      throw new Error("the dictionary is full");
    },
  };
  const sessions = services.sessionStore<ChatMessage>({ user: ADA, legacy: broken, mode: "backscroll-first" });
  await sessions.append("my-secret-session", user("my secret"));
  expect((await sessions.get("my-secret-session"))?.messages).toEqual([user("my secret")]);
  expect(sessions.counts).toMatchObject({ legacyFailures: 2 });
  const told = lines.filter((line) => line.includes("kept in both places"));
  expect(told).toHaveLength(2);
  expect(told[1]).toContain('"operation":"append"');
  expect(lines.join("")).not.toContain("secret");
});

test("legacy-first fails with the dictionary, and Backscroll is left as it was", async ({ services }) => {
  const dictionary = legacyDictionary<ChatMessage>({});
  let isFull = true;
  const legacy = {
    ...dictionary,
    async append(id: string, messages: readonly ChatMessage[]): Promise<void> {
      if (isFull) throw new Error("the dictionary is full");
      await dictionary.append(id, messages);
    },
  };
  const sessions = services.sessionStore<ChatMessage>({ user: ADA, legacy });
  await expect(sessions.append("s", user("1"))).rejects.toThrow("the dictionary is full");
  await sessions.settled();
  expect(await sessions.with({ mode: "off" }).get("s")).toBeUndefined();
  isFull = false;
  await sessions.append("s", user("2"));
  expect(await sessions.parityOf("s")).toMatchObject({ same: true, backscrollMessages: 1 });
  expect(sessions.counts).toMatchObject({ legacyFailures: 0, backscrollFailures: 0 });
});

test("a restart empties the dictionary, which is told as forgotten and is no mismatch", async ({ services }) => {
  const before = services.sessionStore<ChatMessage>({ user: ADA, legacy: {} });
  await before.append("s", [user("1"), user("2")]);
  await before.setContext("s", { a: 1 });
  const after = services.sessionStore<ChatMessage>({ user: ADA, legacy: {} });
  expect(await after.get("s")).toBeUndefined();
  await after.append("s", user("3"));
  expect((await after.get("s"))?.messages).toEqual([user("3")]);
  expect(await after.parityOf("s")).toMatchObject({ same: true, forgotten: 2 });
  expect((await after.with({ mode: "backscroll-first" }).get("s"))?.messages).toEqual([
    user("1"),
    user("2"),
    user("3"),
  ]);
});

test("a session that diverged is left as it is, or begins anew with what the dictionary has", async ({ services }) => {
  const SESSIONS: Record<string, ChatSession> = {};
  const sessions = services.sessionStore({ user: ADA, legacy: SESSIONS });
  await sessions.append("s", [user("1"), user("2"), user("3")]);
  SESSIONS["s"]?.messages.splice(1, 1, user("two"));
  expect(await sessions.backfillOf("s")).toEqual({ sessions: 1, copied: 0, refused: 0, diverged: ["s"] });
  expect(await sessions.backfillOf("s", { replace: true })).toEqual({
    sessions: 1,
    copied: 3,
    refused: 0,
    diverged: [],
  });
  expect(await sessions.parityOf("s")).toMatchObject({ same: true, backscrollMessages: 3, forgotten: 0 });
  expect((await services.conversations.listUserConversations(ADA)).pagination.total).toBe(2);
});

test("a session from before both were written is brought over whole with its next write, whatever the mode", async ({
  services,
}) => {
  const legacy: Record<string, ChatSession> = {};
  const sessions = services.sessionStore({ user: ADA, legacy });
  for (const mode of ["legacy-first", "backscroll-first"] as const) {
    legacy[mode] = { messages: [user("1"), { role: "narrator", content: "Once" }, user("2")], context: { a: 1 } };
    await sessions.with({ mode }).append(mode, user("3"));
    expect(await sessions.with({ mode: "off" }).get(mode)).toMatchObject({
      messages: [user("1"), user("2"), user("3")],
      context: { a: 1 },
    });
  }
  expect(sessions.counts).toMatchObject({ backscrollFailures: 2 });
  legacy["large"] = { messages: [user("1")], context: { a: "x".repeat(300_000) } };
  await sessions.append("large", user("2"));
  expect(await sessions.parityOf("large")).toMatchObject({ missing: 0, contextKeys: ["a"], backscrollMessages: 2 });
  expect(sessions.counts).toMatchObject({ backscrollFailures: 3 });
  legacy["context"] = { messages: [user("1")], context: { a: 1 } };
  await sessions.updateContext("context", { b: 1 });
  expect(await sessions.parityOf("context")).toMatchObject({ same: true, backscrollMessages: 1 });
});

test("what Backscroll missed comes in its place with a write that began before that one failed", async ({
  services,
}) => {
  const sessions = services.sessionStore<ChatMessage>({ user: ADA, legacy: {}, deadlineMs: 20 });
  await sessions.append("s", user("1"));
  await sessions.settled();
  const lock = await services.deps.db.pool.connect();
  await lock.query("begin; lock table messages in access exclusive mode");
  await sessions.append("s", user("2"));
  await sessions.append("s", user("3"));
  const cancelWaiting = async (): Promise<number | null> => {
    const { rowCount } = await lock.query(
      "select pg_cancel_backend(pid) from pg_locks where relation = 'messages'::regclass and not granted",
    );
    return rowCount;
  };
  await expect.poll(cancelWaiting).toBe(1);
  await expect.poll(() => sessions.counts.backscrollFailures).toBe(1);
  await lock.query("commit");
  lock.release();
  await sessions.settled();
  expect(await sessions.parityOf("s")).toMatchObject({ same: true, backscrollMessages: 3 });
  expect((await sessions.with({ mode: "off" }).get("s"))?.messages).toEqual([user("1"), user("2"), user("3")]);
  expect(sessions.counts).toMatchObject({ backscrollFailures: 1 });
});

test("what Backscroll missed while it failed comes with the session's next write, in its place", async ({
  services,
}) => {
  const sessions = services.sessionStore<ChatMessage>({ user: ADA, legacy: {} });
  await sessions.append("s", user("1"));
  const mend = await breakTable(services, "messages");
  await sessions.append("s", user("2"));
  await sessions.append("s", user("3"));
  await mend();
  expect(await sessions.parityOf("s")).toMatchObject({ missing: 2 });
  await sessions.append("s", user("4"));
  expect(await sessions.parityOf("s")).toMatchObject({ same: true, backscrollMessages: 4 });
  expect(sessions.counts).toMatchObject({ backscrollFailures: 2 });
});

test("sessions from before both were written are brought over while others go on", async ({ services }) => {
  const SESSIONS: Record<string, ChatSession> = {
    a: { messages: [user("a1"), user("a2")], context: { x: 1 } },
    b: { messages: Array.from({ length: 150 }, (_, i) => user(String(i))), context: {} },
    c: { messages: [], context: {} },
  };
  const sessions = services.sessionStore({ user: ADA, legacy: SESSIONS });
  await Promise.all([sessions.backfill(), sessions.append("d", user("d1")), sessions.append("a", user("a3"))]);
  await sessions.backfill();
  const report = await sessions.parity();
  expect(parityText(report)).toContain("4 sessions compared: 4 the same, 0 mismatched");
});

test("a dictionary of many people's sessions is compared and brought over by whose they are", async ({ services }) => {
  const SESSIONS: Record<string, ChatSession> = {
    a: { messages: [user("a")], context: { email: ADA } },
    b: { messages: [user("b")], context: { email: BOB } },
  };
  const sessions = services.sessionStore({ user: "nobody@example.com", legacy: SESSIONS });
  const userOf = (id: string): string => String(SESSIONS[id]?.context["email"]);
  expect(await sessions.parity({ userOf })).toMatchObject({ mismatched: 2 });
  expect(await sessions.backfill({ userOf })).toMatchObject({ sessions: 2, copied: 2 });
  expect(await sessions.parity({ userOf })).toMatchObject({ same: 2 });
  expect((await sessions.with({ user: BOB, mode: "off" }).get("b"))?.messages).toEqual([user("b")]);
  expect(await sessions.with({ user: BOB, mode: "off" }).get("a")).toBeUndefined();
});

test("shadow reads tell of what differs, and of nothing else", async ({ services }) => {
  const SESSIONS: Record<string, ChatSession> = {};
  const told: SessionParity[] = [];
  const onMismatch = (parity: SessionParity): void => void told.push(parity);
  const sessions = services.sessionStore({ user: ADA, legacy: SESSIONS, shadowReads: 1, onMismatch });
  await sessions.append("s", user("1"));
  await sessions.get("s");
  await sessions.settled();
  await sessions.getContext("s");
  await sessions.settled();
  expect(told).toEqual([]);
  SESSIONS["s"]?.messages.push(user("past the store"));
  await sessions.get("s");
  await sessions.settled();
  expect(told).toMatchObject([{ sessionId: "s", missing: 1, same: false }]);
  expect(sessions.counts).toMatchObject({ compared: 3, mismatched: 1, backscrollFailures: 0 });
});

test("a shadow read that fails is counted, and its request is not", async ({ services }) => {
  const failures: SessionStoreFailure[] = [];
  const onFailure = (failure: SessionStoreFailure): void => void failures.push(failure);
  const legacy: Record<string, ChatSession> = { s: { messages: [user("1")], context: {} } };
  const sessions = services.sessionStore({ user: ADA, legacy, shadowReads: 1, onFailure });
  const mend = await breakTable(services, "sessions");
  expect((await sessions.get("s"))?.messages).toEqual([user("1")]);
  await sessions.settled();
  await mend();
  expect(failures).toMatchObject([{ side: "backscroll", operation: "shadowRead", sessionId: "s" }]);
});

test("an onFailure that throws fails no request", async ({ services }) => {
  const onFailure = (): void => {
    throw new Error("the host's own");
  };
  const sessions = services.sessionStore<ChatMessage>({ user: ADA, legacy: {}, onFailure });
  await sessions.append("s", { role: "narrator", content: "Once" });
  expect(sessions.counts).toMatchObject({ backscrollFailures: 1 });
});

test("comparing while both modes write finds no difference that is none", async ({ services }) => {
  const told: SessionParity[] = [];
  const first = services.sessionStore<ChatMessage>({
    user: ADA,
    legacy: {},
    shadowReads: 1,
    onMismatch: (parity) => told.push(parity),
  });
  const stores = [first, first.with({ mode: "backscroll-first" })];
  await Promise.all(
    Array.from({ length: 60 }, async (_, i) => {
      const store = stores[Math.floor(i / 20) % 2] as SessionStore<ChatMessage>;
      await (i % 3 === 0 ? store.get("s") : store.append("s", user(String(i))));
    }),
  );
  await first.settled();
  expect(told.filter(({ missing, extra, different }) => missing + extra + different > 0)).toEqual([]);
  expect(await first.parityOf("s")).toMatchObject({ missing: 0, extra: 0, different: 0, legacyMessages: 40 });
});

test("a message that is sent again under its id is once in both", async ({ services }) => {
  const SESSIONS: Record<string, { messages: { id: string; role: string }[] }> = {};
  const sessions = services.sessionStore({ user: ADA, legacy: SESSIONS });
  const message = { id: "m1", role: "user", content: "Hi" };
  await sessions.append("s", message);
  await sessions.append("s", message);
  expect(SESSIONS["s"]?.messages).toEqual([message]);
  expect(await sessions.parityOf("s")).toMatchObject({ same: true, backscrollMessages: 1 });
});

test("a list of all ids comes from where sessions are read", async ({ services }) => {
  const sessions = services.sessionStore<ChatMessage>({ user: ADA, legacy: { old: { messages: [], context: {} } } });
  await sessions.append("new", user("1"));
  const idsOf = async (store: SessionStore<ChatMessage>): Promise<string[]> => {
    const ids: string[] = [];
    for await (const id of store.ids()) ids.push(id);
    return ids;
  };
  expect(await idsOf(sessions)).toEqual(["old", "new"]);
  expect(await idsOf(sessions.with({ mode: "off" }))).toEqual(["new"]);
});

test("an option that is wrong is named", async ({ services }) => {
  const store = (options: object) => () => services.sessionStore({ user: ADA, ...options });
  expect(store({ mode: "legacy-first" })).toThrow("needs a `legacy` dictionary");
  expect(store({ legacy: {}, mode: "shadow" })).toThrow("mode must be");
  expect(store({ legacy: {}, shadowReads: 20 })).toThrow("shadowReads");
  await expect(services.sessionStore({ user: ADA }).parityOf("s")).rejects.toThrow("no `legacy` dictionary");
});

type Step = readonly [operation: string, session: string, value: number];

/** What the app did before: the guide's helpers. */
function inDictionary(sessions: Record<string, ChatSession>, [operation, id, value]: Step): void {
  const begin = (): ChatSession => (sessions[id] ??= { messages: [], context: {} });
  if (operation === "create") begin();
  if (operation === "append") begin().messages.push(user(String(value)));
  if (operation === "update") begin().context[`k${value}`] = value;
  if (operation === "set") begin().context = { only: value };
  if (operation === "clear") Reflect.deleteProperty(sessions, id);
}

async function inStore(store: SessionStore<ChatMessage>, [operation, id, value]: Step): Promise<void> {
  if (operation === "create") await store.create(id);
  if (operation === "append") await store.append(id, user(String(value)));
  if (operation === "update") await store.updateContext(id, { [`k${value}`]: value });
  if (operation === "set") await store.setContext(id, { only: value });
  if (operation === "clear") await store.clear(id);
}

test("whatever is done to it, a store in every mode is as the dictionary was", async ({ services }) => {
  const step = fc.tuple(
    fc.constantFrom("create", "append", "append", "append", "update", "set", "clear"),
    fc.constantFrom("a", "b"),
    fc.nat(3),
  );
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      run += 1;
      const expected: Record<string, ChatSession> = {};
      const legacy = services.sessionStore<ChatMessage>({ user: `${run}@example.com`, legacy: {} });
      const stores = [legacy, services.sessionStore<ChatMessage>({ user: `only-${run}@example.com` })];
      for (const [index, each] of steps.entries()) {
        inDictionary(expected, each);
        await inStore(index % 3 === 0 ? legacy : legacy.with({ mode: "backscroll-first" }), each);
        await inStore(stores[1] as SessionStore<ChatMessage>, each);
      }
      for (const store of [...stores, legacy.with({ mode: "backscroll-first" })]) {
        for (const id of ["a", "b"]) {
          const found = await store.get(id);
          expect(found && { messages: found.messages, context: found.context }).toEqual(expected[id]);
          expect(await store.has(id)).toBe(id in expected);
        }
      }
      expect(await legacy.parity()).toMatchObject({ mismatched: 0, forgotten: 0 });
    }),
    { numRuns: 15 },
  );
});
