import { expect } from "vitest";
import type { Responder } from "../src/responder/responder.ts";
import { expectProblem } from "./problem.ts";
import { type Answer, createServices, newSchema, type Services, test } from "./services.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";

type Call = readonly [path: string, body: object];
/** The POSTs that make something. */
const CALLS: Record<string, Call> = {
  create: ["/api/conversations", { title: "Plans" }],
  save: [
    "/api/conversations/c/messages",
    {
      messages: [
        { role: "user", content: "one" },
        { role: "user", content: "two" },
      ],
    },
  ],
  turn: ["/api/conversations/messages", { message: "Hello" }],
  chat: ["/api/chat", { message: "Hello", conversation_id: "c" }],
};

async function post(services: Services, [path, body]: Call, key: string, user = ADA): Promise<Answer> {
  return services.call(user, "POST", path, body, { "idempotency-key": key });
}

/** What there is of everybody: conversations and messages. */
async function rows(services: Services): Promise<{ conversations: number; messages: number }> {
  const { rows: found } = await services.deps.db.pool.query(
    "select (select count(*) from conversations)::int as conversations, (select count(*) from messages)::int as messages",
  );
  return found[0];
}

for (const [name, call] of Object.entries(CALLS)) {
  test(`a retried ${name} has one effect and gets the first answer`, async ({ services }) => {
    await services.call(ADA, "POST", "/api/conversations", { id: "c" });
    const before = await rows(services);
    const first = await post(services, call, "key");
    expect(first.status).toBeLessThan(300);
    expect(first.headers.get("idempotency-replayed")).toBeNull();
    const after = await rows(services);
    expect(after).not.toEqual(before);
    for (let n = 0; n < 2; n += 1) {
      const again = await post(services, call, "key");
      expect([again.status, again.text]).toEqual([first.status, first.text]);
      expect(again.headers.get("content-type")).toBe(first.headers.get("content-type"));
      expect(again.headers.get("idempotency-replayed")).toBe("true");
    }
    expect(await rows(services)).toEqual(after);
    expect((await post(services, call, "another key")).text).not.toBe(first.text);
  });

  test(`20 times the same ${name} at once has one effect, and everybody gets its answer`, async ({ services }) => {
    await services.call(ADA, "POST", "/api/conversations", { id: "c" });
    const before = await rows(services);
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(services, call, "key")));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers.filter(({ headers }) => headers.get("idempotency-replayed") === "true")).toHaveLength(19);
    const { conversations, messages } = await rows(services);
    expect({ conversations: conversations - before.conversations, messages: messages - before.messages }).toEqual(
      {
        create: { conversations: 1, messages: 0 },
        save: { conversations: 0, messages: 2 },
        turn: { conversations: 1, messages: 2 },
        chat: { conversations: 0, messages: 2 },
      }[name],
    );
  });

  test(`a ${name} whose server died after the commit is not done twice`, async ({ services }) => {
    await services.call(ADA, "POST", "/api/conversations", { id: "c" });
    const first = await post(services, call, "key");
    const after = await rows(services);
    // As it was left: claimed, the effect committed, never answered.
    await services.deps.db.pool.query(
      "update idempotency_keys set response_status = null, response_type = null, response_body = null, running_until = now() - interval '1 s'",
    );
    const retried = await post(services, call, "key");
    expect(retried.status).toBeLessThan(300);
    expect(retried.json).toEqual(first.json);
    // A turn is known by its messages, not by a stored answer.
    expect(retried.headers.get("idempotency-replayed")).toBe(name === "turn" || name === "chat" ? "true" : null);
    expect(await rows(services)).toEqual(after);
  });
}

test("a key with another body, path or query is refused, and the first answer stays", async ({ services }) => {
  const first = await post(services, ["/api/conversations", { title: "A" }], "key");
  expectProblem(await post(services, ["/api/conversations", { title: "B" }], "key"), "idempotency_key_reused");
  expectProblem(await post(services, ["/api/chat", { title: "A" }], "key"), "idempotency_key_reused");
  expectProblem(await post(services, ["/api/conversations?x=1", { title: "A" }], "key"), "idempotency_key_reused");
  expect((await post(services, ["/api/conversations", { title: "A" }], "key")).text).toBe(first.text);
  expect((await rows(services)).conversations).toBe(1);
});

