import pg from "pg";
import { expect, test } from "vitest";
import { emptyDatabase, SLOW } from "./doctor-fixture.ts";
import { startRedis } from "./redis-server.ts";
import { runCommand, type ServiceProcess, startCommand, startService } from "./service-process.ts";

interface BenchDocument {
  readonly operations: readonly { readonly name: string; readonly count: number; readonly average_ms: number }[];
  readonly failures: readonly { readonly name: string; readonly code: string; readonly count: number }[];
  readonly hit_rate: number | null;
  readonly service: {
    readonly reads: { readonly hit: number; readonly miss: number };
    readonly statements: readonly { readonly statement: string; readonly count: number }[];
  } | null;
  readonly targets: readonly { readonly name: string; readonly met: boolean }[];
}

const SMALL = ["--senders", "3", "--conversations", "6", "--seconds", "3", "--requests", "400"];

/** On a busy machine the cache would be left aside for a moment. */
const PATIENT = { CACHE_TIMEOUT_MS: "10000" };

interface Started {
  readonly service: ServiceProcess;
  readonly databaseUrl: string;
}

async function startWithRedis(environment: Record<string, string> = {}): Promise<Started> {
  const redis = await startRedis();
  const database = await emptyDatabase();
  const service = await startService([], { ...database, REDIS_URL: redis.url, ...PATIENT, ...environment });
  return { service, databaseUrl: database.DATABASE_URL };
}

async function count(databaseUrl: string, table: string): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const { rows } = await client.query<{ n: number }>(`select count(*)::int as n from ${table}`);
  await client.end();
  return rows[0]?.n ?? -1;
}

async function leftovers(databaseUrl: string): Promise<readonly number[]> {
  return Promise.all(["conversations", "messages", "deleted_messages"].map((table) => count(databaseUrl, table)));
}

const NOTHING = [0, 0, 0];

test(
  "the guide's profile measures what the service itself counted, judges it, and leaves nothing behind",
  SLOW,
  async () => {
    const { service, databaseUrl } = await startWithRedis();
    const { status, stdout, stderr } = await runCommand([
      "--json",
      "bench",
      "--profile",
      "guide",
      "--url",
      service.url,
      "--cold",
      "20",
      ...SMALL,
    ]);
    const document = JSON.parse(stdout) as BenchDocument;
    const counted = (name: string): number => document.operations.find((each) => each.name === name)?.count ?? 0;
    expect(document.failures).toEqual([]);
    expect(counted("read hit")).toBeGreaterThan(0);
    expect(counted("read miss")).toBeGreaterThan(0);
    expect(document.service?.reads).toMatchObject({ hit: counted("read hit"), miss: counted("read miss") });
    const reads = counted("read hit") + counted("read miss") + counted("read bypass");
    expect(document.hit_rate).toBeCloseTo(counted("read hit") / reads, 10);
    expect(document.operations.reduce((sum, each) => sum + each.count, 0)).toBeLessThanOrEqual(400);
    expect(document.service?.statements.map(({ statement }) => statement)).toContain("list_oldest_messages");
    expect(document.targets.map(({ name }) => name)).toEqual([
      "cache hit rate",
      "latency of a hit",
      "latency of a miss",
      "requests that failed",
    ]);
    // How fast this machine is just now is not for a test to say: only that the verdict is the exit code.
    expect(status, stderr).toBe(document.targets.every(({ met }) => met) ? 0 : 1);
    expect(await leftovers(databaseUrl)).toEqual(NOTHING);
  },
);

test("the quick profile shows one kind of request after the other, as a table", SLOW, async () => {
  const { service, databaseUrl } = await startWithRedis();
  const { status, stdout } = await runCommand(["bench", ...SMALL], { PORT: new URL(service.url).port });
  expect(status).toBe(0);
  expect(stdout).toContain(`A general picture: ${service.url}`);
  for (const name of ["save", "read hit", "page", "list"]) expect(stdout).toMatch(new RegExp(`^${name} +\\d`, "m"));
  expect(stdout).toContain("✓ requests that failed: 0; target: none");
  expect(await leftovers(databaseUrl)).toEqual(NOTHING);
});

test("a target that is missed exits 1 and is named", SLOW, async () => {
  const database = await emptyDatabase();
  const service = await startService([], { ...database, CACHE: "off" });
  const { status, stdout, stderr } = await runCommand(["bench", "--profile", "guide", "--url", service.url, ...SMALL]);
  expect(status).toBe(1);
  expect(stdout).toContain("✗ cache hit rate: 0.0%; target: > 80%");
  expect(stderr).toContain("missed: cache hit rate");
});

