import { describe, expect, onTestFinished, test } from "vitest";
import { bearer, startAuthenticated } from "./authenticated-services.ts";
import { eventually } from "./live-fixture.ts";
import { as, ask, open, rateLimitOf, startLimited, statuses } from "./limits-fixture.ts";
import { expectProblem } from "./problem.ts";
import { scriptedServices } from "./scripted-responder.ts";
import { createServices, newSchema, type Services } from "./services.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";
const HERE = "203.0.113.7";
const times = (count: number, status: number): number[] => Array.from({ length: count }, () => status);

test("every answer says what is left, and counts down to a refusal that says when to come back", async () => {
  const services = await startLimited({ rateLimitReads: 3 });
  for (const left of [2, 1, 0]) {
    const answer = await ask(services, "/api/conversations", as(ADA));
    expect(answer.status).toBe(200);
    expect(rateLimitOf(answer)).toMatchObject({ policy: "reads", q: 3, w: 60, r: left });
  }
  const refused = await ask(services, "/api/conversations", as(ADA));
  expect(refused.status).toBe(429);
  expectProblem(refused, "rate_limited");
  expect(refused.json.detail).toMatch(/^3 reads a minute are allowed/);
  const said = rateLimitOf(refused);
  expect(said).toMatchObject({ policy: "reads", r: 0 });
  expect(said?.t).toBeGreaterThan(0);
  expect(said?.t).toBeLessThanOrEqual(60);
  expect(refused.headers.get("retry-after")).toBe(String(said?.t));
});

test("answers of every kind say it: cached messages, errors, streams, bodies that are refused", async () => {
  const services = await startLimited();
  await ask(services, "/api/conversations", { ...as(ADA), body: { id: "c" } });
  const asked: [string, Parameters<typeof ask>[2], string][] = [
    ["/api/conversations/c/messages", {}, "reads"],
    ["/api/conversations/c/messages", {}, "reads"],
    ["/api/conversations/absent", {}, "reads"],
    ["/api/conversations/c/export", {}, "reads"],
    ["/api/nowhere", {}, "reads"],
    ["/api/conversations", { method: "HEAD" }, "reads"],
    ["/api/conversations", { body: { wrong: 1 } }, "writes"],
    ["/api/conversations/c", { method: "DELETE" }, "writes"],
    ["/api/chat", { body: { message: "hello" } }, "turns"],
    ["/api/conversations/messages", { body: { message: "hello", stream: true } }, "turns"],
  ];
  for (const [path, asking, policy] of asked) {
    const answer = await ask(services, path, { ...as(ADA), ...asking });
    expect(rateLimitOf(answer)?.policy, `${path} ${answer.status}`).toBe(policy);
    expect(answer.headers.get("x-request-id")).not.toBeNull();
  }
});

test("reads, writes and turns are three budgets, and each user has their own", async () => {
  const services = await startLimited({ rateLimitReads: 2, rateLimitWrites: 3, rateLimitTurns: 1 });
  const create = { ...as(ADA), body: {} };
  const chat = { ...as(ADA), body: { message: "hello" } };
  expect(await statuses(services, "/api/chat", chat, 2)).toEqual([200, 429]);
  expect(await statuses(services, "/api/conversations/messages", chat, 1)).toEqual([429]);
  expect(await statuses(services, "/api/conversations", create, 4)).toEqual([201, 201, 201, 429]);
  expect(await statuses(services, "/api/conversations", as(ADA), 3)).toEqual([200, 200, 429]);
  expect(await statuses(services, "/api/conversations", as(BOB), 3)).toEqual([200, 200, 429]);
});

test("a request that is refused is not carried out, and its body is not read", async () => {
  const services = await startLimited({ rateLimitWrites: 1 });
  await ask(services, "/api/conversations", { ...as(ADA), body: { id: "a" } });
  let pulled = false;
  const body = new ReadableStream(
    {
      pull() {
        pulled = true;
      },
    },
    { highWaterMark: 0 },
  );
  const headers = { "x-test-user": ADA, "content-type": "application/json" };
  const init = { method: "POST", headers, body, duplex: "half" } as RequestInit;
  const { status } = await services.fetch(new Request("http://localhost/api/conversations", init));
  expect(status).toBe(429);
  expect(pulled).toBe(false);
  expect((await ask(services, "/api/conversations", as(ADA))).json.conversations).toHaveLength(1);
});

