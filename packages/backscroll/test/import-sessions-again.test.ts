import fc from "fast-check";
import { expect } from "vitest";
import { resolveUser } from "../src/service/users.ts";
import { messagesToAppend } from "../src/session-store/backfill.ts";
import { ADA, importDump, messagesOf, type SessionsMessage, storedRows } from "./import-sessions-fixture.ts";
import { createServices, newSchema, type Services, test } from "./services.ts";

/** A message for each letter. */
const says = (letters: string): SessionsMessage[] => letters.split("").map((content) => ({ role: "user", content }));
const dumpOf = (letters: string, more: object = {}): string =>
  JSON.stringify({ s: { messages: says(letters), ...more } });
const lettersOf = async (services: Services): Promise<string> =>
  ((await messagesOf(services, "s")) ?? []).map((message) => Reflect.get(message, "content") as string).join("");

test.for([
  ["abc", "abc", "abc", 0],
  ["abc", "abcde", "abcde", 2],
  ["abcde", "abc", "abcde", 0],
  ["abcde", "cde", "abcde", 0],
  ["abcde", "defg", "abcdefg", 2],
  ["aaa", "aaaa", "aaaa", 1],
] as const)("of a session that has %s, a dump of %s makes %s", async ([before, dump, after, saved], { services }) => {
  // As an app that writes both has it: messages of its own, with ids of their own.
  await services.sessionStore<SessionsMessage>({ user: ADA }).append("s", says(before));
  const result = await importDump(services, dumpOf(dump));
  expect(result).toMatchObject({ sessionsCreated: 0, sessionsExisting: 1, failed: 0, messagesSaved: saved });
  expect(result.messagesSkipped).toBe(dump.length - saved);
  expect(await lettersOf(services)).toBe(after);
});

test("what it does is what bringing over a dictionary does, unless both have nothing in common", async ({
  services,
}) => {
  const letters = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 6 }).map((all) => all.join(""));
  let run = 0;
  await fc.assert(
    fc.asyncProperty(letters, letters, async (dump, before) => {
      const id = `s${(run += 1)}`;
      const store = services.sessionStore<SessionsMessage>({ user: ADA });
      if (before !== "") await store.append(id, says(before));
      const isApart = dump !== "" && before !== "" && !dump.split("").some((letter) => before.includes(letter));
      const lacking = isApart ? null : messagesToAppend(says(dump), says(before));
      const { errors, messagesSaved } = await importDump(services, JSON.stringify({ [id]: says(dump) }));
      expect(errors.map(({ code }) => code)).toEqual(lacking === null ? ["diverged"] : []);
      expect(messagesSaved).toBe(lacking?.length ?? 0);
      expect((await store.get(id))?.messages).toEqual([...says(before), ...(lacking ?? [])]);
    }),
    { numRuns: 60 },
  );
}, 60_000);

test("one that has diverged is told, and with `replace` begins anew, once; the one before stays", async ({
  services,
}) => {
  await importDump(services, dumpOf("abc", { context: { city: "Rome" } }));
  const before = await services.conversations.getSession(ADA, "s");
  const told = await importDump(services, dumpOf("axc"));
  expect(told).toMatchObject({
    failed: 1,
    messagesSaved: 0,
    errors: [{ sessionId: "s", message: null, code: "diverged" }],
  });
  expect(await lettersOf(services)).toBe("abc");
  const replaced = await importDump(services, dumpOf("axc", { context: { city: "Oslo" } }), { replace: true });
  expect(replaced).toMatchObject({ failed: 0, messagesSaved: 3 });
  expect(await lettersOf(services)).toBe("axc");
  const after = await services.conversations.getSession(ADA, "s");
  expect(after.conversationId).not.toBe(before.conversationId);
  expect(after.context).toEqual({ city: "Oslo" });
  const { messages } = await services.conversations.getRecentMessages(ADA, before.conversationId);
  expect(messages.map(({ content }) => content)).toEqual(["c", "b", "a"]);
  expect(await importDump(services, dumpOf("axc"), { replace: true })).toMatchObject({ messagesSaved: 0, failed: 0 });
});

