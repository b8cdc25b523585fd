import pg from "pg";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { type DebianPostgres, findDebianPostgres, startDebianPostgres } from "./debian-postgres.ts";
import { type FaultyRedis, startFaultyRedis } from "./faulty-redis.ts";
import { startPostgresRelay } from "./postgres-relay.ts";
import { startScriptedModel } from "./scripted-model.ts";
import { type ServiceProcess, startService } from "./service-process.ts";
import { signWithSecret } from "./token-issuer.ts";

// An erasure, and everything else going on at the same time: two servers in processes of their own.

beforeAll(findDebianPostgres, 300_000);

const ADA = "ada-who-leaves@example.com";
const BOB = "bob-who-stays@example.com";
/** Is in everything that is said by Ada, or to her. */
const SECRET = "the-zebra-is-under-the-stairs";
/** The same for Bob. */
const KEPT = "the-giraffe-is-in-the-attic";
const JWT_SECRET = "0123456789abcdef0123456789abcdef";

interface Setup {
  readonly a: ServiceProcess;
  readonly b: ServiceProcess;
  readonly postgres: DebianPostgres;
  readonly redis: FaultyRedis;
}

/** @param databaseUrlOfA where A finds the database, if it is another way than B's */
async function start(postgres: DebianPostgres, databaseUrlOfA = postgres.databaseUrl): Promise<Setup> {
  const redis = await startFaultyRedis();
  // Says what it was asked, again and again, until nobody listens or half a second has gone.
  const model = await startScriptedModel((reply) => {
    let said = 0;
    const talking = setInterval(() => {
      if (!reply.isOpen || (said += 1) > 25) {
        clearInterval(talking);
        if (reply.isOpen) reply.finish();
      } else reply.say(`${reply.question} `);
    }, 20);
  });
  onTestFinished(() => model.close());
  const environment = {
    REDIS_URL: redis.url,
    JWT_SECRET,
    JWT_AUDIENCE: "backscroll",
    MODEL: "compatible/scripted-1",
    MODEL_BASE_URL: model.baseUrl,
    LOG_LEVEL: "debug",
    CACHE_AUDIT_INTERVAL_MS: "200",
    RATE_LIMIT_READS: "1000000",
    RATE_LIMIT_WRITES: "1000000",
    RATE_LIMIT_TURNS: "1000000",
    RATE_LIMIT_ADDRESS_TURNS: "1000000",
    RATE_LIMIT_ADDRESS_READS: "1000000",
    RATE_LIMIT_ADDRESS_WRITES: "1000000",
    RATE_LIMIT_FAILED_LOGINS: "1000000",
  };
  const [a, b] = await Promise.all([
    startService([], { ...environment, DATABASE_URL: databaseUrlOfA }),
    startService([], { ...environment, DATABASE_URL: postgres.databaseUrl }),
  ]);
  return { a, b, postgres, redis };
}

/** One person, as their application calls the service. */
interface Person {
  call(server: ServiceProcess, method: string, path: string, body?: object): Promise<Response>;
}

/** @param secret is in the names that their application makes up for them */
async function personOf(email: string, secret: string): Promise<Person> {
  const authorization = `Bearer ${await signWithSecret(JWT_SECRET, email)}`;
  let calls = 0;
  return {
    call: ({ url }, method, path, body) =>
      fetch(`${url}${path}`, {
        method,
        headers: {
          authorization,
          ...(body && { "content-type": "application/json" }),
          ...(method === "POST" && { "idempotency-key": `${secret}-${(calls += 1)}` }),
        },
        body: body ? JSON.stringify(body) : null,
      }),
  };
}

/** Everything that a client may do. `n` is another number each time. */
const DEEDS: Record<string, (n: number) => [method: string, path: string, body?: object]> = {
  makes: (n) => ["POST", "/api/conversations", { id: `c${n % 20}`, title: SECRET, metadata: { note: SECRET } }],
  writes: (n) => ["POST", `/api/conversations/c${n % 20}/messages`, { role: "user", content: `${SECRET} ${n}` }],
  "writes many": (n) => ["POST", `/api/conversations/c${n % 20}/messages`, { messages: many(n) }],
  reads: (n) => ["GET", `/api/conversations/c${n % 20}/messages`],
  lists: () => ["GET", "/api/conversations"],
  trashes: (n) => ["DELETE", `/api/conversations/c${n % 40}`],
  erases: (n) => ["DELETE", `/api/conversations/c${n % 30}?permanent=true`],
  "asks for one reply": () => ["POST", "/api/chat", { message: SECRET }],
  "streams one reply": (n) => [
    "POST",
    "/api/conversations/messages",
    { message: SECRET, conversation_id: `talk-${n}`, stream: true },
  ],
  follows: (n) => ["GET", `/api/chat/talk-${n}/stream`],
  "listens to changes": () => ["GET", "/api/events"],
  "puts a session": (n) => [
    "PUT",
    `/api/sessions/${SECRET}-${n % 5}`,
    { conversation_id: `c${n % 20}`, context: { SECRET } },
  ],
  "reads a session": (n) => ["GET", `/api/sessions/${SECRET}-${n % 5}`],
  counts: () => ["GET", "/api/usage"],
  exports: (n) => ["GET", `/api/conversations/c${n % 20}/export`],
  imports: (n) => ["POST", "/api/import", importOf(n)],
};

