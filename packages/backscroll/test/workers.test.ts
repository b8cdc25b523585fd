import { once } from "node:events";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { newSchema } from "./services.ts";
import { post, runCommand, startCommand, startService } from "./service-process.ts";
import { slowResponder } from "./slow-responder.ts";
import { PATIENTLY, childrenOf, isAlive, said, seriesIn, startWorkers } from "./workers-fixture.ts";

const NOWHERE = { DATABASE_URL: "postgresql://nobody@127.0.0.1:1/none" };

async function ownDatabase(): Promise<Record<string, string>> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  return { DATABASE_URL: databaseUrl };
}

async function connectTo(databaseUrl: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

test("what workers cannot share is refused before anything starts, and it is said what to set", PATIENTLY, async () => {
  const embedded = await runCommand(["--workers", "2"]);
  expect(embedded.status).toBe(2);
  expect(embedded.stderr).toContain("WORKERS needs DATABASE_URL");
  const cached = await runCommand(["--workers", "2", "--cache", "memory"], NOWHERE);
  expect(cached.status).toBe(2);
  expect(cached.stderr).toContain("Set REDIS_URL, or CACHE=off");
  expect((await runCommand(["--workers", "0"], NOWHERE)).stderr).toContain("--workers must be a whole number");
});

test(
  "three workers answer on one free port, behind one banner that says what they do not share",
  PATIENTLY,
  async () => {
    const service = await startWorkers(3);
    expect(service.stderr().split("Ready in")).toHaveLength(2);
    expect(service.stderr()).toContain(`  Workers   3; kill -HUP ${service.pid} restarts them one by one\n`);
    expect(service.stderr()).toContain("without REDIS_URL each worker is alone");
    expect(service.workerPids()).toHaveLength(3);
    const statuses = await Promise.all(
      Array.from(
        { length: 30 },
        async () => (await fetch(`${service.url}/readyz`, { headers: { connection: "close" } })).status,
      ),
    );
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(seriesIn(await service.metrics(), "backscroll_workers")).toBe(3);
  },
);

test("a program is told of the workers, and of the process that looks after them", PATIENTLY, async () => {
  const service = await startService(["--workers", "2"], await ownDatabase());
  expect(childrenOf(service.pid)).toHaveLength(2);
  expect((await fetch(`${service.url}/livez`)).status).toBe(200);
});

test("the pool's connections are shared out, and what does not fit is said with numbers", PATIENTLY, async () => {
  const service = await startWorkers(3, { DATABASE_POOL_MAX: "4" });
  expect(service.stderr()).toContain("3 workers have 2 connections each, 6 in all: DATABASE_POOL_MAX (4)");
  await Promise.all(
    Array.from({ length: 60 }, () => fetch(`${service.url}/api/conversations`, { headers: { connection: "close" } })),
  );
  const metrics = await service.metrics();
  const open = (["idle", "busy"] as const).map((state) =>
    seriesIn(metrics, `backscroll_postgres_connections{state="${state}"}`),
  );
  expect((open[0] ?? 0) + (open[1] ?? 0)).toBeLessThanOrEqual(6);
  const many = await startWorkers(2, { DATABASE_POOL_MAX: "1000" });
  expect(many.stderr()).toMatch(
    /PostgreSQL takes \d+ connections \(max_connections \d+, \d+ reserved\), \d+ are in use/,
  );
  expect(many.stderr()).toContain("this server may need 1503. Lower DATABASE_POOL_MAX");
});

test("a worker that is killed is replaced, and nobody else notices", PATIENTLY, async () => {
  const service = await startWorkers(2);
  const [victim = 0] = service.workerPids();
  process.kill(victim, "SIGKILL");
  await said(service, "a worker has ended (SIGKILL): another one takes its place");
  expect((await fetch(`${service.url}/readyz`, { headers: { connection: "close" } })).status).toBe(200);
  await expect.poll(async () => seriesIn(await service.metrics(), "backscroll_workers"), { timeout: 60_000 }).toBe(2);
  expect(service.workerPids()).toHaveLength(2);
  expect(isAlive(victim)).toBe(false);
});

test("workers that cannot start again are tried again, until they can", PATIENTLY, async () => {
  const service = await startWorkers(2);
  const client = await connectTo(service.databaseUrl);
  await client.query("alter table installation rename to hidden");
  process.kill(service.workerPids()[0] ?? 0, "SIGKILL");
  const attempts = (): number => service.stderr().split("a worker did not start, and another is tried").length - 1;
  await expect.poll(attempts, { timeout: 60_000 }).toBeGreaterThan(1);
  expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
  await client.query("alter table hidden rename to installation");
  await expect.poll(async () => seriesIn(await service.metrics(), "backscroll_workers"), { timeout: 60_000 }).toBe(2);
});

test("a start that fails exits as it does without workers, and leaves no process behind", PATIENTLY, async () => {
  const service = await startService([], await ownDatabase());
  const { port } = new URL(service.url);
  const inUse = await runCommand(["--workers", "2", "--port", port], await ownDatabase());
  expect(inUse.status).toBe(1);
  expect(inUse.stderr).toContain(`port ${port} is in use. Try: --port ${Number(port) + 1}`);

  const unreachable = await runCommand(["--workers", "2"], NOWHERE);
  expect(unreachable.status).toBe(3);
  expect(unreachable.stderr).toContain("DATABASE_URL");

  const { DATABASE_URL: databaseUrl = "" } = await ownDatabase();
  await runCommand(["migrate"], { DATABASE_URL: databaseUrl });
  await (await connectTo(databaseUrl)).query("drop table installation");
  const broken = await runCommand(["--workers", "2", "--port", "0"], { DATABASE_URL: databaseUrl });
  expect(broken.status).toBe(1);
  expect(broken.stderr).toContain('relation "installation" does not exist');
  expect(broken.stderr.split('relation "installation" does not exist')).toHaveLength(2);
});

test("SIGTERM while a worker is being replaced ends that one, too", PATIENTLY, async () => {
  // Longer than this test may take: nobody is waited for in vain.
  const service = await startWorkers(2, { DRAIN_TIMEOUT_MS: "600000" });
  const before = service.workerPids();
  process.kill(before[0] ?? 0, "SIGKILL");
  const fresh = (): readonly number[] => service.workerPids().filter((pid) => !before.includes(pid));
  await expect.poll(() => fresh().length, { timeout: 60_000, interval: 5 }).toBe(1);
  process.kill(service.pid, "SIGTERM");
  expect(await service.ended).toBe(0);
  expect([...before, ...fresh()].filter(isAlive)).toEqual([]);
});

test("SIGTERM finishes the running turn, and all processes end", PATIENTLY, async () => {
  const responder = await slowResponder();
  const service = await startWorkers(2, {}, ["--responder-url", responder.url]);
  const workers = service.workerPids();
  const turn = post(`${service.url}/api/conversations/messages`, { message: "hello" });
  await responder.asked;
  // As a process manager does that signals every process of the service.
  for (const pid of [service.pid, ...workers]) process.kill(pid, "SIGTERM");
  await expect.poll(() => isServed(service.url), { timeout: 60_000 }).toBe(false);
  responder.release();
  expect((await turn).status).toBe(200);
  expect(await service.ended).toBe(0);
  expect(workers.filter(isAlive)).toEqual([]);
});

test(
  "Ctrl+C in a terminal reaches every process: nothing is cut; a second one quits at once with 130",
  PATIENTLY,
  async () => {
    const responder = await slowResponder();
    const service = await startWorkers(2, {}, ["--responder-url", responder.url]);
    const workers = service.workerPids();
    const turn = post(`${service.url}/api/conversations/messages`, { message: "hello" }).catch(() => null);
    await responder.asked;
    process.kill(-service.pid, "SIGINT");
    await said(service, "Stopping");
    await expect.poll(() => isServed(service.url), { timeout: 60_000 }).toBe(false);
    // Not an echo of the first any more: until then a signal is passed over.
    const quit = setInterval(() => process.kill(-service.pid, "SIGINT"), 100);
    const status = await service.ended;
    clearInterval(quit);
    expect(status).toBe(130);
    expect(await turn).toBeNull();
    await expect.poll(() => workers.filter(isAlive)).toEqual([]);
  },
);

test("workers whose primary was killed finish what they do, and go", PATIENTLY, async () => {
  const responder = await slowResponder();
  const service = await startWorkers(2, {}, ["--responder-url", responder.url]);
  const workers = service.workerPids();
  const turn = post(`${service.url}/api/conversations/messages`, { message: "hello" });
  await responder.asked;
  service.child.kill("SIGKILL");
  await once(service.child, "exit");
  responder.release();
  expect((await turn).status).toBe(200);
  await expect.poll(() => workers.filter(isAlive), { timeout: 60_000 }).toEqual([]);
});

test("workers whose primary was killed before they were ready end, too", PATIENTLY, async () => {
  const service = startCommand(["--port", "0", "--workers", "2"], await ownDatabase());
  await expect.poll(() => childrenOf(service.pid).length, { timeout: 60_000 }).toBe(2);
  const workers = childrenOf(service.pid);
  expect(service.stderr()).not.toContain("Ready in");
  service.child.kill("SIGKILL");
  await expect.poll(() => workers.filter(isAlive), { timeout: 60_000 }).toEqual([]);
});

function isServed(url: string): Promise<boolean> {
  // What was on its way when the last worker stopped listening is only closed when the primary ends.
  return fetch(`${url}/livez`, { headers: { connection: "close" }, signal: AbortSignal.timeout(1_000) }).then(
    () => true,
    () => false,
  );
}
