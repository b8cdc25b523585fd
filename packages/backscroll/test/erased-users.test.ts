import { expect, onTestFinished, test } from "vitest";
import { migrate } from "../src/postgres/migrate.ts";
import { openDatabase } from "../src/postgres/pool.ts";
import { claimErasures } from "../src/postgres/user-erasure.ts";
import { eraseUser } from "../src/service/erase-user.ts";
import { resolveUser } from "../src/service/users.ts";
import {
  type Authenticated,
  authenticatedOn,
  bearer,
  startAuthenticated,
  startWithIssuer,
} from "./authenticated-services.ts";
import { expectProblem } from "./problem.ts";
import { type Answer, createServices, newSchema, test as withServices } from "./services.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";

type Service = Authenticated & { readonly issuer: { token: (email: string, options?: object) => Promise<string> } };

async function start(): Promise<Service> {
  return startWithIssuer({ rateLimits: "off" });
}

/** @returns the headers of a token issued so many seconds from now */
async function tokenOf({ issuer }: Service, email: string, inSeconds = 0): Promise<Record<string, string>> {
  const iat = Math.floor(Date.now() / 1_000) + inSeconds;
  return bearer(await issuer.token(email, { claims: { iat } }));
}

async function say({ send }: Authenticated, headers: Record<string, string>, id: string): Promise<Answer> {
  await send("POST", "/api/conversations", headers, { id });
  return send("POST", `/api/conversations/${id}/messages`, headers, { role: "user", content: "said" });
}

async function eraseMe({ send }: Authenticated, headers: Record<string, string>): Promise<Answer> {
  return send("DELETE", "/api/me", headers);
}

/** How many rows each table has. */
async function rowsOf({ services }: Authenticated): Promise<Record<string, number>> {
  const tables = [
    "users",
    "conversations",
    "messages",
    "sessions",
    "api_keys",
    "logins",
    "usage_daily",
    "audit_persons",
  ];
  const counts = tables.map(async (table) => {
    const { rows } = await services.deps.db.pool.query(`select count(*)::int as n from ${table}`);
    return [table, rows[0].n] as const;
  });
  return Object.fromEntries(await Promise.all(counts));
}

const NO_ROWS = {
  users: 0,
  conversations: 0,
  messages: 0,
  sessions: 0,
  api_keys: 0,
  logins: 0,
  usage_daily: 0,
  audit_persons: 0,
};

test("whoever erases themself is told what went, and nothing is left", async () => {
  const service = await start();
  const token = await tokenOf(service, ADA, -1);
  await service.newKey(ADA);
  await service.send("POST", "/api/login", {}, { credential: await service.issuer.token(ADA) });
  for (const id of ["kept", "trashed", "pinned"]) await say(service, token, id);
  await service.send("DELETE", "/api/conversations/trashed", token);
  await service.send("PUT", "/api/sessions/s", token, { conversation_id: "kept" });
  await service.send("GET", "/api/usage", token);

  const answer = await eraseMe(service, token);

  expect([answer.status, answer.json]).toEqual([200, { erased: true, conversations: 3, messages: 3 }]);
  expect(await rowsOf(service)).toEqual(NO_ROWS);
});

test("more than a batch of everything is erased, and nobody else's", async () => {
  const service = await start();
  const [ada, bob] = [await tokenOf(service, ADA, -1), await tokenOf(service, BOB, -1)];
  await say(service, bob, "bobs");
  await say(service, ada, "large");
  const { db } = service.services.deps;
  await db.pool.query(`
    insert into messages (user_id, conversation_id, seq, id, role, content, created_at)
    select user_id, id, n, gen_random_uuid(), 'user', 'x', now()
      from conversations, generate_series(2, 12000) as n where client_id = 'large'`);
  await db.pool.query(`
    insert into conversations (user_id, id, title, title_source)
    select user_id, gen_random_uuid(), 'x', 'user' from conversations, generate_series(1, 450) where client_id = 'large'`);
  // What a client may mint, too.
  await service.send("POST", "/api/conversations", ada, { id: "00000000-0000-0000-0000-000000000000" });
  await db.pool.query(`
    insert into sessions (user_id, session_id, id, conversation_id, expires_at)
    select user_id, n::text, gen_random_uuid(), id, now() from conversations, generate_series(1, 2500) as n
     where client_id = 'large'`);
  await db.pool.query(`
    insert into idempotency_keys (user_id, key, request_hash, seed, running_until, expires_at)
    select id, n::text, '', gen_random_uuid(), now(), now() from users, generate_series(1, 2500) as n where subject = '${ADA}'`);

  expect((await eraseMe(service, ada)).json).toMatchObject({ conversations: 452 });

  expect(await rowsOf(service)).toEqual({ ...NO_ROWS, users: 1, conversations: 1, messages: 1 });
  expect((await service.send("GET", "/api/conversations/bobs/messages", bob)).json.messages).toHaveLength(1);
});