function many(n: number): object[] {
  return Array.from({ length: 20 }, (_, i) => ({ role: "user", content: `${SECRET} ${n} ${i}` }));
}

function importOf(n: number): object {
  const conversations = Array.from({ length: 30 }, (_, i) => ({
    id: `imported-${n}-${i}`,
    title: SECRET,
    messages: [{ id: "m", role: "user", content: SECRET }],
  }));
  return { backscroll_export: 1, conversations };
}

/** Does one thing after the other until it is told who they were. @returns how each was answered */
async function keepDoing(ada: Person, server: ServiceProcess, does: string, from: number): Promise<readonly number[]> {
  const statuses: number[] = [];
  for (let n = from; ; n += 1) {
    const deed = DEEDS[does];
    if (!deed) throw new Error(`there is no deed ${does}`);
    const response = await ada.call(server, ...deed(n));
    statuses.push(response.status);
    const text = await response.text().catch((error: unknown) => {
      // Half an export never looks whole: what it was of has gone meanwhile.
      if (does !== "exports") throw error;
      return "";
    });
    if (response.status === 403 && text.includes("user_erased")) return statuses;
    expect(response.status, `${does}: ${text.slice(0, 300)}`).toBeLessThan(500);
  }
}

/** @returns keys of Redis, and all that is in them */
async function contentsOf(redis: FaultyRedis): Promise<ReadonlyMap<string, string>> {
  const keys = (await redis.ask("KEYS", "*")) as string[];
  const read: Record<string, (key: string) => readonly string[]> = {
    string: (key) => ["GET", key],
    list: (key) => ["LRANGE", key, "0", "-1"],
    hash: (key) => ["HGETALL", key],
    set: (key) => ["SMEMBERS", key],
    zset: (key) => ["ZRANGE", key, "0", "-1"],
    stream: (key) => ["XRANGE", key, "-", "+"],
  };
  const found = new Map<string, string>();
  for (const key of keys) {
    const type = (await redis.ask("TYPE", key)) as string;
    const command = read[type]?.(key);
    if (type !== "none" && !command) throw new Error(`a key of Redis is of the type ${type}`);
    found.set(key, command ? JSON.stringify(await redis.ask(...command)) : "");
  }
  return found;
}

