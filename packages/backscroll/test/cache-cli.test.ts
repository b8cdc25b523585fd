import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "redis";
import { expect, onTestFinished, test } from "vitest";
import { startRedis } from "./redis-server.ts";
import { post, runCommand, startService, temporaryDirectory } from "./service-process.ts";
import { newSchema } from "./services.ts";

interface Read {
  readonly source: string | null;
  readonly contents: readonly string[];
}

async function read(url: string, id = "c"): Promise<Read> {
  const response = await fetch(`${url}/api/conversations/${id}/messages`);
  const { messages } = (await response.json()) as { messages: readonly { content: string }[] };
  return { source: response.headers.get("x-backscroll-cache"), contents: messages.map(({ content }) => content) };
}

/** A service with one conversation, `c`, that is cached. */
async function startWithCached(args: readonly string[], environment: Record<string, string>): Promise<string> {
  const { url } = await startService(args, environment);
  await post(`${url}/api/conversations`, { id: "c" });
  await post(`${url}/api/conversations/c/messages`, { role: "user", content: "first" });
  await read(url);
  await expect.poll(() => read(url)).toEqual({ source: "hit", contents: ["first"] });
  return url;
}

/** @returns the file of an export that has one more message for `c` */
function exportOfSecond(): string {
  const file = join(temporaryDirectory(), "export.json");
  const created_at = "2026-01-01T00:00:00.000Z";
  const conversation = { conversation_id: "c", title: "T", created_at };
  const messages = [{ id: "second", role: "user", content: "second", created_at }];
  writeFileSync(file, JSON.stringify({ backscroll_export: 1, conversations: [{ conversation, messages }] }));
  return file;
}

async function ownDatabase(): Promise<Record<string, string>> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  return { DATABASE_URL: databaseUrl };
}

const AS_SERVED = ["--user", "you@localhost"];

test("what is imported beside a service on the embedded PostgreSQL, its memory shows at once", async () => {
  const environment = { BACKSCROLL_DATA_DIR: temporaryDirectory(), CACHE_AUDIT_INTERVAL_MS: "86400000" };
  const url = await startWithCached([], environment);
  const imported = await runCommand(["import", exportOfSecond(), ...AS_SERVED], environment);
  expect(imported.status, imported.stderr).toBe(0);
  await expect.poll(async () => (await read(url)).contents, { timeout: 1_000 }).toEqual(["second", "first"]);
});

test("what is imported with the service's REDIS_URL, its next read shows", async () => {
  const redis = await startRedis();
  const environment = { ...(await ownDatabase()), REDIS_URL: redis.url, CACHE_AUDIT_INTERVAL_MS: "86400000" };
  const url = await startWithCached([], environment);
  const imported = await runCommand(["import", exportOfSecond(), ...AS_SERVED], environment);
  expect(imported.status, imported.stderr).toBe(0);
  expect(await read(url)).toEqual({ source: "miss", contents: ["second", "first"] });
});

test.for([{}, { CACHE: "memory" }])(
  "what is imported without the service's REDIS_URL, its reads show at once all the same: %o",
  async (cache) => {
    const redis = await startRedis();
    const database = await ownDatabase();
    const url = await startWithCached([], {
      ...database,
      REDIS_URL: redis.url,
      CACHE_AUDIT_INTERVAL_MS: "86400000",
    });
    const imported = await runCommand(["import", exportOfSecond(), ...AS_SERVED], { ...database, ...cache });
    expect(imported.status, imported.stderr).toBe(0);
    await expect.poll(async () => (await read(url)).contents, { timeout: 1_000 }).toEqual(["second", "first"]);
  },
);

test("import and export do their work while Redis is away", async () => {
  const environment = { ...(await ownDatabase()), REDIS_URL: "redis://:planted-secret@127.0.0.1:1" };
  const imported = await runCommand(["import", exportOfSecond(), ...AS_SERVED], environment);
  expect(imported.status, imported.stderr).toBe(0);
  const exported = await runCommand(["export"], environment);
  expect(exported.status, exported.stderr).toBe(0);
  expect(exported.stdout).toContain("second");
  expect(exported.stderr).not.toContain("Redis"); // it has nothing to tell it
  expect(imported.stderr + exported.stderr).not.toContain("planted-secret");
});

