import { expect, test } from "vitest";
import { bearer, startWithIssuer } from "./authenticated-services.ts";
import { expectProblem } from "./problem.ts";
import type { Answer } from "./services.ts";
import { ADA, BOB, CHAT, cookieOf } from "./session-fixture.ts";

test("claim: the token names the conversation, which is made when there is none", async () => {
  const { services, send, issuer } = await startWithIssuer({ sessions: "claim", sessionClaim: "thread" });
  const as = async (user: string, thread?: unknown): Promise<Record<string, string>> =>
    bearer(await issuer.token(user, { claims: { thread } }));
  const chat = (headers: Record<string, string>, body: object = {}): Promise<Answer> =>
    send("POST", CHAT, headers, { message: "Hello", ...body });
  for (let i = 0; i < 2; i += 1) {
    const { status, text, json, headers } = await chat(await as(ADA, "support-1"));
    expect([status, json.conversation_id, headers.get("set-cookie")], text).toEqual([200, "support-1", null]);
  }
  const { json: asked } = await send("POST", "/api/conversations/messages", await as(ADA, "support-1"), {
    message: "Hello",
  });
  expect(asked.user_message.seq).toBe(5);

  const theirs = await send("GET", "/api/conversations/support-1/messages", await as(BOB));
  expectProblem(theirs, "conversation_not_found");
  const { json: own } = await chat(await as(BOB, "support-1"));
  expect(own.conversation_id).toBe("support-1");
  const { json } = await send("GET", "/api/conversations/support-1/messages", await as(BOB));
  expect(json.messages).toHaveLength(2);

  const named = await chat(await as(ADA, "support-1"), { conversation_id: own.conversation_id });
  expect(named.json.conversation_id).toBe("support-1");
  expect((await chat(await as(ADA))).json.conversation_id).not.toBe("support-1");
  expectProblem(await chat(await as(ADA, "not an id")), "invalid_request");
  await send("DELETE", "/api/conversations/support-1", await as(ADA));
  expectProblem(await chat(await as(ADA, "support-1")), "conversation_id_conflict");
  expect(services.config.sessions).toBe("claim");
});

test("claim: another person's conversation of a UUID stays theirs", async () => {
  const { send, issuer } = await startWithIssuer({ sessions: "claim" });
  const chat = async (user: string, id?: string): Promise<Answer> =>
    send("POST", CHAT, bearer(await issuer.token(user, { claims: { conversation_id: id } })), { message: user });
  const { conversation_id: id } = (await chat(ADA)).json;
  for (let i = 0; i < 3; i += 1)
    await send("GET", `/api/conversations/${id}/messages`, bearer(await issuer.token(ADA)));
  expect((await chat(BOB, id)).json.conversation_id).toBe(id);
  for (const user of [ADA, BOB]) {
    const { json } = await send("GET", `/api/conversations/${id}/messages`, bearer(await issuer.token(user)));
    expect(json.messages).toHaveLength(2);
    expect(json.messages[1].content).toBe(user);
  }
});

test("claim: first messages that come at once make one conversation", async () => {
  const { send, issuer } = await startWithIssuer({ sessions: "claim" });
  const headers = bearer(await issuer.token(ADA, { claims: { conversation_id: "c" } }));
  const answers = await Promise.all(Array.from({ length: 6 }, () => send("POST", CHAT, headers, { message: "Hello" })));
  for (const answer of answers) if (answer.status !== 200) expectProblem(answer, "conversation_busy");
  const { json } = await send("GET", "/api/conversations", headers);
  expect(json.conversations).toHaveLength(1);
});

test("claim: a login has its token's, a key has none", async () => {
  const { send, issuer, newKey } = await startWithIssuer({ sessions: "claim" });
  const token = await issuer.token(ADA, { claims: { conversation_id: "from-token" } });
  const origin = { origin: "http://localhost" };
  const login = await send("POST", "/api/login", origin, { credential: token });
  const byLogin = await send("POST", CHAT, { ...origin, ...cookieOf(login) }, { message: "Hello" });
  expect(byLogin.json.conversation_id).toBe("from-token");
  const { secret } = await newKey(ADA);
  const byKey = await send("POST", CHAT, bearer(secret), { message: "Hello" });
  expect(byKey.status).toBe(200);
  expect(byKey.json.conversation_id).not.toBe("from-token");
});