test("a token from before is refused, on the other servers too; a later one makes a new person", async () => {
  const service = await start();
  const other = await authenticatedOn(service.services.databaseUrl, {
    rateLimits: "off",
    jwtJwksUrl: service.services.config.jwtJwksUrl,
    jwtIssuer: service.services.config.jwtIssuer,
    jwtAudience: service.services.config.jwtAudience,
  });
  const before = await tokenOf(service, ADA);
  await say(service, before, "first");
  await eraseMe(service, before);

  for (const server of [service, other]) {
    expectProblem(await server.send("GET", "/api/me", before), "user_erased");
    expectProblem(await server.send("GET", "/api/conversations", before), "user_erased");
  }

  const after = await tokenOf(service, ADA, 2);
  for (const server of [service, other]) {
    expect((await server.send("GET", "/api/conversations", after)).json.conversations).toEqual([]);
    // Now that the new person is known by the same name.
    expectProblem(await server.send("GET", "/api/conversations", before), "user_erased");
  }
  expect((await say(other, after, "first")).status).toBe(201);
});

test("keys and logins end with their person; new ones are the new person's", async () => {
  const service = await start();
  const old = await service.newKey(ADA);
  const login = await service.send("POST", "/api/login", {}, { credential: old.secret });
  const cookie = { cookie: /^[^;]+/.exec(login.headers.get("set-cookie") ?? "")?.[0] ?? "" };
  expect(await service.whoIs(cookie)).toBe(ADA);
  await say(service, bearer(old.secret), "first");
  const backend = await service.newKey("backend@example.com", { scope: "admin" });
  const forAda = { "x-api-key": backend.secret, "x-backscroll-user": ADA };

  expect((await eraseMe(service, bearer(old.secret))).status).toBe(200);

  // Until this server has forgotten the key, and then for ever.
  expect(["user_erased", "unauthenticated"]).toContain(await service.whoIs(bearer(old.secret)));
  expect(["user_erased", "unauthenticated"]).toContain(await service.whoIs(cookie));
  expect(await service.whoIs(forAda)).toBe("user_erased");

  const fresh = await service.newKey(ADA);
  expect((await service.send("GET", "/api/conversations", bearer(fresh.secret))).json.conversations).toEqual([]);
  expect(["user_erased", "unauthenticated"]).toContain(await service.whoIs(bearer(old.secret)));
  // It does not know that they have come back.
  expect(await service.whoIs(forAda)).toBe("user_erased");
});

test("a backend erases whom it acts for, and itself not", async () => {
  const service = await start();
  const backend = await service.newKey("backend@example.com", { scope: "admin" });
  const forAda = { "x-api-key": backend.secret, "x-backscroll-user": ADA };
  await say(service, forAda, "first");

  expect((await eraseMe(service, forAda)).json).toEqual({ erased: true, conversations: 1, messages: 1 });
  expect((await eraseMe(service, forAda)).json).toEqual({ erased: true, conversations: 0, messages: 0 });

  expect(await service.whoIs({ "x-api-key": backend.secret })).toBe("backend@example.com");
  await eraseMe(service, { "x-api-key": backend.secret });
  for (const headers of [forAda, { ...forAda, "x-backscroll-user": BOB }]) {
    const { status } = await eraseMe(service, headers);
    expect([401, 403]).toContain(status);
  }
});

