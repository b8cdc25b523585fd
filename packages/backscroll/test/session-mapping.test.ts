import { expect, onTestFinished, test } from "vitest";
import { DEFAULT_TITLE } from "../src/domain/conversation.ts";
import { mintId } from "../src/domain/ids.ts";
import { claimSession } from "../src/postgres/sessions.ts";
import { toSessionRef } from "../src/service/sessions.ts";
import { resolveUser } from "../src/service/users.ts";
import { expectProblem } from "./problem.ts";
import { createServices, newSchema } from "./services.ts";
import {
  ADA,
  BOB,
  CHAT,
  RETRIES,
  conversationsOf,
  questionsIn,
  saidIn,
  say,
  sessionOf,
  start,
} from "./session-fixture.ts";

test.for([CHAT, "/api/conversations/messages"])(
  "mapping: a session's messages to %s go to one conversation",
  async (path) => {
    const services = await start();
    const first = await saidIn(services, { path, session: "s" });
    expect(await saidIn(services, { path, session: "s" })).toBe(first);
    expect(await saidIn(services, { path, session: "other" })).not.toBe(first);
    expect(await saidIn(services, { path })).not.toBe(first);
    expect(await sessionOf(services, "s")).toBe(first);
    expect(await questionsIn(services, first)).toBe(2);
    expect(await conversationsOf(services)).toHaveLength(3);
  },
);

test("mapping: a conversation that is named goes before the session, which stays where it is", async () => {
  const services = await start();
  const first = await saidIn(services, { session: "s" });
  const { conversationId } = await services.newConversation(ADA);
  const named = { body: { conversation_id: conversationId }, session: "s" };
  expect(await saidIn(services, named)).toBe(conversationId);
  expect(await saidIn(services, { ...named, session: "unknown" })).toBe(conversationId);
  expect(await sessionOf(services, "s")).toBe(first);
  expectProblem(await services.call(ADA, "GET", "/api/sessions/unknown"), "session_not_found");
});

test("mapping: a session that was put somewhere goes there, and no cookie is set", async () => {
  const services = await start();
  await services.call(ADA, "POST", "/api/conversations", { id: "my-own" });
  await services.call(ADA, "PUT", "/api/sessions/s", { conversation_id: "my-own", context: { a: 1 } });
  const answer = await say(services, { session: "s" });
  expect(answer.json.conversation_id).toBe("my-own");
  expect(answer.headers.get("set-cookie")).toBeNull();
  const { json } = await services.call(ADA, "GET", "/api/sessions/s");
  expect(json.context).toEqual({ a: 1 });
});

test.for([["in the trash", ""] as const, ["erased", "?permanent=true"] as const])(
  "mapping: when the conversation is %s, the session is given a new one and keeps it",
  async ([, query]) => {
    const services = await start();
    const first = await saidIn(services, { session: "s" });
    await services.call(ADA, "DELETE", `/api/conversations/${first}${query}`);
    const second = await saidIn(services, { session: "s" });
    expect(second).not.toBe(first);
    expect(await saidIn(services, { session: "s" })).toBe(second);
    await services.call(ADA, "POST", `/api/conversations/${first}/restore`);
    expect(await saidIn(services, { session: "s" })).toBe(second);
  },
);

test("mapping: a session that has expired begins again, without its context", async () => {
  const services = await start({ sessionDays: 1, cache: "off" });
  const { conversationId } = await services.newConversation(ADA);
  await services.call(ADA, "PUT", "/api/sessions/s", { conversation_id: conversationId, context: { a: 1 } });
  await services.deps.db.pool.query("update sessions set expires_at = now() - interval '1 s', version = version + 1");
  const next = await saidIn(services, { session: "s" });
  expect(next).not.toBe(conversationId);
  const { json } = await services.call(ADA, "GET", "/api/sessions/s");
  expect(json).toMatchObject({ conversation_id: next, context: {}, created_at: json.updated_at });
});

test("mapping: first messages that come at once, on two servers, make one conversation", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const servers = [await createServices({ databaseUrl }), await createServices({ databaseUrl })] as const;
  for (const server of servers) onTestFinished(() => server.close());
  for (let round = 0; round < 5; round += 1) {
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => say(servers[i % 2 === 0 ? 0 : 1], { session: `s${round}` })),
    );
    for (const answer of answers) if (answer.status !== 200) expectProblem(answer, "conversation_busy");
    const answered = answers.filter(({ status }) => status === 200).map(({ json }) => json.conversation_id);
    expect(new Set(answered)).toEqual(new Set([await sessionOf(servers[0], `s${round}`)]));
    expect(await conversationsOf(servers[1])).toHaveLength(round + 1);
  }
});