test("cache drop empties what is cached of this database, and nothing else", async () => {
  const redis = await startRedis();
  const [restored, other] = [await ownDatabase(), await ownDatabase()];
  const restoredUrl = await startWithCached([], { ...restored, REDIS_URL: redis.url });
  const otherUrl = await startWithCached([], { ...other, REDIS_URL: redis.url });
  const client = createClient({ url: redis.url });
  await client.connect();
  onTestFinished(() => client.destroy());
  await client.set("somebody:else", "1");

  const dropped = await runCommand(["cache", "drop", "--redis-url", redis.url], restored);
  expect(dropped).toMatchObject({ status: 0, stdout: "" });
  expect(dropped.stderr).toContain("The cache is empty: Redis, 127.0.0.1:");
  expect((await read(restoredUrl)).source).toBe("miss");
  expect((await read(otherUrl)).source).toBe("hit");
  expect(await client.get("somebody:else")).toBe("1");

  const again = await runCommand(["--json", "cache", "drop"], { ...restored, REDIS_URL: redis.url });
  expect(again).toMatchObject({ status: 0, stdout: '{"cache":"empty"}\n', stderr: "" });
});

test("cache drop finds the keys by the service's own prefix", async () => {
  const redis = await startRedis();
  const environment = { ...(await ownDatabase()), REDIS_URL: redis.url };
  const url = await startWithCached([], { ...environment, CACHE_KEY_PREFIX: "chat:" });
  expect((await runCommand(["cache", "drop"], environment)).status).toBe(0);
  expect((await read(url)).source).toBe("hit");
  expect((await runCommand(["cache", "drop", "--cache-key-prefix", "chat:"], environment)).status).toBe(0);
  expect((await read(url)).source).toBe("miss");
});

test("cache drop without REDIS_URL exits 2 and says what to do instead", async () => {
  const { status, stderr } = await runCommand(["cache", "drop"], await ownDatabase());
  expect(status).toBe(2);
  expect(stderr).toContain("REDIS_URL");
  expect(stderr).toContain("restart the service");
});

test(
  "cache drop exits 3 when Redis is away or refuses the password, and says so without it",
  { timeout: 40_000 },
  async () => {
    const database = await ownDatabase();
    const { port } = await startRedis(["--requirepass", "the-real-secret"]);
    const [away, refused] = await Promise.all(
      ["redis://:planted-secret@127.0.0.1:1", `redis://:planted-secret@127.0.0.1:${port}`].map((url) =>
        runCommand(["cache", "drop"], { ...database, REDIS_URL: url }),
      ),
    );
    expect(away).toMatchObject({ status: 3, stdout: "" });
    expect(away?.stderr).toContain("the cache was not dropped, or not all of it: 127.0.0.1:1: connect ECONNREFUSED");
    expect(away?.stderr).toContain("(is REDIS_URL right, and the server running?)");
    expect(away?.stderr).not.toContain("DATABASE_URL");
    expect(refused).toMatchObject({ status: 3, stdout: "" });
    expect(refused?.stderr).toContain("WRONGPASS");
    expect(`${away?.stderr}${refused?.stderr}`).not.toContain("secret");
  },
);

test("cache drop with a PostgreSQL that is not there exits 3 and says which of the two it is", async () => {
  const environment = { DATABASE_URL: "postgresql://nobody@127.0.0.1:1/none", REDIS_URL: "redis://127.0.0.1:1" };
  const { status, stderr } = await runCommand(["cache", "drop"], environment);
  expect(status).toBe(3);
  expect(stderr).toContain("is DATABASE_URL right");
  expect(stderr).not.toContain("REDIS_URL");
});
