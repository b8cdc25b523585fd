import { expect } from "vitest";
import { legacyDictionary } from "../src/session-store/legacy-sessions.ts";
import type { SessionStoreOptions } from "../src/session-store/session-store-options.ts";
import { type ChatMessage, type ChatSession, user } from "./chat-session.ts";
import { test } from "./services.ts";

const ADA = "ada@example.com";

test.for([
  ["a Map", new Map<string, ChatSession>(), { messages: [user("1")], context: { a: 1 }, created_at: expect.any(Date) }],
  ["an object", {}, { messages: [user("1")], context: { a: 1 }, created_at: expect.any(Date) }],
] as const)("%s is a dictionary", async ([, dictionary, session], { services }) => {
  const sessions = services.sessionStore<ChatMessage>({ user: ADA, legacy: dictionary });
  for (const id of ["s", "__proto__", "constructor"]) {
    expect(await sessions.get(id)).toBeUndefined();
    await sessions.append(id, user("1"));
    await sessions.updateContext(id, { a: 1 });
    expect(await sessions.get(id)).toEqual({
      ...session,
      created_at: undefined,
      createdAt: expect.any(Date),
      hasMore: false,
    });
  }
  expect(dictionary instanceof Map ? dictionary.get("s") : Reflect.get(dictionary, "s")).toEqual(session);
  expect(await sessions.parity()).toMatchObject({ sessions: 3, same: 3 });
  expect(({} as Record<string, unknown>)["messages"]).toBeUndefined();
});

test("a dictionary of lists, empty at the start, gets lists; its type does not let it in without saying so", async ({
  services,
}) => {
  const lists = new Map<string, ChatMessage[]>();
  // @ts-expect-error -- an empty one does not tell what its sessions are
  const refused: SessionStoreOptions<ChatMessage>["legacy"] = lists;
  expect(refused).toBe(lists);
  const legacy = legacyDictionary(lists, { create: () => [] });
  await services.sessionStore<ChatMessage>({ user: ADA, legacy }).append("new", user("1"));
  lists.get("new")?.push(user("2"));
  expect(lists.get("new")).toEqual([user("1"), user("2")]);
});

test("without types, a new session is a list where the ones before it were, though they are gone", async ({
  services,
}) => {
  const lists = JSON.parse('{ "old": [{ "role": "user", "content": "1" }] }');
  const sessions = services.sessionStore<ChatMessage>({ user: ADA, legacy: lists });
  await sessions.append("new", user("2"));
  expect(lists.new).toEqual([user("2")]);
  for (const id of ["old", "new"]) await sessions.clear(id);
  await sessions.append("newer", user("3"));
  expect(lists).toEqual({ newer: [user("3")] });
});

test("sessions that the app's own function makes stay so", async ({ services }) => {
  const made = new Map<string, { messages: ChatMessage[]; locale: string }>();
  const legacy = legacyDictionary<ChatMessage>(made, { create: () => ({ messages: [], locale: "it" }) });
  await services.sessionStore({ user: ADA, legacy }).append("new", user("2"));
  expect(made.get("new")).toEqual({ messages: [user("2")], locale: "it" });
});