test("a fixed rate sends so many a second and no more", SLOW, async () => {
  const { service } = await startWithRedis();
  const { stdout } = await runCommand(["--json", "bench", "--url", service.url, "--rate", "20", ...SMALL]);
  const { operations } = JSON.parse(stdout) as BenchDocument;
  // 3 seconds in four phases, 15 requests each.
  for (const { count } of operations) expect(count).toBeLessThanOrEqual(15);
  expect(operations.map(({ name }) => name)).toEqual(["save", "read hit", "page", "list"]);
});

test.for(["SIGINT", "SIGTERM"] as const)("%s ends it with 130 once what it made is removed", SLOW, async (signal) => {
  const { service, databaseUrl } = await startWithRedis();
  const command = startCommand(["bench", "--profile", "guide", "--url", service.url, "--seconds", "600"]);
  await expect.poll(() => count(databaseUrl, "messages"), { timeout: 40_000 }).toBeGreaterThan(1_000);
  command.child.kill(signal);
  expect(await command.ended).toBe(130);
  expect(command.stderr()).toContain("interrupted; what was made is removed");
  expect(await leftovers(databaseUrl)).toEqual(NOTHING);
});

test("a service that limits requests is not measured: it says how to lift that, and cleans up", SLOW, async () => {
  const { service, databaseUrl } = await startWithRedis({ RATE_LIMITS: "on", RATE_LIMIT_READS: "50" });
  const { status, stdout, stderr } = await runCommand(["bench", "--profile", "guide", "--url", service.url, ...SMALL]);
  expect(status).toBe(1);
  expect(stdout).toBe("");
  expect(stderr).toContain("RATE_LIMITS=off");
  expect(stderr).toContain("RateLimit-Policy: reads;q=50;w=60");
  expect(await leftovers(databaseUrl)).toEqual(NOTHING);
});

test("with an admin key it is many users, who are erased afterwards", SLOW, async () => {
  const { service, databaseUrl } = await startWithRedis({
    AUTH: "required",
    RATE_LIMITS: "off",
    METRICS_TOKEN: "the-metrics-token",
  });
  const environment = { DATABASE_URL: databaseUrl };
  const created = await runCommand(["key", "create", "--user", "ops@example.com", "--scope", "admin"], environment);
  const BACKSCROLL_KEY = created.stdout.trim();
  const { stdout, stderr } = await runCommand(["--json", "bench", "--url", service.url, "--users", "3", ...SMALL], {
    BACKSCROLL_KEY,
    METRICS_TOKEN: "the-metrics-token",
  });
  const { failures, service: figures } = JSON.parse(stdout) as BenchDocument;
  expect(failures).toEqual([]);
  expect(figures?.reads.hit).toBeGreaterThan(0);
  expect(await leftovers(databaseUrl)).toEqual(NOTHING);
  expect(await count(databaseUrl, "users")).toBe(1); // whose the key is
  expect(stdout + stderr).not.toContain(BACKSCROLL_KEY);
});

test("without credentials that are accepted nothing is measured", SLOW, async () => {
  const { service } = await startWithRedis({ AUTH: "required" });
  const { status, stderr } = await runCommand(["bench", "--url", service.url, "--key", "bks_planted", ...SMALL]);
  expect(status).toBe(1);
  expect(stderr).toContain("--key or --token");
  expect(stderr).not.toContain("bks_planted");
});

test("another machine is not loaded before somebody said so", SLOW, async () => {
  // An address that is nobody's: https://www.rfc-editor.org/rfc/rfc5737
  const { status, stderr } = await runCommand(["bench", "--url", "http://192.0.2.1:4100"]);
  expect(status).toBe(2);
  expect(stderr).toContain("192.0.2.1:4100 is not this machine");
  expect(stderr).toContain("--yes");
});

test("where nobody answers it exits 3; what is no option exits 2", SLOW, async () => {
  const away = await runCommand(["bench", "--url", "http://127.0.0.1:1"]);
  expect(away).toMatchObject({ status: 3, stdout: "" });
  expect(away.stderr).toContain("http://127.0.0.1:1 does not answer");
  const wrong = [
    ["--senders", "0"],
    ["--profile", "loud"],
    ["--url", "ftp://x"],
    ["--url", "http://u:p@localhost"],
  ];
  const ends = await Promise.all(wrong.map((flags) => runCommand(["bench", ...flags])));
  expect(ends.map(({ status }) => status)).toEqual([2, 2, 2, 2]);
});
