import { expect, test } from "vitest";
import { expectProblem } from "./problem.ts";
import { scriptedServices } from "./scripted-responder.ts";
import type { Services } from "./services.ts";
import {
  ADA,
  BOB,
  CHAT,
  COOKIE,
  RETRIES,
  conversationsOf,
  cookieOf,
  questionsIn,
  saidIn,
  say,
  start,
} from "./session-fixture.ts";

test.for([CHAT, "/api/conversations/messages"])(
  "cookie: the first answer of %s sets it, and what comes with it goes to the same conversation",
  async (path) => {
    const services = await start({ sessions: "cookie" });
    const first = await say(services, { path });
    const { conversation_id: id } = first.json;
    expect(COOKIE.exec(first.headers.get("set-cookie") ?? "")?.[1]).toBe(id);
    const second = await say(services, { path, headers: cookieOf(first) });
    expect(second.json.conversation_id).toBe(id);
    expect(second.headers.get("set-cookie")).toBe(first.headers.get("set-cookie"));
    expect(await saidIn(services, { path })).not.toBe(id);
  },
);

test("cookie: over TLS it is Secure", async () => {
  const services = await start({ sessions: "cookie", publicUrl: "https://history.example.com" });
  const answer = await say(services);
  expect(answer.headers.get("set-cookie")).toMatch(/; HttpOnly; Secure; SameSite=Lax$/);
});

test("cookie: a conversation that is named goes before it, and the cookie stays as it is", async () => {
  const services = await start({ sessions: "cookie" });
  const first = await say(services);
  const { conversationId } = await services.newConversation(ADA);
  const named = await say(services, { headers: cookieOf(first), body: { conversation_id: conversationId } });
  expect(named.json.conversation_id).toBe(conversationId);
  expect(named.headers.get("set-cookie")).toBeNull();
});

test.for([
  ["in the trash", async (services: Services, id: string) => services.call(ADA, "DELETE", `/api/conversations/${id}`)],
  [
    "erased",
    async (services: Services, id: string) => services.call(ADA, "DELETE", `/api/conversations/${id}?permanent=true`),
  ],
] as const)("cookie: when its conversation is %s, there is a new one, and a new cookie", async ([, remove]) => {
  const services = await start({ sessions: "cookie" });
  const first = await say(services);
  await remove(services, first.json.conversation_id);
  const second = await say(services, { headers: cookieOf(first) });
  expect(second.status).toBe(200);
  expect(second.json.conversation_id).not.toBe(first.json.conversation_id);
  expect(COOKIE.exec(second.headers.get("set-cookie") ?? "")?.[1]).toBe(second.json.conversation_id);
});

test("cookie: somebody else's opens nothing of theirs, with the cache warm", async () => {
  const services = await start({ sessions: "cookie" });
  const theirs = await say(services);
  const { conversation_id: id } = theirs.json;
  for (let i = 0; i < 3; i += 1) await services.call(ADA, "GET", `/api/conversations/${id}/messages`);
  const own = await say(services, { user: BOB, headers: cookieOf(theirs) });
  expect(own.json.conversation_id).not.toBe(id);
  expect(COOKIE.exec(own.headers.get("set-cookie") ?? "")?.[1]).toBe(own.json.conversation_id);
  expect(await questionsIn(services, id)).toBe(1);
  expect(await conversationsOf(services, BOB)).toEqual([own.json.conversation_id]);
});

test.for(["", "%00", "a b", "x".repeat(129), ".."])("cookie: one that says %j is as none", async (value) => {
  const services = await start({ sessions: "cookie" });
  const answer = await say(services, { headers: { cookie: `backscroll_session=${value}` } });
  expect(answer.status, answer.text).toBe(200);
  expect(COOKIE.test(answer.headers.get("set-cookie") ?? "")).toBe(true);
});

test.for(Object.entries(RETRIES))(
  "cookie: a retry by %s of a message whose answer was lost finds its conversation, with any cookie",
  async ([, said]) => {
    const services = await start({ sessions: "cookie" });
    const first = await say(services, said);
    const other = await say(services);
    for (const headers of [{}, cookieOf(first), cookieOf(other)]) {
      const again = await say(services, { ...said, headers: { ...said.headers, ...headers } });
      expect(again.json.conversation_id).toBe(first.json.conversation_id);
      expect(cookieOf(again)).toEqual(cookieOf(first));
    }
    expect(await questionsIn(services, first.json.conversation_id)).toBe(1);
    expect(await questionsIn(services, other.json.conversation_id)).toBe(1);
  },
);

test("cookie: an answer that streams brings it before its first word", async () => {
  const services = await scriptedServices({ sessions: "cookie" });
  const response = await fetch(`${services.url}${CHAT}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-test-user": ADA },
    body: JSON.stringify({ message: "Hello", stream: true }),
  });
  const reply = await services.nextReply();
  const [, id] = COOKIE.exec(response.headers.get("set-cookie") ?? "") ?? [];
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  reply.say("Good day");
  reply.finish();
  expect(await response.text()).toContain("Good day");
  expect(await conversationsOf(services)).toEqual([id]);
});

test("cookie: when nobody could answer, the message is kept and the cookie leads back to it", async () => {
  const services = await scriptedServices({ sessions: "cookie" });
  const asked = say(services);
  (await services.nextReply()).fail(new Error("out of order"));
  const failed = await asked;
  expectProblem(failed, "responder_failed");
  const again = say(services, { headers: cookieOf(failed) });
  const reply = await services.nextReply();
  reply.say("Good day");
  reply.finish();
  const { conversation_id: id } = (await again).json;
  expect(COOKIE.exec(failed.headers.get("set-cookie") ?? "")?.[1]).toBe(id);
  expect(await questionsIn(services, id)).toBe(2);
});

test("cookie: useChat names its conversation itself", async () => {
  const services = await start({ sessions: "cookie" });
  const first = await say(services);
  const message = { id: "m", role: "user", parts: [{ type: "text", text: "Hello" }] };
  const answer = await services.call(ADA, "POST", CHAT, { id: "its-own", message }, cookieOf(first));
  expect(answer.status).toBe(200);
  expect(answer.headers.get("set-cookie")).toBeNull();
  expect(await questionsIn(services, "its-own")).toBe(1);
});