describe("addresses", () => {
  test("one address is counted for all its users, and says so when it has less left than the user", async () => {
    const services = await startLimited({ rateLimitAddressReads: 4, rateLimitReads: 3 });
    const from = HERE;
    const first = await ask(services, "/api/conversations", { ...as(ADA), from });
    expect(rateLimitOf(first)).toMatchObject({ policy: "reads", r: 2 });
    await ask(services, "/api/conversations", { ...as(ADA), from });
    await ask(services, "/api/conversations", { ...as(BOB), from });
    const last = await ask(services, "/api/conversations", { ...as("cyd@example.com"), from });
    expect(rateLimitOf(last)).toMatchObject({ policy: "address_reads", q: 4, r: 0 });
    const refused = await ask(services, "/api/conversations", { ...as("dan@example.com"), from });
    expectProblem(refused, "rate_limited");
    expect(rateLimitOf(refused)).toMatchObject({ policy: "address_reads", r: 0 });
    expect(
      await statuses(services, "/api/conversations", { ...as("dan@example.com"), from: "203.0.113.8" }, 1),
    ).toEqual([200]);
  });

  test("IPv6 addresses of one /64 are one, and an IPv4 address is itself however it is written", async () => {
    const services = await startLimited({ rateLimitAddressReads: 2 });
    let user = 0;
    const read = async (from: string): Promise<number> =>
      (await ask(services, "/api/conversations", { ...as(`user-${(user += 1)}@example.com`), from })).status;
    expect(await read("2001:db8:0:1::1")).toBe(200);
    expect(await read("2001:0db8:0000:0001:ffff::2")).toBe(200);
    expect(await read("2001:db8::1:0:0:0:3")).toBe(429);
    expect(await read("2001:db8:0:2::1")).toBe(200);
    expect(await read("fe80::1%eth0")).toBe(200);
    expect(await read("::ffff:203.0.113.7")).toBe(200);
    expect(await read("203.0.113.7")).toBe(200);
    expect(await read("::ffff:cb00:7107")).toBe(429);
    expect(await read("::ffff:203.0.113.8")).toBe(200);
  });

  test("behind proxies the address is so many from the end of x-forwarded-for; what is before it anybody may write", async () => {
    const services = await startLimited({ rateLimitAddressReads: 2, trustProxy: 2 });
    let user = 0;
    const read = async (forwarded: string): Promise<number> => {
      const headers = as(`user-${(user += 1)}@example.com`, { "x-forwarded-for": forwarded });
      return (await ask(services, "/api/conversations", { ...headers, from: "10.0.0.1" })).status;
    };
    expect(await read("198.51.100.1, 10.0.0.2")).toBe(200);
    expect(await read("1.1.1.1, 198.51.100.1:4711, 10.0.0.3")).toBe(200);
    expect(await read("2.2.2.2,198.51.100.1,10.0.0.2")).toBe(429);
    expect(await read("198.51.100.1, 198.51.100.2, 10.0.0.2")).toBe(200);
    expect(await read("[2001:db8::1]:80, 10.0.0.2")).toBe(200);
  });

  test("without TRUST_PROXY nobody's x-forwarded-for is believed", async () => {
    const services = await startLimited({ rateLimitAddressReads: 2 });
    const answers: number[] = [];
    for (let i = 0; i < 3; i += 1) {
      const asking = as(`user-${i}@example.com`, { "x-forwarded-for": `198.51.100.${i}` });
      answers.push((await ask(services, "/api/conversations", { ...asking, from: HERE })).status);
    }
    expect(answers).toEqual([200, 200, 429]);
  });

  test("whatever x-forwarded-for holds, the request is answered, and counted by its connection", async () => {
    const services = await startLimited({ rateLimitAddressReads: 100, trustProxy: 1 });
    const wrong = [
      "",
      ",",
      "unknown",
      "_hidden",
      "1.2.3",
      "1.2.3.4.5",
      "999.1.1.1",
      "[::1",
      "::1]:x",
      "a".repeat(9_000),
    ];
    for (const [i, forwarded] of wrong.entries()) {
      const asking = as(`user-${i}@example.com`, { "x-forwarded-for": forwarded });
      const answer = await ask(services, "/api/conversations", { ...asking, from: HERE });
      expect(answer.status, forwarded).toBe(200);
      expect(rateLimitOf(answer)).toMatchObject({ policy: "address_reads", r: 99 - i });
    }
  });

  test("a host that says nothing of the connection has limits of users only", async () => {
    const services = await startLimited({ rateLimitAddressReads: 1 });
    expect(await statuses(services, "/api/conversations", as(ADA), 3)).toEqual(times(3, 200));
  });
});