test("the same key of two people never meets", async ({ services }) => {
  for (const call of [CALLS["create"], CALLS["turn"]] as Call[]) {
    const [path] = call;
    const hers = await post(services, call, `key ${path}`.replaceAll(" ", "-"), ADA);
    const his = await post(services, call, `key ${path}`.replaceAll(" ", "-"), BOB);
    expect(his.headers.get("idempotency-replayed")).toBeNull();
    expect(his.json.conversation_id).not.toBe(hers.json.conversation_id);
  }
  expect((await services.call(BOB, "GET", "/api/conversations")).json.pagination.total).toBe(2);
});

test("a key that has expired starts anew, with the same body or another", async ({ services }) => {
  const first = await post(services, ["/api/conversations", { title: "A" }], "key");
  for (const title of ["A", "B"]) {
    await services.deps.db.pool.query("update idempotency_keys set expires_at = now() - interval '1 s'");
    const anew = await post(services, ["/api/conversations", { title }], "key");
    expect(anew.status).toBe(201);
    expect(anew.headers.get("idempotency-replayed")).toBeNull();
    expect(anew.json.conversation_id).not.toBe(first.json.conversation_id);
  }
  expect((await rows(services)).conversations).toBe(3);
});

test("a refusal is kept like any answer, a malformed body too", async ({ services }) => {
  for (const [path, body] of [
    ["/api/conversations/nowhere/messages", { role: "user", content: "x" }],
    ["/api/conversations", { titel: 1 }],
  ] as Call[]) {
    const key = path.replaceAll("/", "-");
    const first = await post(services, [path, body], key);
    expectProblem(first);
    const again = await post(services, [path, body], key);
    expect([again.status, again.text]).toEqual([first.status, first.text]);
    expect(again.headers.get("content-type")).toBe("application/problem+json");
    expect(again.headers.get("idempotency-replayed")).toBe("true");
  }
});

test("a first try that is still running is joined by its retry", async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  let asked = 0;
  const { services, end } = await withResponder(async function* () {
    asked += 1;
    await released;
    yield { type: "text", text: "At last" };
  });
  const turn: Call = ["/api/conversations/messages", { message: "Hello" }];
  const tries = Promise.all([post(services, turn, "key"), post(services, turn, "key"), post(services, turn, "key")]);
  await expect.poll(() => asked).toBe(1);
  release();
  const answers = await tries;
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  expect(asked).toBe(1);
  await end();
});

test("a failure of the responder is not kept: the retry asks again, and the message is there once", async () => {
  let asked = 0;
  const { services, end } = await withResponder(async function* () {
    asked += 1;
    if (asked === 1) throw new Error("the provider is down");
    yield { type: "text", text: "Better now" };
  });
  for (const turn of [
    ["/api/conversations/messages", { message: "Hello" }],
    ["/api/chat", { message: "Hello" }],
  ] as Call[]) {
    asked = 0;
    const before = await rows(services);
    const key = turn[0].replaceAll("/", "-");
    expectProblem(await post(services, turn, key), "responder_failed");
    const retried = await post(services, turn, key);
    expect(retried.status).toBe(200);
    expect(retried.headers.get("idempotency-replayed")).toBeNull();
    expect((await post(services, turn, key)).text).toBe(retried.text);
    expect(asked).toBe(2);
    const after = await rows(services);
    expect({
      conversations: after.conversations - before.conversations,
      messages: after.messages - before.messages,
    }).toEqual({ conversations: 1, messages: 2 });
  }
  await end();
});

test("a message_id does for a turn what a key does, and names its conversation", async ({ services }) => {
  const turn = { message: "Hello", message_id: "first" };
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => services.call(ADA, "POST", "/api/conversations/messages", turn)),
  );
  expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
  expect(await rows(services)).toEqual({ conversations: 1, messages: 2 });
  expectProblem(
    await services.call(ADA, "POST", "/api/conversations/messages", { ...turn, message: "Other" }),
    "message_id_conflict",
  );
  expect(await rows(services)).toEqual({ conversations: 1, messages: 2 });
});

test("a key on anything but a POST is ignored", async ({ services }) => {
  await services.call(ADA, "POST", "/api/conversations", { id: "c" });
  for (const pinned of [true, false]) {
    const { json, headers } = await services.call(
      ADA,
      "PATCH",
      "/api/conversations/c",
      { pinned },
      { "idempotency-key": "key" },
    );
    expect(json.pinned).toBe(pinned);
    expect(headers.get("idempotency-replayed")).toBeNull();
  }
});

async function withResponder(respond: Responder["respond"]): Promise<{ services: Services; end: () => Promise<void> }> {
  const { databaseUrl, drop } = await newSchema();
  const services = await createServices({ databaseUrl, responder: { description: "test", respond } });
  return {
    services,
    async end() {
      await services.close();
      await drop();
    },
  };
}
