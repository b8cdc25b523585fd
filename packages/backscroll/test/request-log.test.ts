import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";
import pg from "pg";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { startPostgresRelay } from "./postgres-relay.ts";
import { post, type ServiceProcess, temporaryDirectory } from "./service-process.ts";
import { startOnSchema } from "./service-on-schema.ts";
import { createServices, newSchema, type Services } from "./services.ts";

const POLL = { timeout: 20_000, interval: 50 };
const ADA = "ada@example.com";

type Line = Readonly<Record<string, unknown>>;

function requestsIn(text: string): readonly Line[] {
  const lines = text.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line) as Line).filter((line) => "route" in line);
}

/** A service in this process, and what its host's logger was given. */
async function startLogged(
  options: Partial<Parameters<typeof createServices>[0]> = {},
): Promise<{ services: Services; lines: readonly Line[]; databaseUrl: string }> {
  const { databaseUrl, drop } = await newSchema();
  const lines: Line[] = [];
  const sink = new Writable({
    write(text: Buffer, _, done) {
      lines.push(JSON.parse(text.toString()) as Line);
      done();
    },
  });
  const services = await createServices({
    databaseUrl,
    logger: pino({ level: "debug", base: null }, sink),
    ...options,
  });
  onTestFinished(async () => {
    await services.close();
    await drop();
  });
  return { services, lines, databaseUrl };
}

function requests(lines: readonly Line[]): readonly Line[] {
  return lines.filter((line) => "route" in line);
}

test("a request's line says which route, how it went, where a read came from and who asked, and nothing else", async () => {
  const { services, lines } = await startLogged();
  const traceId = "0af7651916cd43dd8448eb211c80319c";

  await services.call(ADA, "POST", "/api/conversations", { id: "planted-id" });
  const read = (headers = {}) =>
    services.call(ADA, "GET", "/api/conversations/planted-id/messages", undefined, headers);
  await read();
  await read({ "x-request-id": "mine", traceparent: `00-${traceId}-b7ad6b7169203331-01` });
  await services.call(ADA, "GET", "/api/conversations/planted-id/messages?page=1");
  await services.call(ADA, "GET", "/api/conversations/planted-other");
  await services.fetch(new Request("http://localhost/api/me"));
  await services.call(ADA, "GET", "/api/planted");

  const route = "/api/conversations/:conversationId/messages";
  const found = requests(lines);
  expect(found).toMatchObject([
    { level: 30, msg: "request", method: "POST", route: "/api/conversations", status: 201 },
    { method: "GET", route, status: 200, cache: "miss" },
    { method: "GET", route, status: 200, cache: "hit", requestId: "mine", traceId },
    { method: "GET", route, status: 200, cache: "bypass" },
    { level: 30, route: "/api/conversations/:conversationId", status: 404, code: "conversation_not_found" },
    { level: 30, route: "/api/me", status: 401, code: "unauthenticated" },
    { level: 30, route: "none", status: 404, code: "route_not_found" },
  ]);
  expect(found.map(({ user }) => typeof user)).toEqual([...Array(5).fill("string"), "undefined", "string"]);
  expect(new Set(found.map(({ requestId }) => requestId)).size).toBe(found.length);
  for (const { ms } of found) expect(ms).toBeGreaterThan(0);
  const known = new Set([
    "level",
    "time",
    "msg",
    "method",
    "route",
    "status",
    "ms",
    "cache",
    "user",
    "requestId",
    "traceId",
    "code",
  ]);
  expect(found.flatMap((line) => Object.keys(line)).filter((name) => !known.has(name))).toEqual([]);
  expect(JSON.stringify(lines)).not.toMatch(/planted|ada@/);
});

test("a person has one name in the log on every server, and another one when they come back from being erased", async () => {
  const { services, lines, databaseUrl } = await startLogged();
  const other = await startLogged({ databaseUrl });
  const ask = (at: Services, user: string) => at.call(user, "GET", "/api/conversations");

  await ask(services, ADA);
  await ask(other.services, ADA);
  await ask(services, "bob@example.com");
  const [ada] = requests(lines).map(({ user }) => String(user));
  expect(requests(other.lines).map(({ user }) => user)).toEqual([ada]);
  expect(ada).toMatch(/^[\w-]{12}$/);
  expect(requests(lines)[1]?.["user"]).not.toBe(ada);
  await services.conversations.eraseUser(ADA);
  await ask(services, ADA);
  const last = requests(lines).at(-1);
  expect([last?.["status"], last?.["user"] === ada]).toEqual([200, false]);
});

test("probes and the web app go to debug", async () => {
  const { services, lines } = await startLogged({ local: true });
  for (const path of ["/livez", "/readyz", "/metrics", "/", "/c/planted", "/assets/planted.js", "/api/me"]) {
    await services.call(ADA, "GET", path);
  }

  expect(requests(lines).map(({ route, level }) => [route, level])).toEqual([
    ["/livez", 20],
    ["/readyz", 20],
    ["/metrics", 20],
    ["/", 20],
    ["/c/:id", 20],
    [expect.any(String), 20],
    ["/api/me", 30],
  ]);
});

