import { createHash } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import pg from "pg";
import { expect, inject, onTestFinished, test } from "vitest";
import { startPostgresRelay } from "./postgres-relay.ts";
import { startOtlpReceiver } from "./otlp-receiver.ts";
import { startRedis } from "./redis-server.ts";
import { chatText } from "./responder-model-servers.ts";
import { newSchema } from "./services.ts";
import { runCommand, startCommand, temporaryDirectory } from "./service-process.ts";
import { signWithSecret } from "./token-issuer.ts";

// A whole run at LOG_LEVEL=debug. Everything that nobody may find in a log has this in it, or is in `secrets`.
const PLANTED = "planted";

const ADA = `${PLANTED}-ada@example.com`;
const BOB = `${PLANTED}-bob@example.com`;
const TEXT = `${PLANTED} text`;
/** PostgreSQL refuses a message with it, and its error quotes the whole row. */
const REFUSED = `${PLANTED} text that a constraint refuses`;
/** The same, and the error's message itself quotes the text. */
const NO_NUMBER = `${PLANTED} text that is no number`;
const POLL = { timeout: 20_000, interval: 50 };

interface Run {
  readonly url: string;
  /** what it said so far, to people and programs */
  readonly output: () => string;
  /** Tells it to stop, and waits until it has. */
  readonly stop: () => Promise<void>;
}

async function startRun(environment: Record<string, string>): Promise<Run> {
  const command = startCommand(["--json", "--port", "0"], { LOG_LEVEL: "debug", ...environment });
  let stdout = "";
  command.child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  const output = (): string => stdout + command.stderr();
  await expect.poll(() => stdout.includes("\n") || command.child.exitCode !== null, POLL).toBe(true);
  expect(stdout, output()).toContain('"url"');
  return {
    url: (JSON.parse(stdout.split("\n")[0] ?? "") as { url: string }).url,
    output,
    async stop() {
      command.child.kill("SIGTERM");
      expect(await command.ended, output().slice(-2_000)).toBe(0);
    },
  };
}

interface Asked {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** @returns status 0 when the connection broke */
async function ask(
  { url }: Run,
  method: string,
  path: string,
  { headers = {}, body }: { headers?: Record<string, string>; body?: unknown } = {},
): Promise<Asked> {
  const type = body === undefined ? {} : { "content-type": "application/json" };
  const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  try {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { ...type, ...headers },
      ...(text !== undefined && { body: text }),
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  } catch {
    return { status: 0, headers: new Headers(), text: "" };
  }
}

/** Fails with the lines that tell something. */
function expectNothingTold(output: string, secrets: readonly string[] = []): void {
  for (const secret of [PLANTED, ...secrets]) {
    expect(secret.length).toBeGreaterThan(6);
    expect(output.split("\n").filter((line) => line.includes(secret))).toEqual([]);
  }
}

function sha256(text: string, encoding: "hex" | "base64"): string {
  return createHash("sha256").update(text).digest(encoding);
}

async function serveHttp(answer: (request: IncomingMessage, response: ServerResponse, body: string) => void) {
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => (body += text));
    request.on("end", () => answer(request, response, body));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A provider that says what it was sent: the prompt, and the key. */
async function startProvider() {
  let mode: "answers" | "refuses" | "breaks off" | "babbles" | "says what is refused" = "answers";
  const origin = await serveHttp((request, response, body) => {
    const said = `${PLANTED}: ${body} ${request.headers.authorization}`;
    if (mode === "refuses") {
      response.writeHead(400, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: { message: said, type: "invalid_request_error", param: said } }));
    } else if (mode === "breaks off") {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`data: {"choices":[{"index":0,"delta":{"content":"${PLANTED}"}}]}\n\n`, () => response.destroy());
    } else if (mode === "babbles") {
      response.writeHead(200, { "content-type": "text/event-stream" }).end(`data: <h1>${said}</h1>\n\n`);
    } else chatText(mode === "answers" ? `${PLANTED} answer` : REFUSED)(response);
  });
  return { baseUrl: `${origin}/v1`, become: (next: typeof mode) => void (mode = next) };
}

