import { expect, test } from "vitest";
import { startAuthenticated } from "./authenticated-services.ts";
import { expectProblem } from "./problem.ts";
import type { Answer } from "./services.ts";
import { ADA, BOB, CHAT, conversationsOf, cookieOf, say, start } from "./session-fixture.ts";

test.for(["cookie", "claim"] as const)("%s: a session_id is refused, and the answer says why", async (sessions) => {
  const services = await start({ sessions });
  for (const path of [CHAT, "/api/conversations/messages"]) {
    const answer = await say(services, { path, session: "s" });
    expectProblem(answer, "invalid_request");
    expect(answer.json.errors).toEqual([
      { path: "session_id", message: expect.stringMatching(/^is for SESSIONS=mapping: /) },
    ]);
    expectProblem(await say(services, { path, session: "s", body: { conversation_id: "c" } }), "invalid_request");
  }
  expect(await conversationsOf(services)).toEqual([]);
  await services.call(ADA, "POST", "/api/conversations", { id: "c" });
  expect((await services.call(ADA, "PUT", "/api/sessions/s", { conversation_id: "c" })).status).toBe(201);
});

test.for(["mapping", "cookie", "claim"] as const)(
  "%s: a backend that acts for a user keeps that user's sessions",
  async (sessions) => {
    const options = sessions === "claim" ? { jwtSecret: "x".repeat(32) } : {};
    const { services, send, newKey } = await startAuthenticated({ sessions, ...options });
    const { secret } = await newKey("backend@example.com", { scope: "admin" });
    const chat = (user: string, headers: Record<string, string> = {}): Promise<Answer> => {
      const body = { message: "Hello", ...(sessions === "mapping" && { session_id: "s" }) };
      return send("POST", CHAT, { "x-api-key": secret, "x-backscroll-user": user, ...headers }, body);
    };
    const [ada, bob] = [await chat(ADA), await chat(BOB)];
    expect([ada.status, bob.status]).toEqual([200, 200]);
    expect(ada.json.conversation_id).not.toBe(bob.json.conversation_id);
    const again = await chat(ADA, cookieOf(ada));
    if (sessions !== "claim") expect(again.json.conversation_id).toBe(ada.json.conversation_id);
    const foreign = await chat(BOB, cookieOf(ada));
    expect(foreign.json.conversation_id).not.toBe(ada.json.conversation_id);
    const page = await services.conversations.listUserConversations("backend@example.com");
    expect(page.conversations).toEqual([]);
  },
);