test("a session that has ended is found again by its conversation; one in the trash is told", async ({ services }) => {
  await importDump(services, dumpOf("ab"));
  const { conversationId } = await services.conversations.getSession(ADA, "s");
  await services.conversations.deleteSession(ADA, "s");
  expect(await importDump(services, dumpOf("abc"))).toMatchObject({
    sessionsCreated: 1,
    messagesSaved: 1,
    messagesSkipped: 2,
  });
  expect((await services.conversations.getSession(ADA, "s")).conversationId).toBe(conversationId);
  await services.deps.db.pool.query("update sessions set expires_at = now() - interval '1 day', version = version + 1");
  expect(await importDump(services, dumpOf("abc"))).toMatchObject({ sessionsCreated: 1, messagesSaved: 0 });
  await services.conversations.deleteConversation(ADA, conversationId);
  expect(await importDump(services, dumpOf("abc"))).toMatchObject({
    messagesSaved: 0,
    errors: [{ code: "conversation_id_conflict" }],
  });
});

const MANY = JSON.stringify(
  Object.fromEntries(
    Array.from({ length: 30 }, (_, n) => {
      const length = n === 7 ? 3_000 : 5 + n;
      const messages = Array.from({ length }, (_, i) => ({
        role: i % 2 === 0 ? "user" : "assistant",
        content: `${n} ${i % 11}`,
        ...(i % 3 === 0 && { timestamp: `2024-05-01 12:${String(i % 60).padStart(2, "0")}:00` }),
        ...(i % 7 === 0 && { id: `m${i}` }),
      }));
      return [`session-${n}`, { messages, context: { n }, created_at: "2024-04-30 00:00:00", plan: n }];
    }),
  ),
);

async function rowsAfter(run: (services: Services) => Promise<unknown>): Promise<object> {
  const { databaseUrl, drop } = await newSchema();
  const services = await createServices({ databaseUrl });
  try {
    // There already: of two imports that both make her, the one that succeeds may have taken the second number.
    await resolveUser(services.deps, ADA);
    await run(services);
    return await storedRows(services);
  } finally {
    await services.close();
    await drop();
  }
}

test("two imports at once leave what one leaves, row by row", async () => {
  const once = await rowsAfter((services) => importDump(services, MANY));
  const twice = await rowsAfter(async (services) => {
    const results = await Promise.all([importDump(services, MANY), importDump(services, MANY)]);
    expect(results.flatMap(({ errors }) => errors)).toEqual([]);
  });
  expect(twice).toEqual(once);
}, 60_000);

test("an import that is stopped goes on where it was, and leaves what one leaves, row by row", async () => {
  const once = await rowsAfter((services) => importDump(services, MANY));
  const stopped = await rowsAfter(async (services) => {
    for (let after = 100; after < 3_000; after += 700) {
      const stop = new AbortController();
      const onProgress = ({ messagesSaved }: { messagesSaved: number }): void => {
        if (messagesSaved >= after) stop.abort();
      };
      await importDump(services, MANY, { signal: stop.signal, onProgress });
    }
    await importDump(services, MANY);
  });
  expect(stopped).toEqual(once);
}, 60_000);

test("an app that appends while its session is imported loses nothing, and no message comes twice", async ({
  services,
}) => {
  const store = services.sessionStore<SessionsMessage>({ user: ADA });
  const importing = importDump(services, MANY);
  const own = Array.from({ length: 20 }, (_, n) => ({ role: "user", content: `own ${n}` }));
  for (const message of own) await store.append("session-7", message);
  await importing;
  const all = (await messagesOf(services, "session-7")) ?? [];
  const contents = all.map((message) => Reflect.get(message, "content") as string);
  expect(contents.filter((content) => content.startsWith("own"))).toEqual(own.map(({ content }) => content));
  const dumped = contents.filter((content) => !content.startsWith("own"));
  const wanted = (JSON.parse(MANY) as Record<string, { messages: { content: string }[] }>)["session-7"]?.messages ?? [];
  expect(dumped).toEqual(wanted.slice(0, dumped.length).map(({ content }) => content));
}, 60_000);