test("asked for again it answers 200 again, and leaves alone who has come back", async () => {
  const service = await start();
  const before = await tokenOf(service, ADA);
  await say(service, before, "first");

  const answers = await Promise.all([eraseMe(service, before), eraseMe(service, before), eraseMe(service, before)]);
  for (const { status, json } of [...answers, await eraseMe(service, before)]) {
    expect([status, json.erased]).toEqual([200, true]);
  }

  const after = await tokenOf(service, ADA, 2);
  await say(service, after, "second");
  expect((await eraseMe(service, before)).json).toEqual({ erased: true, conversations: 0, messages: 0 });
  expect((await service.send("GET", "/api/conversations/second", after)).status).toBe(200);
});

test("while an erasure is under way nobody is that person, and asked for again it is finished", async () => {
  const service = await start();
  const token = await tokenOf(service, ADA, -1);
  await say(service, token, "first");
  // As a server leaves it that dies after its first transaction; another one does not know them yet.
  await service.services.deps.db.pool.query("update users set erasing_at = now()");
  const next = await authenticatedOn(service.services.databaseUrl, settingsOf(service));

  for (const headers of [token, await tokenOf(service, ADA, 2)]) {
    const answer = await next.send("GET", "/api/conversations", headers);
    expectProblem(answer, "user_erased");
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
  }

  const answer = await next.send("DELETE", "/api/me", token);
  expect([answer.status, answer.json]).toEqual([200, { erased: true, conversations: 1, messages: 1 }]);
  expect(await rowsOf(next)).toEqual(NO_ROWS);
});

test("what a process that died left half done is finished by the next one, once it has been silent for a while", async () => {
  const service = await start();
  await say(service, await tokenOf(service, ADA, -1), "first");
  await say(service, await tokenOf(service, BOB, -1), "bobs");
  const { pool } = service.services.deps.db;
  await pool.query("update users set erasing_at = now() where subject = $1", [ADA]);
  expect(await claimErasures(service.services.deps.db, { silentMs: 30_000, limit: 1 })).toEqual([]);
  await pool.query("update users set erasing_at = now() - interval '31 seconds' where subject = $1", [ADA]);

  const next = await authenticatedOn(service.services.databaseUrl, settingsOf(service));

  await expect.poll(() => rowsOf(next), { timeout: 10_000 }).toMatchObject({ users: 1, conversations: 1, messages: 1 });
});

test("one server takes over what another left, however many look at once", async () => {
  // Without a service: its upkeep would look, too.
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  await migrate(databaseUrl);
  const limits = { max: 8, connectionTimeoutMs: 10_000, statementTimeoutMs: 10_000 };
  const db = openDatabase({ connectionString: databaseUrl, ...limits, onIdleError: console.error });
  onTestFinished(() => db.close());
  await db.pool.query("insert into users (issuer, subject, erasing_at) values ('', $1, now() - interval '1 minute')", [
    ADA,
  ]);
  const looks = Array.from({ length: 8 }, () => claimErasures(db, { silentMs: 30_000, limit: 1 }));
  expect((await Promise.all(looks)).flat()).toHaveLength(1);
});

test("an erasure is remembered for a day, as an HMAC that names nobody, and then not at all", async () => {
  const service = await start();
  const before = await tokenOf(service, ADA);
  await say(service, before, "first");
  await eraseMe(service, before);
  const { pool } = service.services.deps.db;
  const { rows } = await pool.query("select * from erased_users");
  expect(rows).toEqual([{ identity_hmac: expect.any(Buffer), erased_at: expect.any(Date) }]);
  expect(rows[0].identity_hmac).toHaveLength(32);

  await pool.query("update erased_users set erased_at = now() - interval '23 hours 59 minutes'");
  const young = await authenticatedOn(service.services.databaseUrl, settingsOf(service));
  expectProblem(await young.send("GET", "/api/me", await tokenOf(service, ADA, -86_395)), "user_erased");
  expect((await pool.query("select from erased_users")).rowCount).toBe(1);

  await pool.query("update erased_users set erased_at = now() - interval '24 hours 1 second'");
  expect((await young.send("GET", "/api/me", before)).status).toBe(200);
  await authenticatedOn(service.services.databaseUrl, settingsOf(service));
  await expect.poll(async () => (await pool.query("select from erased_users")).rowCount).toBe(0);
});

