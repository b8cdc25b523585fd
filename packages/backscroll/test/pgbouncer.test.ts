import { beforeAll, expect, onTestFinished, test } from "vitest";
import { BackscrollError } from "../src/domain/errors.ts";
import { migrate } from "../src/postgres/migrate.ts";
import { type Database, openDatabase, type PoolOptions } from "../src/postgres/pool.ts";
import { findRoute } from "../src/postgres/pooler.ts";
import { findPgBouncer } from "./find-pgbouncer.ts";
import { startPgBouncer } from "./pgbouncer.ts";
import { startRedis } from "./redis-server.ts";
import { runCommand, startCommand } from "./service-process.ts";
import { createServices, newSchema, type Services } from "./services.ts";
import { PATIENTLY } from "./workers-fixture.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";

beforeAll(() => void findPgBouncer(), 300_000);

interface Pooled {
  readonly url: string;
  readonly directUrl: string;
}

async function pooled(settings?: Parameters<typeof startPgBouncer>[1]): Promise<Pooled> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const pooler = await startPgBouncer(databaseUrl, settings);
  onTestFinished(() => pooler.stop());
  return { url: pooler.url, directUrl: databaseUrl };
}

async function servicesBehind({ url, directUrl }: Pooled, redisUrl?: string): Promise<Services> {
  const services = await createServices({
    databaseUrl: url,
    databaseDirectUrl: directUrl,
    pgPrepare: false,
    ...(redisUrl !== undefined && { redisUrl }),
  });
  onTestFinished(() => services.close());
  return services;
}

function poolOf(connectionString: string, options: Partial<PoolOptions> = {}): Database {
  const db = openDatabase({
    connectionString,
    max: 4,
    connectionTimeoutMs: 5_000,
    statementTimeoutMs: 5_000,
    onIdleError: () => undefined,
    ...options,
  });
  onTestFinished(() => db.close());
  return db;
}

test("it is known what a connection string leads to", async () => {
  const { url, directUrl } = await pooled();
  expect(await findRoute(directUrl)).toBe("direct");
  expect(await findRoute(url)).toBe("unprepared");
  const session = await startPgBouncer(directUrl, { pool_mode: "session" });
  onTestFinished(() => session.stop());
  expect(await findRoute(session.url)).toBe("pooler");
});

test(
  "behind a pooler that loses prepared statements a start is refused, and says what to set; with workers too",
  PATIENTLY,
  async () => {
    const { url } = await pooled();
    for (const args of [["--port", "0"], ["--port", "0", "--workers", "2"], ["export"]]) {
      const { status, stderr } = await runCommand(args, { DATABASE_URL: url });
      expect(status, args.join(" ")).toBe(2);
      expect(stderr).toContain("Set PG_PREPARE=off, and DATABASE_DIRECT_URL");
    }
  },
);

test("a pooler in session mode needs no setting", async () => {
  const { url } = await pooled({ pool_mode: "session", default_pool_size: 30, server_reset_query: "" });
  const services = await createServices({ databaseUrl: url });
  onTestFinished(() => services.close());
  await services.call(ADA, "POST", "/api/conversations", { id: "c" });
  const message = { role: "user", content: "x" };
  const saved = await services.call(ADA, "POST", "/api/conversations/c/messages", message);
  expect(saved.status, saved.text).toBe(201);
  const redis = await startRedis();
  const dropped = await runCommand(["cache", "drop"], { DATABASE_URL: url, REDIS_URL: redis.url });
  expect(dropped.status, dropped.stderr).toBe(0);
});

test("migrations need no session: through the pooler and past it, many at once apply each once", async () => {
  const { url, directUrl } = await pooled();
  const applied = (await Promise.all([url, directUrl, url, directUrl, url].map((one) => migrate(one)))).flat();
  expect(applied.length).toBeGreaterThan(0);
  expect(new Set(applied).size).toBe(applied.length);
});