/** A database behind a relay, whose password is planted, and that quotes rows in what it refuses. */
async function startDatabase() {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const relay = await startPostgresRelay(databaseUrl);
  onTestFinished(() => relay.close());
  const server = new pg.Client({ connectionString: inject("databaseUrl") });
  const url = new URL(`postgresql://127.0.0.1:${new URL(relay.databaseUrl).port}/${server.database}`);
  url.username = server.user ?? "";
  // A server that asks for a password has its own.
  url.password = server.password ?? `${PLANTED}-of-the-database`;
  url.search = `?options=${encodeURIComponent(new URL(databaseUrl).searchParams.get("options") ?? "")}`;
  const sql = async (text: string): Promise<pg.QueryResult> => {
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    try {
      return await client.query(text);
    } finally {
      await client.end();
    }
  };
  return { url: url.href, password: url.password, sql, goAway: () => relay.close() };
}

const QUOTING = `
  alter table messages add constraint messages_refused check (content <> '${REFUSED}');
  create function refuse_no_number() returns trigger language plpgsql as $$
  begin
    if new.content = '${NO_NUMBER}' then perform new.content::integer; end if;
    return new;
  end $$;
  create trigger refuse_no_number before insert on messages for each row execute function refuse_no_number()`;

/** What may go wrong with a request, whoever it comes from. */
async function sendBadRequests(run: Run, good: Record<string, string>): Promise<void> {
  const bad: [method: string, path: string, sent?: Parameters<typeof ask>[3]][] = [
    ["GET", "/api/me", { headers: { authorization: `Bearer ${PLANTED}.token.here` } }],
    ["GET", "/api/me", { headers: { "x-api-key": `bsk_${PLANTED}` } }],
    ["GET", "/api/me", { headers: { cookie: `backscroll=${PLANTED}` } }],
    ["GET", "/api/me", { headers: { ...good, "x-backscroll-user": BOB } }],
    ["POST", "/api/login", { body: { credential: `${PLANTED}-credential` } }],
    ["POST", "/api/conversations", { headers: good, body: `{"title": "${PLANTED}` }],
    ["POST", "/api/conversations", { headers: good, body: { title: TEXT, [PLANTED]: TEXT } }],
    ["POST", "/api/conversations/c/messages", { headers: good, body: { role: TEXT, content: 1 } }],
    [
      "POST",
      "/api/conversations/c/messages",
      { headers: good, body: { id: "m1", role: "user", content: `other ${TEXT}` } },
    ],
    ["POST", "/api/chat", { headers: { ...good, "idempotency-key": `${PLANTED} key` }, body: { message: TEXT } }],
    ["GET", `/api/${PLANTED}`, { headers: good }],
    ["GET", `/api/conversations?q=${PLANTED}&${PLANTED}=${PLANTED}`, { headers: good }],
    ["GET", "/metrics", { headers: { authorization: `Bearer ${PLANTED}` } }],
    [
      "POST",
      "/api/import",
      { headers: good, body: `{"backscroll_export":1,"conversations":[{"conversation":{"title":"${PLANTED}` },
    ],
    [
      "POST",
      "/api/import",
      { headers: good, body: { backscroll_export: 1, conversations: [{ conversation: TEXT, messages: [TEXT] }] } },
    ],
  ];
  for (const [method, path, sent] of bad) {
    const { status } = await ask(run, method, path, sent);
    // An import names what is wrong in its answer.
    expect(status, `${method} ${path}`).toSatisfy(
      (status: number) => (status >= 400 && status < 500) || path === "/api/import",
    );
  }
}