withServices("a host's user comes back with the next call: it vouches for them now", async ({ services }) => {
  await services.conversations.createConversation(ADA, { id: "first" });
  const userId = await resolveUser(services.deps, ADA);

  expect(await services.conversations.eraseUser(ADA)).toEqual({ conversations: 1, messages: 0 });
  expect(await services.conversations.eraseUser("nobody@example.com")).toEqual({ conversations: 0, messages: 0 });

  expect((await services.conversations.listUserConversations(ADA)).conversations).toEqual([]);
  expect(await resolveUser(services.deps, ADA)).not.toBe(userId);
});

withServices("without Redis another server refuses an erased person's writes at once", async ({ services }) => {
  const other = await createServices({ databaseUrl: services.databaseUrl });
  onTestFinished(() => other.close());
  expect((await other.call(ADA, "POST", "/api/conversations", { id: "first" })).status).toBe(201);
  const userId = await resolveUser(services.deps, ADA);

  await eraseUser(services.deps, { userId, actor: null });

  expectProblem(await other.call(ADA, "POST", "/api/conversations", { id: "second" }), "user_erased");
  const turn = { message: "Hello" };
  expectProblem(await other.call(ADA, "POST", "/api/conversations/messages", turn), "user_erased");
  expectProblem(await other.call(ADA, "GET", "/api/conversations/first/messages"), "conversation_not_found");
  expectProblem(await other.call(ADA, "POST", "/api/conversations", {}, { "idempotency-key": "once" }), "user_erased");
  const { rows } = await services.deps.db.pool.query("select count(*)::int as users from users");
  expect(rows).toEqual([{ users: 0 }]);
});

withServices("event streams of an erased person end, and no other's", async ({ services }) => {
  const open = async (user: string): Promise<{ isEnded: boolean; heard: string }> => {
    const request = new Request("http://localhost/api/events", { headers: { "x-test-user": user } });
    const { body } = await services.fetch(request);
    const stream = { isEnded: false, heard: "" };
    const reading = (async () => {
      const decoder = new TextDecoder();
      for await (const bytes of body as ReadableStream<Uint8Array>) stream.heard += decoder.decode(bytes);
      stream.isEnded = true;
    })();
    onTestFinished(() => reading);
    await expect.poll(() => stream.heard).toContain("ready");
    return stream;
  };
  const [ada, bob] = [await open(ADA), await open(BOB)];

  await services.conversations.eraseUser(ADA);

  await expect.poll(() => ada.isEnded).toBe(true);
  await services.conversations.createConversation(BOB, { id: "bobs" });
  await expect.poll(() => bob.heard).toContain("bobs");
  await services.conversations.eraseUser(BOB);
  await expect.poll(() => bob.isEnded).toBe(true);
});

test("the audit log says that somebody was erased, and nobody can tell who", async () => {
  const service = await startAuthenticated({ rateLimits: "off" });
  const operator = await service.newKey("operator@example.com", { scope: "admin" });
  const forAda = { "x-api-key": operator.secret, "x-backscroll-user": ADA };
  await say(service, forAda, "secret-plans");
  await service.send("DELETE", "/api/conversations/secret-plans", forAda);
  await eraseMe(service, forAda);

  const { json, text } = await service.send("GET", "/api/audit", { "x-api-key": operator.secret });
  const said = json.entries.map(({ action, actor, subject }: Record<string, unknown>) => ({ action, actor, subject }));
  const by = { user: "operator@example.com" };
  expect(said).toEqual([
    { action: "person_erased", actor: by, subject: { user: null } },
    { action: "conversation_trashed", actor: by, subject: { user: null } },
    { action: "acted_for", actor: by, subject: { user: null } },
  ]);
  expect(text).not.toContain(ADA);
  expect(text).not.toContain("secret-plans");
});

function settingsOf({ services: { config } }: Authenticated): object {
  const { jwtJwksUrl, jwtIssuer, jwtAudience, rateLimits } = config;
  return { jwtJwksUrl, jwtIssuer, jwtAudience, rateLimits };
}