test("the whole life of conversations goes on behind one in transaction mode", PATIENTLY, async () => {
  const services = await servicesBehind(await pooled());
  const ask = async (user: string, expected: number, method: string, path: string, body?: unknown) => {
    const answer = await services.call(user, method, path, body);
    expect(answer.status, `${method} ${path}: ${answer.text}`).toBe(expected);
    return answer;
  };
  const messages = "/api/conversations/c/messages";
  await ask(ADA, 201, "POST", "/api/conversations", { id: "c", title: "Trip" });
  const saves = Array.from({ length: 200 }, (_, i) =>
    ask(ADA, 201, "POST", messages, { role: "user", content: `m${i}`, id: `m${i}` }),
  );
  const seqs = (await Promise.all(saves)).map(({ json }) => json.seq as number);
  expect(seqs.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
  await ask(ADA, 200, "POST", messages, { role: "user", content: "m1", id: "m1" }); // a retry
  const turn = { message: "I had a dream", message_id: "q", session_id: "tab-1" };
  const { json: answered } = await ask(ADA, 200, "POST", "/api/conversations/messages", turn);
  const followUp = { message: "Of Rome", conversation_id: "c", stream: true };
  expect((await ask(ADA, 200, "POST", "/api/conversations/messages", followUp)).text).toContain('"type":"finish"');
  const { json: session } = await ask(ADA, 200, "GET", "/api/sessions/tab-1");
  expect(session.conversation_id).toBe(answered.conversation_id);
  await ask(ADA, 200, "PATCH", `${messages}/m0`, { content: "edited" });
  await ask(ADA, 200, "DELETE", `${messages}/m2`);
  expect((await ask(ADA, 200, "GET", `${messages}?page=2&page_size=50`)).json.messages).toHaveLength(50);
  await ask(ADA, 200, "DELETE", "/api/conversations/c");
  await ask(ADA, 200, "POST", "/api/conversations/c/restore");
  expect((await ask(ADA, 200, "GET", "/api/conversations")).json.conversations).toHaveLength(2);

  const { text: exported } = await ask(ADA, 200, "GET", "/api/me/export");
  const { json: imported } = await ask(BOB, 200, "POST", "/api/import", exported);
  expect(imported).toMatchObject({ conversations: { created: 2 }, failed: 0 });
  await ask(ADA, 200, "GET", "/api/usage");
  expect((await services.call(ADA, "DELETE", "/api/me")).status).toBeLessThan(300);
  expect((await ask(BOB, 200, "GET", "/api/conversations/c")).json.message_count).toBe(201);
});

test("servers hear each other past it: what one saves, the other's cache never hides", async () => {
  const redis = await startRedis();
  const behind = await pooled();
  const [one, other] = [await servicesBehind(behind, redis.url), await servicesBehind(behind, redis.url)];
  await one.call(ADA, "POST", "/api/conversations", { id: "c" });
  const read = async (): Promise<string | null> =>
    (await other.call(ADA, "GET", "/api/conversations/c/messages")).headers.get("x-backscroll-cache");
  await expect.poll(read).toBe("hit");
  await one.call(ADA, "POST", "/api/conversations/c/messages", { role: "user", content: "x", id: "new" });
  expect((await other.call(ADA, "GET", "/api/conversations/c/messages")).json.messages).toHaveLength(1);
});

test("when announcements go through it the cache is left aside, and it is said what to set", PATIENTLY, async () => {
  const redis = await startRedis();
  const { url } = await pooled();
  const service = startCommand(["--port", "0"], { DATABASE_URL: url, REDIS_URL: redis.url, PG_PREPARE: "off" });
  await expect.poll(() => service.stderr(), { timeout: 60_000 }).toContain("Set DATABASE_DIRECT_URL");
});

test("a statement that takes too long is ended in PostgreSQL, and the others go on", async () => {
  const { url, directUrl } = await pooled();
  const db = poolOf(url, { prepare: false, direct: false, statementTimeoutMs: 200, max: 1 });
  const sleep = { name: "sleep", text: "select pg_sleep($1) as slept_too_long", values: [30] };
  await expect(db.query(sleep)).rejects.toThrow("PostgreSQL does not answer");
  const watcher = poolOf(directUrl);
  const running = async (): Promise<number> => {
    const text =
      "select 1 from pg_stat_activity where query like '%slept_too_long' and state = 'active' and pid <> pg_backend_pid()";
    return (await watcher.query({ name: "running", text, values: [] })).length;
  };
  await expect.poll(running).toBe(0);
  expect(await db.query({ name: "one", text: "select 1 as one", values: [] })).toEqual([{ one: 1 }]);
});

test("where prepared statements get lost all the same, no answer is wrong and the log says why", async () => {
  const { url } = await pooled({ ignore_startup_parameters: "statement_timeout", default_pool_size: 3 });
  const db = poolOf(url, { max: 8 });
  const errors: unknown[] = [];
  const ask = async (i: number): Promise<void> => {
    const text = `select $1::int as told, ${i % 4} as which`;
    try {
      expect(await db.query({ name: `echo_${i % 4}`, text, values: [i] })).toEqual([{ told: i, which: i % 4 }]);
    } catch (error) {
      errors.push(error);
    }
  };
  for (let round = 0; round < 20; round += 1)
    await Promise.all(Array.from({ length: 16 }, (_, i) => ask(round * 16 + i)));
  expect(errors.length).toBeGreaterThan(0);
  for (const error of errors) {
    expect(error).toBeInstanceOf(BackscrollError);
    expect((error as BackscrollError).code).toBe("database_unavailable");
    expect(String((error as BackscrollError).cause)).toContain("Set PG_PREPARE=off");
  }
});