describe("credentials that are missing or wrong", () => {
  const CONVERSATIONS = "/api/conversations";

  test("so many a minute from one address, then nothing is looked at any more, not even the right ones", async () => {
    const { services, newKey } = await startAuthenticated({ rateLimits: "on", rateLimitFailedLogins: 3 });
    const { secret } = await newKey(ADA);
    const right = { headers: bearer(secret), from: HERE };
    expect(await statuses(services, CONVERSATIONS, { from: HERE }, 1)).toEqual([401]);
    expect(await statuses(services, CONVERSATIONS, { headers: bearer("wrong"), from: HERE }, 1)).toEqual([401]);
    expect(await statuses(services, CONVERSATIONS, right, 2)).toEqual([200, 200]);
    expect(await statuses(services, CONVERSATIONS, { headers: bearer("wrong"), from: HERE }, 3)).toEqual([
      401, 429, 429,
    ]);
    const refused = await ask(services, CONVERSATIONS, right);
    expectProblem(refused, "rate_limited");
    expect(rateLimitOf(refused)).toMatchObject({ policy: "failed_logins", q: 3, r: 0 });
    expect(refused.headers.get("retry-after")).toBe(String(rateLimitOf(refused)?.t));
    expect(await statuses(services, CONVERSATIONS, { ...right, from: "203.0.113.8" }, 1)).toEqual([200]);
  });

  test("those of POST /api/login count with them, and those of /metrics", async () => {
    const { services } = await startAuthenticated({
      rateLimits: "on",
      rateLimitFailedLogins: 3,
      metricsToken: "of Prometheus",
    });
    const login = { body: { credential: "wrong" }, from: HERE };
    expect(await statuses(services, "/api/login", login, 1)).toEqual([401]);
    expect(await statuses(services, "/metrics", { headers: bearer("wrong"), from: HERE }, 1)).toEqual([401]);
    expect(await statuses(services, CONVERSATIONS, { from: HERE }, 2)).toEqual([401, 429]);
    expect(await statuses(services, "/api/login", login, 1)).toEqual([429]);
    expect(await statuses(services, "/metrics", { headers: bearer("of Prometheus"), from: HERE }, 1)).toEqual([429]);
  });

  test("logging in and out is counted by address", async () => {
    const { services, newKey } = await startAuthenticated({ rateLimits: "on", rateLimitAddressWrites: 3 });
    const { secret: credential } = await newKey(ADA);
    expect(await statuses(services, "/api/login", { body: { credential }, from: HERE }, 2)).toEqual([200, 200]);
    expect(await statuses(services, "/api/logout", { method: "POST", from: HERE }, 2)).toEqual([200, 429]);
  });

  test("those that are good and do not allow what is asked count with them: they are looked up each time", async () => {
    const { services, newKey } = await startAuthenticated({ rateLimits: "on", rateLimitFailedLogins: 3 });
    const { secret } = await newKey(ADA);
    const acting = { headers: { ...bearer(secret), "x-backscroll-user": BOB }, from: HERE };
    expect(await statuses(services, CONVERSATIONS, acting, 4)).toEqual([403, 403, 403, 429]);
  });

  test("a conversation that is not there is no failed login", async () => {
    const { services, newKey } = await startAuthenticated({ rateLimits: "on", rateLimitFailedLogins: 1 });
    const { secret } = await newKey(ADA);
    const asking = { headers: bearer(secret), from: HERE };
    expect(await statuses(services, "/api/conversations/absent", asking, 5)).toEqual(times(5, 404));
  });
});

