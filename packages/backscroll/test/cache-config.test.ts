import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { ConfigError, loadConfig } from "../src/config.ts";
import { startRedis } from "./redis-server.ts";
import { runCommand, startCommand, startService, temporaryDirectory } from "./service-process.ts";
import { newSchema } from "./services.ts";

function refusal(environment: Record<string, string>): string {
  try {
    loadConfig(environment);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  throw new Error(`it was accepted: ${JSON.stringify(environment)}`);
}

const WHOLE_NUMBERS = [
  ["CACHE_TTL", 1, 2_592_000],
  ["CACHE_ACTIVE_TTL", 1, 2_592_000],
  ["CACHE_IDLE_TTL", 1, 2_592_000],
  ["CACHE_MESSAGE_LIMIT", 1, 200],
  ["CACHE_MEMORY_MB", 1, 1_048_576],
  ["CACHE_TIMEOUT_MS", 1, 60_000],
  ["CACHE_FILL_TIMEOUT_MS", 1, 600_000],
  ["CACHE_AUDIT_INTERVAL_MS", 1, 86_400_000],
] as const;

test.for(WHOLE_NUMBERS)("%s is a whole number from %d to %d, and nothing else", ([name, min, max]) => {
  for (const value of [String(min), String(max)]) loadConfig({ [name]: value });
  for (const value of [String(min - 1), String(max + 1), "1.5", "1e2", "-5", "7 planted", "0x10"]) {
    expect(refusal({ [name]: value })).toBe(`${name} must be a whole number from ${min} to ${max}`);
  }
});

test("CACHE and CACHE_KEY_PREFIX say what they may be, and not what they were", () => {
  expect(refusal({ CACHE: "planted" })).toBe("CACHE must be redis, memory or off");
  for (const prefix of ["a b", "a{b", "a*", "x".repeat(65)]) {
    expect(refusal({ CACHE_KEY_PREFIX: prefix })).toBe("CACHE_KEY_PREFIX must be at most 64 of A-Z a-z 0-9 _ . : -");
  }
  expect(refusal({ CACHE: "redis" })).toContain("REDIS_URL must say where");
});

test("every form of REDIS_URL is taken", () => {
  const urls = [
    "redis://localhost",
    "redis://localhost:6380/3",
    "redis://user:pa%40ss@host:6379/0",
    "redis://:password@[::1]:6379",
    "rediss://host",
    "redis+cluster://a:6379,b:6379,c",
    "rediss+cluster://user:password@a,b",
    "redis+sentinel://a:26379,b/master-name",
    "redis+sentinel://user:password@a/master-name/2",
  ];
  for (const url of urls) expect(loadConfig({ REDIS_URL: url }).redisUrl).toBe(url);
});

test("a REDIS_URL that cannot be used is refused by its name, without its password", async () => {
  const urls = [
    "planted-secret",
    "http://:planted-secret@host",
    "redis://",
    "redis+clustr://:planted-secret@host:6379",
    "redis+cluster://:planted-secret@a:99999",
    "redis+cluster://:planted-secret@a/1",
    "redis+sentinel://:planted-secret@a:26379",
    "redis://a,b/planted-secret",
    "redis://user:planted/secret@host",
    "redis://user:planted%zzsecret@host",
    "redis://host:6379/planted-secret",
  ];
  for (const url of urls) {
    const message = refusal({ REDIS_URL: url });
    expect(message).toMatch(/^REDIS_URL must be like redis:\/\/user:password@host:6379\/0, redis\+cluster:/);
    expect(message).not.toContain("planted");
  }
  const [url = ""] = urls.slice(3);
  for (const run of [runCommand([], { REDIS_URL: url }), runCommand(["--redis-url", url])]) {
    const { status, stdout, stderr } = await run;
    expect(status).toBe(2);
    expect(stderr).toMatch(/(REDIS_URL|--redis-url) must be like/);
    expect(stdout + stderr).not.toContain("planted");
  }
});

async function ownDatabase(): Promise<Record<string, string>> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  return { DATABASE_URL: databaseUrl };
}

test("the banner says where recent messages are kept, and no password", { timeout: 60_000 }, async () => {
  const redis = await startRedis(["--requirepass", "planted-secret"]);
  const secret = { REDIS_URL: redis.url.replace("//", "//default:planted-secret@") };
  const database = await ownDatabase();
  const where = `Redis, 127.0.0.1:${redis.port}`;
  const cases: readonly (readonly [Record<string, string>, string])[] = [
    [{ BACKSCROLL_DATA_DIR: temporaryDirectory() }, "in memory, 64 MB"],
    [{ ...database, REDIS_URL: "", CACHE: "" }, "none"],
    [{ ...database, CACHE: "memory", CACHE_MEMORY_MB: "7" }, "in memory, 7 MB"],
    [{ ...database, ...secret }, where],
    [{ ...database, ...secret, CACHE: "off" }, "none"],
  ];
  const run = async ([environment, told]: (typeof cases)[number]): Promise<void> => {
    const service = startCommand(["--port", "0"], { ...environment, LOG_LEVEL: "debug" });
    await expect.poll(() => service.stderr(), { timeout: 30_000 }).toContain("Ready in");
    expect(service.stderr()).toContain(`  Cache     ${told}\n`);
    service.child.kill("SIGTERM");
    expect(await service.ended).toBe(0);
    expect(service.stderr()).not.toContain("planted-secret");
    expect(service.stderr()).not.toContain('"level":40');
  };
  await Promise.all(cases.map(run));
});

/** Says what a Redis says that still reads its data from disk. */
async function startLoadingRedis(): Promise<{ port: number; readonly attempts: () => number; stop(): Promise<void> }> {
  let attempts = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    attempts += 1;
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", () => socket.write("-LOADING Redis is loading the dataset in memory\r\n"));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    server.close();
    for (const socket of sockets) socket.destroy();
    await once(server, "close");
  };
  onTestFinished(stop);
  return { port: (server.address() as AddressInfo).port, attempts: () => attempts, stop };
}

test(
  "a Redis that is not there yet when the service starts is told of once, and used when it comes",
  { timeout: 40_000 },
  async () => {
    const loading = await startLoadingRedis();
    const environment = { ...(await ownDatabase()), REDIS_URL: `redis://:planted-secret@127.0.0.1:${loading.port}` };
    const service = await startService([], environment);
    await fetch(`${service.url}/api/conversations`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ id: "c" }),
    });
    const source = async (): Promise<string | null> => {
      const { status, headers } = await fetch(`${service.url}/api/conversations/c/messages`);
      expect(status).toBe(200);
      return headers.get("x-backscroll-cache");
    };
    const told = (message: string): number => service.stderr().split(`"msg":"${message}"`).length - 1;
    for (let i = 0; i < 5; i += 1) expect(await source()).toBe("bypass");
    await expect.poll(loading.attempts, { timeout: 10_000 }).toBeGreaterThan(6);
    expect(told("Redis does not answer")).toBe(1);
    expect(told("the cache does not answer: bypassed")).toBe(1);

    await loading.stop();
    await startRedis(["--port", String(loading.port)]);
    await expect.poll(source, { timeout: 10_000 }).toBe("hit");
    expect(told("the cache answers again")).toBe(1);
    service.child.kill("SIGTERM");
    expect(await service.ended).toBe(0);
    expect(service.stderr()).not.toContain("planted-secret");
  },
);