async function query<Row extends pg.QueryResultRow>(databaseUrl: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function userIdOf({ databaseUrl }: DebianPostgres, email: string): Promise<number> {
  const [row] = await query<{ id: string }>(databaseUrl, `select id from users where email = '${email}'`);
  if (!row) throw new Error(`there is no ${email}`);
  return Number(row.id);
}

/** @returns tables with a row of this user */
async function tablesWith({ databaseUrl }: DebianPostgres, userId: number): Promise<readonly string[]> {
  const tables = await query<{ name: string }>(
    databaseUrl,
    "select table_name as name from information_schema.columns where table_schema = 'public' and column_name = 'user_id'",
  );
  expect(tables.length).toBeGreaterThan(8);
  const conditions = [["users", "id"], ...tables.map(({ name }) => [name, "user_id"])];
  const withRows: string[] = [];
  for (const [table = "", column = ""] of conditions) {
    const rows = await query(databaseUrl, `select from ${table} where ${column} = ${userId} limit 1`);
    if (rows.length > 0) withRows.push(table);
  }
  return withRows;
}

function keysOf(contents: ReadonlyMap<string, string>, userId: number): readonly string[] {
  return [...contents.keys()].filter((key) => key.includes(`{${userId}:`) || key.includes(`{${userId}}`));
}

/** Nothing of Ada is left anywhere. */
async function expectNothingOf(userId: number, { a, b, postgres, redis }: Setup): Promise<void> {
  expect(await tablesWith(postgres, userId)).toEqual([]);
  const dump = postgres.dump();
  // It does look into everything.
  expect(dump).toContain(KEPT);
  expect(dump).toContain(BOB);
  // A reader that came too late may have asked for a lease: that is gone after seconds.
  await expect.poll(async () => keysOf(await contentsOf(redis), userId), { timeout: 15_000 }).toEqual([]);
  const contents = await contentsOf(redis);
  const cached = JSON.stringify([...contents]);
  expect(cached).toContain(KEPT);
  const logs = a.stderr() + b.stderr();
  expect(logs).toContain('"request"');
  for (const [where, text] of Object.entries({ dump, cached, logs })) {
    for (const trace of [SECRET, ADA]) expect(around(text, trace), where).toBe("");
  }
}

/** @returns where it is, so that a failure shows it */
function around(text: string, trace: string): string {
  const at = text.indexOf(trace);
  return at === -1 ? "" : text.slice(Math.max(0, at - 300), at + 100);
}

async function everythingOf(bob: Person, server: ServiceProcess): Promise<unknown> {
  const [me, list, messages, session] = await Promise.all(
    ["/api/me", "/api/conversations", "/api/conversations/kept/messages", "/api/sessions/kept"].map(async (path) => {
      const response = await bob.call(server, "GET", path);
      expect(response.status, path).toBe(200);
      return response.json();
    }),
  );
  return { me, list, messages, session };
}

async function settleIn(bob: Person, { a }: Setup): Promise<void> {
  await bob.call(a, "POST", "/api/conversations", { id: "kept", title: KEPT });
  await bob.call(a, "POST", "/api/conversations/kept/messages", { role: "user", content: KEPT });
  await bob.call(a, "PUT", "/api/sessions/kept", { conversation_id: "kept" });
}

test("a person who is erased while they write, read, listen and are answered on two servers leaves no trace", async () => {
  const setup = await start(await startDebianPostgres());
  const { a, b, postgres } = setup;
  const [ada, bob] = [await personOf(ADA, SECRET), await personOf(BOB, KEPT)];
  await settleIn(bob, setup);
  const before = await everythingOf(bob, a);
  for (let n = 0; n < 20; n += 1) await ada.call(a, ...(DEEDS["makes"] as (n: number) => [string, string, object])(n));
  const userId = await userIdOf(postgres, ADA);

  const doing = Object.keys(DEEDS).flatMap((does, index) =>
    [a, b].map((server, at) => keepDoing(ada, server, does, index * 1_000 + at * 500)),
  );
  // Of everything there is some: rows and keys of hers, and replies being written.
  const { databaseUrl } = postgres;
  const rows = (table: string): Promise<unknown[]> => query(databaseUrl, `select from ${table} limit 1`);
  for (const table of ["generations", "sessions", "idempotency_keys", "usage_daily"]) {
    await expect.poll(async () => (await rows(table)).length, { timeout: 15_000, message: table }).toBe(1);
  }
  const herKeys = async (): Promise<string> => keysOf(await contentsOf(setup.redis), userId).join();
  await expect.poll(herKeys, { timeout: 15_000 }).toMatch(/:messages(.|\n)*:stream:/);
  await expect.poll(herKeys, { timeout: 15_000 }).toMatch(/changes:/);

  const erased = await ada.call(a, "DELETE", "/api/me");

  expect([erased.status, await erased.json()]).toEqual([
    200,
    { erased: true, conversations: expect.any(Number), messages: expect.any(Number) },
  ]);
  const answers = (await Promise.all(doing)).flat();
  // They were at work until then.
  expect(answers.filter((status) => status < 300).length).toBeGreaterThan(50);
  await expectNothingOf(userId, setup);
  expect(await everythingOf(bob, b)).toEqual(before);
  expect((await ada.call(b, "DELETE", "/api/me")).status).toBe(200);
}, 120_000);

test("kill -9 of the server that erases somebody: asked for again, another one finishes it", async () => {
  const postgres = await startDebianPostgres();
  const relay = await startPostgresRelay(postgres.databaseUrl);
  onTestFinished(() => relay.close());
  const setup = await start(postgres, relay.databaseUrl);
  const { a, b } = setup;
  const [ada, bob] = [await personOf(ADA, SECRET), await personOf(BOB, KEPT)];
  await settleIn(bob, setup);
  await everythingOf(bob, b);
  for (const does of ["makes", "writes", "reads", "puts a session"]) {
    for (let n = 0; n < 5; n += 1) await ada.call(b, ...(DEEDS[does] as (n: number) => [string, string, object])(n));
  }
  const userId = await userIdOf(postgres, ADA);

  // The messages are gone, and nothing else.
  const held = relay.holdStatement("delete_all_erased");
  const first = ada.call(a, "DELETE", "/api/me").catch(() => null);
  await held.came;
  a.child.kill("SIGKILL");
  await a.ended;
  expect(await first).toBeNull();
  expect(await tablesWith(postgres, userId)).toContain("conversations");
  expect((await ada.call(b, "GET", "/api/conversations")).status).toBe(403);

  const again = await ada.call(b, "DELETE", "/api/me");

  expect([again.status, await again.json()]).toMatchObject([200, { erased: true }]);
  await expectNothingOf(userId, setup);
}, 120_000);