test("a streamed answer's line comes at its end, and says how that was and how long it took", async () => {
  const { services, lines } = await startLogged();
  const ask = (path: string, body?: object, method = "POST") =>
    services.fetch(
      new Request(`http://localhost${path}`, {
        method,
        headers: { "x-test-user": ADA, "content-type": "application/json" },
        ...(body && { body: JSON.stringify(body) }),
      }),
    );
  const last = () => requests(lines).at(-1);

  const reply = await ask("/api/chat", { message: "hi", stream: true });
  expect(requests(lines)).toEqual([]);
  await reply.text();
  await expect.poll(last, POLL).toMatchObject({ route: "/api/chat", status: 200, ended: "whole" });
  expect(last()?.["openMs"]).toBeGreaterThanOrEqual(0);

  const changes = await ask("/api/events", undefined, "GET");
  const reader = changes.body?.getReader();
  await reader?.read();
  expect(last()).toMatchObject({ route: "/api/chat" });
  await reader?.cancel();
  await expect.poll(last, POLL).toMatchObject({ route: "/api/events", status: 200, ended: "left" });

  await services.call(ADA, "GET", "/api/me/export");
  await expect.poll(last, POLL).toMatchObject({ route: "/api/me/export", ended: "whole" });
  await services.deps.db.query({
    name: "break",
    text: "alter table usage_daily rename column messages to gone",
    values: [],
  });
  await expect((await ask("/api/me/export", undefined, "GET")).text()).rejects.toThrow("broke off");
  await expect.poll(last, POLL).toMatchObject({ route: "/api/me/export", status: 200, ended: "broken" });
});

test("a failure is one line: a bug is an error with its stack, what the service stands on a warning with its reason", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const relay = await startPostgresRelay(databaseUrl);
  onTestFinished(() => relay.close());
  const { services, lines } = await startLogged({ databaseUrl: relay.databaseUrl });
  const of = (id: string): readonly Line[] => lines.filter(({ requestId }) => requestId === id);
  const ask = (path: string, id: string) => services.call(ADA, "GET", path, undefined, { "x-request-id": id });
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await ask("/api/conversations", "fine");
  await client.query("alter table conversations rename column title to planted");
  await client.end();

  expect((await ask("/api/conversations", "bug")).status).toBe(500);
  await relay.close();
  expect((await ask("/api/conversations", "away")).status).toBe(503);

  expect(of("bug")).toMatchObject([
    { level: 50, msg: "request failed", status: 500, code: "internal", route: "/api/conversations" },
  ]);
  expect(JSON.stringify(of("bug")[0]?.["err"])).toContain("42703");
  expect(JSON.stringify(of("bug")[0]?.["err"])).toContain(" at ");
  expect(of("away")).toMatchObject([
    { level: 40, status: 503, code: "database_unavailable", error: "PostgreSQL does not answer" },
  ]);
  expect(of("away")[0]?.["cause"]).toMatch(/./);
});

async function askMany({ url }: ServiceProcess, count: number): Promise<readonly string[]> {
  const ids = Array.from({ length: count }, (_, n) => `request-${n}`);
  for (let at = 0; at < count; at += 20) {
    const some = ids.slice(at, at + 20);
    await Promise.all(some.map((id) => fetch(`${url}/api/me`, { headers: { "x-request-id": id } })));
  }
  return ids;
}

function idsIn(service: ServiceProcess): readonly string[] {
  const ids = requestsIn(service.stderr()).map(({ requestId }) => String(requestId));
  return ids.toSorted();
}

test("the log is whole when the service is told to stop", async () => {
  const service = await startOnSchema();
  const ids = await askMany(service, 500);
  service.child.kill("SIGTERM");
  expect(await service.ended).toBe(0);

  expect(idsIn(service)).toEqual(ids.toSorted());
}, 30_000);

test("the log is whole when a bug ends the process", async () => {
  const bug = join(temporaryDirectory(), "bug.cjs");
  writeFileSync(bug, `process.on("SIGUSR2", () => { throw new Error("a bug"); });`);
  const service = await startOnSchema({ NODE_OPTIONS: `--require=${bug}` });
  const ids = await askMany(service, 100);
  service.child.kill("SIGUSR2");
  expect(await service.ended).toBe(1);

  expect(idsIn(service)).toEqual(ids.toSorted());
  expect(service.stderr()).toContain("a bug: the process ends");
}, 30_000);

test("a line is written within a moment while the service runs", async () => {
  const service = await startOnSchema();
  await post(`${service.url}/api/conversations`, { id: "c" });
  await expect.poll(() => requestsIn(service.stderr()).length, POLL).toBe(1);
});