describe("who is limited", () => {
  test("with authentication everybody, unless it is turned off; without it nobody, unless it is turned on", async () => {
    const { databaseUrl, drop } = await newSchema();
    onTestFinished(drop);
    const isLimited = async (options: Partial<Parameters<typeof createServices>[0]>): Promise<boolean> => {
      const services = await createServices({ ...options, databaseUrl });
      onTestFinished(() => services.close());
      const { headers } = await ask(services, "/api/conversations", { ...as(ADA), from: HERE });
      const found = await Promise.all(
        Array.from({ length: 2 }, () => ask(services, "/api/me", { headers: bearer("x"), from: HERE })),
      );
      return headers.has("ratelimit") || found.some(({ status }) => status === 429);
    };
    const one = { rateLimitFailedLogins: 1 };
    expect(await isLimited({ local: true, auth: "required", ...one })).toBe(true);
    expect(await isLimited({ local: true, auth: "required", rateLimits: "off", ...one })).toBe(false);
    expect(await isLimited({ local: true })).toBe(false);
    expect(await isLimited({ local: true, rateLimits: "on" })).toBe(true);
    // A host that authenticates by itself.
    expect(await isLimited({})).toBe(false);
    expect(await isLimited({ auth: "required" })).toBe(false);
    expect(await isLimited({ rateLimits: "on" })).toBe(true);
  });

  test("a backend's admin key: who it acts for is counted, its address is not", async () => {
    const { services, newKey } = await startAuthenticated({
      rateLimits: "on",
      rateLimitReads: 2,
      rateLimitAddressReads: 3,
    });
    const { secret } = await newKey("backend@example.com", { scope: "admin" });
    const actFor = (user: string) => ({ headers: { ...bearer(secret), "x-backscroll-user": user }, from: HERE });
    for (const user of [ADA, BOB, "cyd@example.com"]) {
      expect(await statuses(services, "/api/conversations", actFor(user), 3)).toEqual([200, 200, 429]);
    }
    // Who comes by themselves has the same budget.
    const own = await newKey(ADA);
    expect(await statuses(services, "/api/conversations", { headers: bearer(own.secret), from: HERE }, 1)).toEqual([
      429,
    ]);
  });

  test("health, metrics and the documentation are not counted", async () => {
    const services = await startLimited({ rateLimitReads: 1, rateLimitAddressReads: 1 });
    for (const path of ["/livez", "/readyz", "/api/docs", "/api/openapi.json"]) {
      expect(await statuses(services, path, { from: HERE }, 3), path).toEqual(times(3, 200));
    }
  });

  test("what was refused is counted for operators, and a proxy that is not trusted is told of once", async () => {
    const lines: string[] = [];
    const { pino } = await import("pino");
    const logger = pino({ level: "warn" }, { write: (line: string) => void lines.push(line) });
    const services = await startLimited({ rateLimitAddressReads: 1, logger });
    const asking = { ...as(ADA, { "x-forwarded-for": "198.51.100.1" }), from: HERE };
    await statuses(services, "/api/conversations", asking, 4);
    expect(await services.registry.metrics()).toContain('backscroll_rate_limited_total{policy="address_reads"} 3');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("TRUST_PROXY");
    expect(lines[0]).not.toContain("198.51.100.1");
    expect(lines[0]).not.toContain(HERE);
  });
});

