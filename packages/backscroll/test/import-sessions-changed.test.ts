import { spawnSync } from "node:child_process";
import { expect } from "vitest";
import { toNewMessage } from "../src/domain/session-message.ts";
import { ADA, importDump, messagesOf, type SessionsMessage } from "./import-sessions-fixture.ts";
import { type Services, test } from "./services.ts";

/** A message for each letter. */
const says = (letters: string): SessionsMessage[] => letters.split("").map((content) => ({ role: "user", content }));
const dumpOf = (letters: string, more: object = {}): string =>
  JSON.stringify({ s: { messages: says(letters), ...more } });
const lettersOf = async (services: Services): Promise<string> =>
  ((await messagesOf(services, "s")) ?? []).map((message) => Reflect.get(message, "content") as string).join("");

/** What somebody does in the web app to the messages that say so. */
async function change(services: Services, letters: string, to: string | null): Promise<void> {
  const { conversations } = services;
  const { conversationId } = await conversations.getSession(ADA, "s");
  const { messages } = await conversations.getRecentMessages(ADA, conversationId, { limit: 200 });
  for (const { id, content } of messages) {
    if (!letters.includes(content)) continue;
    if (to === null) await conversations.deleteMessage(ADA, conversationId, id);
    else await conversations.editMessage(ADA, conversationId, id, { content: to });
  }
}

test.for([
  ["the last one was deleted", "c", null, "abc", "ab", 0],
  ["one in the middle was deleted", "b", null, "abcd", "acd", 1],
  ["the last one was deleted, and the dump has more", "c", null, "abcde", "abde", 2],
  ["all were deleted", "abc", null, "abc", "", 0],
  ["one was edited", "b", "x", "abc", "axc", 0],
  ["all were edited, and the dump has more", "abc", "x", "abcd", "xxxd", 1],
] as const)(
  "where %s here after it was imported, that stays, and only what the dump has more is added",
  async ([, letters, to, dump, after, saved], { services }) => {
    await importDump(services, dumpOf("abc"));
    await change(services, letters, to);
    for (const expected of [saved, 0]) {
      expect(await importDump(services, dumpOf(dump))).toMatchObject({
        failed: 0,
        messagesSaved: expected,
        messagesSkipped: dump.length - expected,
      });
      expect(await lettersOf(services)).toBe(after);
    }
  },
);

test("what was said here since is compared with what the dump has more", async ({ services }) => {
  const store = services.sessionStore<SessionsMessage>({ user: ADA });
  await importDump(services, dumpOf("abc"));
  await change(services, "b", "x");
  await store.append("s", says("de"));
  expect(await importDump(services, dumpOf("abcdef"))).toMatchObject({ failed: 0, messagesSaved: 1 });
  expect(await lettersOf(services)).toBe("axcdef");
  expect(await importDump(services, dumpOf("abcxyz"))).toMatchObject({
    messagesSaved: 0,
    errors: [{ code: "diverged" }],
  });
  expect(await lettersOf(services)).toBe("axcdef");
});

test("with nothing in common both stay as they are, and that is told; `append` adds the dump's", async ({
  services,
}) => {
  const at = (separator: string): string =>
    JSON.stringify({ s: says("abc").map((message) => ({ ...message, timestamp: `2026-01-01${separator}10:00` })) });
  await importDump(services, at(" "));
  const told = await importDump(services, at("T"));
  expect(told).toMatchObject({ failed: 1, messagesSaved: 0, messagesSkipped: 0, sessionsExisting: 0 });
  expect(told.errors).toMatchObject([{ code: "diverged", message: null, detail: expect.stringContaining("--append") }]);
  expect(await lettersOf(services)).toBe("abc");
  for (const saved of [3, 0]) {
    const added = await importDump(services, at("T"), { append: true });
    expect(added).toMatchObject({ failed: 0, messagesSaved: saved });
    expect(await lettersOf(services)).toBe("abcabc");
  }
});

test("what an app wrote and somebody edited here is not stored again", async ({ services }) => {
  await services.sessionStore<SessionsMessage>({ user: ADA }).append("s", says("a"));
  await change(services, "a", "x");
  expect(await importDump(services, dumpOf("a"))).toMatchObject({ messagesSaved: 0, errors: [{ code: "diverged" }] });
  expect(await lettersOf(services)).toBe("x");
});

test("where the last messages that an app wrote were deleted here, the dump's are not taken for new ones", async ({
  services,
}) => {
  const store = services.sessionStore<SessionsMessage>({ user: ADA });
  await store.append("s", says("abc"));
  await change(services, "c", null);
  const told = await importDump(services, dumpOf("abcd"));
  expect(told).toMatchObject({
    messagesSaved: 0,
    errors: [{ code: "diverged", detail: expect.stringContaining("deleted here") }],
  });
  expect(await lettersOf(services)).toBe("ab");
  expect(await importDump(services, dumpOf("ab"))).toMatchObject({ failed: 0, messagesSkipped: 2 });
  expect(await importDump(services, dumpOf("abcd"), { append: true })).toMatchObject({ failed: 0, messagesSaved: 2 });
  expect(await lettersOf(services)).toBe("abcd");
});

const contextDump = (context: object): string => dumpOf("a", { context });