test("a whole run at debug says nothing that anybody wrote, is called, or proves themselves with", async () => {
  const [database, provider, collector, redis] = await Promise.all([
    startDatabase(),
    startProvider(),
    startOtlpReceiver(),
    startRedis(["--requirepass", `${PLANTED}-of-redis`]),
  ]);
  const jwtSecret = `${PLANTED}-secret-${"x".repeat(32)}`;
  const token = await signWithSecret(jwtSecret, ADA, { claims: { aud: undefined, iss: undefined } });
  const environment = {
    DATABASE_URL: database.url,
    REDIS_URL: `redis://:${PLANTED}-of-redis@127.0.0.1:${redis.port}`,
    JWT_SECRET: jwtSecret,
    METRICS_TOKEN: `${PLANTED}-of-metrics`,
    MODEL: "compatible/test-model",
    MODEL_BASE_URL: provider.baseUrl,
    MODEL_API_KEY: `${PLANTED}-of-the-model`,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=${PLANTED}-of-the-collector`,
    SYSTEM_PROMPT: `${PLANTED} prompt`,
    ADMINS: ADA,
    DATABASE_CONNECT_TIMEOUT_MS: "1000",
    DRAIN_TIMEOUT_MS: "1000",
  };
  const created = await runCommand(["key", "create", "--user", BOB, "--scope", "admin"], environment);
  expect(created.status, created.stderr).toBe(0);
  const key = created.stdout.trim();
  const run = await startRun(environment);
  await database.sql(QUOTING);
  const good = { authorization: `Bearer ${token}` };
  const expectStatus = async (status: number, ...asked: [string, string, object?]): Promise<Asked> => {
    const [method, path, body] = asked;
    const answer = await ask(run, method, path, { headers: good, body });
    expect(answer.status, `${method} ${path} ${answer.text.slice(0, 200)} ${run.output().slice(-2_000)}`).toBe(status);
    return answer;
  };

  const login = await ask(run, "POST", "/api/login", {
    headers: { "sec-fetch-site": "same-origin" },
    body: { credential: key },
  });
  const cookie = /^[^=]+=([^;]+)/.exec(login.headers.get("set-cookie") ?? "")?.[1] ?? "";
  expect(cookie).toMatch(/.{20}/);
  const acting = { "x-api-key": key, "x-backscroll-user": ADA };
  expect((await ask(run, "GET", "/api/me", { headers: acting })).text).toContain(ADA);
  await expectStatus(201, "POST", "/api/conversations", { id: "c", title: TEXT, metadata: { of: PLANTED } });
  await expectStatus(201, "POST", "/api/conversations/c/messages", { id: "m1", role: "user", content: TEXT });
  await expectStatus(201, "PUT", `/api/sessions/${PLANTED}-session`, {
    conversation_id: "c",
    context: { of: PLANTED },
  });
  // On a busy machine the cache may be late, once or twice.
  await expect
    .poll(async () => {
      await expectStatus(200, "GET", "/api/conversations/c/messages");
      return run.output();
    }, POLL)
    .toContain("cache HIT");
  await expectStatus(200, "GET", `/api/conversations?q=${PLANTED}`);
  await expectStatus(200, "PATCH", "/api/conversations/c/messages/m1", { content: `${TEXT}, edited` });
  await expectStatus(200, "GET", "/api/conversations/c/export");
  await expectStatus(200, "GET", `/api/audit?user=${ADA}`);
  await sendBadRequests(run, good);

  await expectStatus(200, "POST", "/api/chat", { message: TEXT, session_id: `${PLANTED}-session` });
  for (const mode of ["refuses", "breaks off", "babbles"] as const) {
    provider.become(mode);
    const { status } = await ask(run, "POST", "/api/chat", { headers: good, body: { message: TEXT } });
    expect(status, mode).toBeGreaterThanOrEqual(500);
    await expectStatus(200, "POST", "/api/chat", { message: TEXT, stream: true });
  }
  provider.become("says what is refused");
  await ask(run, "POST", "/api/chat", { headers: good, body: { message: TEXT } });
  for (const content of [REFUSED, NO_NUMBER]) {
    await expectStatus(500, "POST", "/api/conversations/c/messages", { role: "user", content });
  }
  // After its head: the connection is cut.
  await database.sql("alter table usage_daily rename column messages to gone");
  expect((await ask(run, "GET", "/api/me/export", { headers: good })).status).toBe(0);
  await database.sql("alter table usage_daily rename column gone to messages");
  expect((await ask(run, "DELETE", "/api/me", { headers: acting })).status).toBe(200);
  expect((await ask(run, "GET", "/api/me", { headers: good })).status).toBe(403);

  const bob = { "x-api-key": key };
  await ask(run, "POST", "/api/conversations", { headers: bob, body: { id: "b", title: TEXT } });
  redis.child.kill("SIGKILL");
  await ask(run, "POST", "/api/conversations/b/messages", { headers: bob, body: { role: "user", content: TEXT } });
  await ask(run, "GET", "/api/conversations/b/messages", { headers: bob });
  await expect.poll(run.output, POLL).toContain("Redis does not answer");
  await database.goAway();
  expect((await ask(run, "GET", `/api/conversations?q=${PLANTED}`, { headers: bob })).status).toBe(503);
  await run.stop();

  const output = run.output();
  for (const line of [
    "cache HIT",
    '"route":"/api/conversations/:conversationId/messages","status":200',
    "saveMessage completed in",
    "saveMessage failed in",
    "the responder failed",
    "request failed",
    "a reply could not be saved as it is",
    "an export broke off",
    "a person was erased",
    "PostgreSQL does not answer",
    "messages_refused",
    "22P02",
    // PostgreSQL's, by its name.
    '"err":{"type":"error"',
  ]) {
    expect(output).toContain(line);
  }
  const [header = "", claims = "", signature = ""] = token.split(".");
  expect(header).not.toBe("");
  const hashes = [key, cookie].flatMap((secret) => [sha256(secret, "hex"), sha256(secret, "base64")]);
  const secrets = [key, cookie, token, claims, signature, database.password, ...hashes];
  expectNothingTold(output, secrets);
  expect(collector.spans.length).toBeGreaterThan(100);
  expectNothingTold(collector.bytes, secrets);
}, 120_000);

test("a run on the embedded PostgreSQL, answered by an agent that fails aloud, says nothing either", async () => {
  const agent = await serveHttp((_, response, body) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ type: "error", message: `${PLANTED}: ${body}`, code: "refused" }));
  });
  const dataDir = temporaryDirectory();
  const run = await startRun({
    BACKSCROLL_DATA_DIR: dataDir,
    RESPONDER_URL: `${agent}/${PLANTED}-hook?token=${PLANTED}`,
  });
  const socket = JSON.parse(run.output().split("\n")[0] ?? "{}") as { database: string };
  expect(socket.database).toContain("embedded PostgreSQL");
  expect((await ask(run, "POST", "/api/conversations", { body: { id: "c", title: TEXT } })).status).toBe(201);
  expect((await ask(run, "POST", "/api/chat", { body: { message: TEXT, conversation_id: "c" } })).status).toBe(502);

  // A text that PostgreSQL itself cannot take: its own log would quote it.
  const file = join(temporaryDirectory(), "broken.json");
  const message = {
    id: "m",
    role: "user",
    content: TEXT,
    created_at: "2026-01-01T00:00:00Z",
    tokens_used: 99_999_999_999,
  };
  const conversation = { conversation_id: "i", title: TEXT, created_at: "2026-01-01T00:00:00Z" };
  writeFileSync(file, JSON.stringify({ backscroll_export: 1, conversations: [{ conversation, messages: [message] }] }));
  const imported = await runCommand(["import", file, "--user", "you@localhost", "--log-level", "debug"], {
    BACKSCROLL_DATA_DIR: dataDir,
  });
  expect(imported.status).toBe(1);
  await run.stop();

  expect(run.output()).toContain("the responder failed");
  expect(run.output()).toContain("embedded PostgreSQL");
  expectNothingTold(run.output() + imported.stderr + imported.stdout);
}, 60_000);