describe("event streams", () => {
  const EVENTS = "/api/events";
  const openUntilFree = (services: Services, user: string): Promise<void> =>
    eventually(async () => {
      const response = await open(services, EVENTS, as(user));
      await response.body?.cancel();
      return response.status;
    }).toBe(200);

  test("a user holds so many open; one that is closed makes room, and other users have their own", async () => {
    const services = await startLimited({ streamsPerUser: 2 });
    const [first, second] = [await open(services, EVENTS, as(ADA)), await open(services, EVENTS, as(ADA))];
    const refused = await ask(services, EVENTS, as(ADA));
    expect(refused.status).toBe(429);
    expectProblem(refused, "too_many_streams");
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    const other = await open(services, EVENTS, as(BOB));
    expect(other.status).toBe(200);
    await first?.body?.cancel();
    await openUntilFree(services, ADA);
    for (const { body } of [second, other]) await body?.cancel();
  });

  test("asking for a stream's head holds none open", async () => {
    const services = await startLimited({ streamsPerUser: 1 });
    expect(await statuses(services, EVENTS, { ...as(ADA), method: "HEAD" }, 5)).toEqual(times(5, 200));
    await openUntilFree(services, ADA);
  });

  for (const [path, body] of [
    ["/api/chat", { message: "hello", stream: true }],
    ["/api/conversations/messages", { message: "hello", stream: true }],
    ["/api/chat", { id: "chat", messages: [{ id: "m", role: "user", parts: [{ type: "text", text: "hello" }] }] }],
  ] as const) {
    test(`a turn at ${path} whose stream is refused is not taken: ${Object.keys(body).join(", ")}`, async () => {
      const services = await startLimited({ streamsPerUser: 1 });
      const held = await open(services, EVENTS, as(ADA));
      const refused = await ask(services, path, { ...as(ADA), body });
      expectProblem(refused, "too_many_streams");
      expect((await ask(services, "/api/conversations", as(ADA))).json.conversations).toEqual([]);
      // Without a stream it is.
      const taken = await ask(services, "/api/chat", { ...as(ADA), body: { message: "hello" } });
      expect(taken.status).toBe(200);
      await held.body?.cancel();
    });
  }

  test("a turn's stream makes room when the reply ends, when its reader leaves, and when it never began", async () => {
    const services = await scriptedServices({ rateLimits: "on", streamsPerUser: 1 });
    const body = { message: "hello", stream: true };
    const whole = await open(services, "/api/chat", { ...as(ADA), body });
    const reply = await services.nextReply();
    expect((await ask(services, EVENTS, as(ADA))).status).toBe(429);
    reply.say("Hello");
    reply.finish();
    expect(await whole.text()).toContain("[DONE]");
    await openUntilFree(services, ADA);

    const left = await open(services, "/api/chat", { ...as(ADA), body });
    const second = await services.nextReply();
    await left.body?.cancel();
    await openUntilFree(services, ADA);
    second.finish();

    const absent = { ...body, conversation_id: "absent" };
    expect(await statuses(services, "/api/chat", { ...as(ADA), body: absent }, 3)).toEqual(times(3, 404));
    await openUntilFree(services, ADA);
  });

  test("following a reply holds a stream open; that there is none to follow does not", async () => {
    const services = await scriptedServices({ rateLimits: "on", streamsPerUser: 1 });
    const { json } = await ask(services, "/api/conversations", { ...as(ADA), body: { id: "c" } });
    expect(json.conversation_id).toBe("c");
    expect(await statuses(services, "/api/chat/c/stream", as(ADA), 3)).toEqual(times(3, 204));
    const turn = ask(services, "/api/chat", { ...as(ADA), body: { message: "hello", conversation_id: "c" } });
    const reply = await services.nextReply();
    const followed = await open(services, "/api/chat/c/stream", as(ADA));
    expect(followed.status).toBe(200);
    expectProblem(await ask(services, "/api/chat/c/stream", as(ADA)), "too_many_streams");
    reply.finish();
    await Promise.all([followed.text(), turn]);
    await openUntilFree(services, ADA);
  });
});