test("a context that was changed here after it was imported stays", async ({ services }) => {
  const store = services.sessionStore({ user: ADA });
  await importDump(services, contextDump({ city: "Rome", lang: "it" }));
  await store.updateContext("s", { city: "Paris" }, { remove: ["lang"] });
  expect(await importDump(services, contextDump({ city: "Rome", lang: "it" }))).toMatchObject({ failed: 0 });
  expect(await store.getContext("s")).toEqual({ city: "Paris" });

  const told = await importDump(services, contextDump({ city: "Oslo", lang: "it" }));
  expect(told.errors).toMatchObject([
    { message: null, code: "diverged", detail: expect.stringContaining("city, lang") },
  ]);
  expect(await store.getContext("s")).toEqual({ city: "Paris" });

  const replaced = await importDump(services, contextDump({ city: "Oslo", lang: "it" }), { replace: true });
  expect(replaced).toMatchObject({ failed: 0, messagesSaved: 0 });
  expect(await store.getContext("s")).toEqual({ city: "Oslo", lang: "it" });
});

test("a context that was not changed here takes what the dump has changed", async ({ services }) => {
  const store = services.sessionStore({ user: ADA });
  await importDump(services, contextDump({ city: "Rome", kept: 1 }));
  for (const city of ["Oslo", "Bergen"]) {
    expect(await importDump(services, contextDump({ city, new: city }))).toMatchObject({ failed: 0 });
    expect(await store.getContext("s")).toEqual({ city, new: city, kept: 1 });
  }
});

test("an app's own context gets the keys that it has not; where they differ it stays, and that is told", async ({
  services,
}) => {
  const store = services.sessionStore<SessionsMessage>({ user: ADA });
  await store.append("s", says("a"));
  await store.setContext("s", { city: "Rome" });
  expect(await importDump(services, contextDump({ city: "Rome", lang: null }))).toMatchObject({ failed: 0 });
  expect(await store.getContext("s")).toEqual({ city: "Rome", lang: null });
  await store.setContext("s", { city: "Rome" });
  await services.deps.db.pool.query("update conversations set metadata = '{}', version = version + 1");
  const told = await importDump(services, contextDump({ city: "Oslo", lang: null }));
  expect(told.errors).toMatchObject([{ code: "diverged", detail: expect.stringContaining("(city, lang)") }]);
  expect(await store.getContext("s")).toEqual({ city: "Rome" });
});

test("what others write in the metadata is no record of an import", async ({ services }) => {
  await importDump(services, dumpOf("ab"));
  for (const record of ["5", '{"messages": -1}', '{"messages": 9, "hash": "x", "seq": 99, "context": null}']) {
    await services.deps.db.pool.query(
      "update conversations set metadata = jsonb_build_object('session_import', $1::jsonb), version = version + 1",
      [record],
    );
    expect(await importDump(services, dumpOf("ab"))).toMatchObject({ failed: 0, messagesSkipped: 2 });
  }
  const dump = JSON.stringify({ t: { messages: says("a"), session_import: 5 } });
  expect(await importDump(services, dump)).toMatchObject({
    messagesSaved: 1,
    errors: [{ sessionId: "t", message: null }],
  });
});

test("an id that is taken is told once, also when somebody changes the conversation meanwhile", async ({
  services,
}) => {
  await services
    .sessionStore<SessionsMessage>({ user: ADA })
    .append("s", [{ role: "user", content: "other", id: "m1" }, ...says("a")]);
  const CHANGE = `
    const { Client } = require("pg");
    const client = new Client(process.argv[1]);
    client.connect()
      .then(() => client.query("update conversations set version = version + 1"))
      .then(() => client.end());`;
  const dump = JSON.stringify({ s: [...says("a"), { role: "user", content: "b", id: "m1" }, ...says("c")] });
  const errors: object[] = [];
  const result = await importDump(services, dump, {
    onError: (error) => {
      errors.push(error);
      const { status } = spawnSync(process.execPath, ["-e", CHANGE, services.databaseUrl], {
        cwd: import.meta.dirname,
      });
      expect(status).toBe(0);
    },
  });
  expect(errors).toMatchObject([{ message: 1, code: "message_id_conflict" }]);
  expect(result).toMatchObject({ failed: 1, messagesSaved: 1, messagesSkipped: 1 });
  expect(await lettersOf(services)).toBe("otherac");
});

test("one transaction takes a megabyte of messages with all that they have, or a single one", async ({ services }) => {
  const image = (n: number): SessionsMessage => ({
    role: "user",
    content: [{ type: "image_url", image_url: { url: `data:image/png;base64,${String(n).repeat(300_000)}` } }],
  });
  const messages = [...Array.from({ length: 20 }, (_, n) => image(n % 10)), { role: "user", content: "Well?" }];
  const largest = toNewMessage(image(1));
  expect(await importDump(services, JSON.stringify({ s: messages }))).toMatchObject({ messagesSaved: 21, failed: 0 });
  const { rows } = await services.deps.db.pool.query<{ bytes: string }>(
    "select sum(octet_length(content) + coalesce(octet_length(parts::text), 0)) as bytes from messages group by xmin::text",
  );
  expect(Math.max(...rows.map(({ bytes }) => Number(bytes)))).toBeLessThanOrEqual(
    1_048_576 + JSON.stringify(largest).length,
  );
  expect(rows.length).toBeGreaterThan(5);
  expect(await messagesOf(services, "s")).toEqual(messages);
  await services.deps.db.pool.query("update conversations set metadata = '{}', version = version + 1");
  expect(await importDump(services, JSON.stringify({ s: messages }))).toMatchObject({ messagesSaved: 0, failed: 0 });
});