test("mapping: messages that find their session's conversation gone at once make one new one", async () => {
  const services = await start();
  for (const query of ["", "?permanent=true"]) {
    const first = await saidIn(services, { session: "s" });
    await services.call(ADA, "DELETE", `/api/conversations/${first}${query}`);
    const answers = await Promise.all(Array.from({ length: 6 }, () => say(services, { session: "s" })));
    for (const answer of answers) if (answer.status !== 200) expectProblem(answer, "conversation_busy");
    expect(await conversationsOf(services)).toEqual([await sessionOf(services, "s")]);
  }
});

test("mapping: a message that is refused makes neither a conversation nor a session", async () => {
  const services = await start({ messageBytesMax: 100 });
  expectProblem(await say(services, { session: "s", body: { message: "x".repeat(101) } }), "message_too_large");
  expectProblem(await say(services, { session: "s", body: { message: "\u0000" } }), "invalid_request");
  for (const id of ["a b", "", "x".repeat(129)]) expectProblem(await say(services, { session: id }), "invalid_request");
  expect(await conversationsOf(services)).toEqual([]);
  expectProblem(await services.call(ADA, "GET", "/api/sessions/s"), "session_not_found");
});

test("mapping: somebody else's session is not one's own, with the cache warm", async () => {
  const services = await start();
  const theirs = await saidIn(services, { session: "s" });
  await expect
    .poll(async () => (await services.call(ADA, "GET", "/api/sessions/s")).headers.get("x-backscroll-cache"))
    .toBe("hit");
  const own = await saidIn(services, { session: "s", user: BOB });
  expect(own).not.toBe(theirs);
  expect(await sessionOf(services, "s")).toBe(theirs);
  expect(await sessionOf(services, "s", BOB)).toBe(own);
  expect(await conversationsOf(services, BOB)).toEqual([own]);
  expect(await questionsIn(services, theirs)).toBe(1);
});

test.for(Object.entries(RETRIES))(
  "mapping: a retry by %s finds its conversation, whatever came between",
  async ([, said]) => {
    const services = await start();
    const first = await saidIn(services, { ...said, session: "s" });
    const again = async (): Promise<void> => {
      expect(await saidIn(services, { ...said, session: "s" })).toBe(first);
      expect(await questionsIn(services, first)).toBe(1);
    };
    await again();
    await services.call(ADA, "DELETE", "/api/sessions/s");
    await again();
    const elsewhere = await saidIn(services, { session: "s" });
    expect(elsewhere).not.toBe(first);
    await again();
    expect(await sessionOf(services, "s")).toBe(elsewhere);
    expect(await questionsIn(services, elsewhere)).toBe(1);
  },
);

test("mapping: tries of one message at once are one message", async () => {
  const services = await start();
  const said = { path: "/api/conversations/messages", body: { message_id: "m" }, session: "s" };
  const conversations = await Promise.all(Array.from({ length: 6 }, () => saidIn(services, said)));
  expect(new Set(conversations).size).toBe(1);
  expect(await questionsIn(services, conversations[0] ?? "")).toBe(1);
  expect(await conversationsOf(services)).toHaveLength(1);
});

test("mapping: the retry of a message whose conversation is in the trash is told so", async () => {
  const services = await start();
  const said = { ...RETRIES["Idempotency-Key"], session: "s" };
  const first = await saidIn(services, said);
  await services.call(ADA, "DELETE", `/api/conversations/${first}`);
  expectProblem(await say(services, said), "conversation_id_conflict");
  const second = await saidIn(services, { session: "s" });
  expect(second).not.toBe(first);
});

test("mapping: a session whose server died before it took the message goes on where it was", async () => {
  const services = await start();
  const { deps } = services;
  const at = { userId: await resolveUser(deps, ADA), sessionId: "s" };
  const conversationId = mintId();
  const claim = { conversationId, title: DEFAULT_TITLE, seenVersion: null, anew: false, days: 30 };
  expect(await claimSession(deps.db, toSessionRef(at), claim)).toBe(true);
  expect(await saidIn(services, { session: "s" })).toBe(conversationId);
  expect(await conversationsOf(services)).toEqual([conversationId]);
});
