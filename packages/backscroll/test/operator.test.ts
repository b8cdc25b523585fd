import type { OperatorReport, OperatorWindow } from "backscroll-client";
import { expect, onTestFinished, test } from "vitest";
import { startEmbeddedPostgres } from "../src/postgres/embedded.ts";
import { ADA, MESSAGES, sourceOf, startCached } from "./cache-fixture.ts";
import { expectProblem } from "./problem.ts";
import { scriptedServices } from "./scripted-responder.ts";
import { temporaryDirectory } from "./service-process.ts";
import { createServices, newSchema, type Services } from "./services.ts";

const ADMIN = "admin@example.com";
const ADMINS = { admins: [ADMIN] };

async function reportOf(services: Services, window?: OperatorWindow): Promise<OperatorReport> {
  const query = window === undefined ? "" : `?window=${window}`;
  const { status, json, text } = await services.call(ADMIN, "GET", `/api/operator${query}`);
  expect(status, text).toBe(200);
  return json as OperatorReport;
}

/** Of the newest step. */
function last<Value>(column: readonly Value[]): Value | undefined {
  return column.at(-1);
}

test("requests, cache reads, messages and errors are what was done, each once", async () => {
  const { services } = await startCached(3, ADMINS);
  await services.sampler.sample();
  const reads = { hit: 0, miss: 0, bypass: 0 };
  for (let i = 0; i < 10 || reads.hit < 3; i += 1) {
    reads[(await sourceOf(services, i < 2 ? "?consistency=strong" : "")) as keyof typeof reads] += 1;
  }
  for (const role of ["user", "assistant", "tool"]) {
    const message = { id: `by-${role}`, role, content: "x" };
    await services.call(ADA, "POST", MESSAGES, message);
    await services.call(ADA, "POST", MESSAGES, message); // a retry saves nothing
  }
  for (let i = 0; i < 4; i += 1) await services.call(ADA, "GET", "/api/conversations/none");
  await services.call(ADA, "POST", MESSAGES, "{");
  await services.sampler.sample();

  const { series, error_codes: codes, now, ...report } = await reportOf(services);
  expect(report).toMatchObject({ status: "healthy", troubles: [], window: "15m" });
  expect({ hit: last(series.cache.hit), miss: last(series.cache.miss), bypass: last(series.cache.bypass) }).toEqual(
    reads,
  );
  const said = Object.entries(series.messages).map(([role, column]) => [role, last(column)]);
  expect(Object.fromEntries(said)).toEqual({ user: 1, assistant: 1, tool: 1, system: 0 });
  expect([last(series.errors.client), last(series.errors.server)]).toEqual([5, 0]);
  expect(codes).toEqual([
    { code: "conversation_not_found", count: 4 },
    { code: "malformed_json", count: 1 },
  ]);
  const readsAsked = reads.hit + reads.miss + reads.bypass;
  expect(last(series.requests)).toBe(readsAsked + 6 + 5);
  expect(series.routes.map(({ method, route, requests }) => [method, route, requests])).toEqual(
    [
      ["GET", "/api/conversations/:conversationId/messages", readsAsked],
      ["POST", "/api/conversations/:conversationId/messages", 10], // three before the first sample
      ["GET", "/api/conversations/:conversationId", 4],
      ["GET", "/api/operator", expect.any(Number)],
      ["POST", "/api/conversations", 1],
    ].filter(([, route]) => route !== "/api/operator"),
  );
  expect(now).toMatchObject({ error_percent: 0, streams_open: 0, replies_running: 0 });
  // two of them did not ask the cache
  expect(now.cache_hit_percent).toBeCloseTo((100 * reads.hit) / (readsAsked - reads.bypass), 1);
});

test("replies are counted while they are written, by how they ended, and how long their first word took", async () => {
  const services = await scriptedServices(ADMINS);
  const ended: Promise<unknown>[] = [];
  const ask = async (id: string): Promise<Awaited<ReturnType<typeof services.nextReply>>> => {
    ended.push(services.call(ADA, "POST", "/api/conversations/messages", { message: "Hello", message_id: id }));
    return services.nextReply();
  };
  const first = await ask("one");
  const second = await ask("two");
  const third = await ask("three");
  expect((await reportOf(services)).now.replies_running).toBe(3);
  await new Promise((done) => setTimeout(done, 60));
  for (const reply of [first, second]) reply.say("Hi");
  first.finish();
  second.fail(new Error("no"));
  await Promise.all(ended.slice(0, 2));
  expect((await reportOf(services)).now.replies_running).toBe(1);
  const { rows } = await services.deps.db.pool.query<{ id: string }>("select conversation_id as id from generations");
  await services.call(ADA, "POST", `/api/chat/${rows[0]?.id}/stop`);
  await Promise.all(ended);
  third.finish();
  await services.sampler.sample();
  const { now, series } = await reportOf(services);
  expect(now.replies_running).toBe(0);
  expect(last(series.messages.user)).toBe(3);
  expect(last(series.messages.assistant)).toBe(3);
  expect(last(series.first_token.p50)).toBeGreaterThan(0.05);
  expect(last(series.errors.server)).toBe(1);
  const { text } = await metricsOf(services);
  for (const [result, count] of Object.entries({ complete: 1, failed: 1, stopped: 1, interrupted: 0, lost: 0 })) {
    expect(text).toContain(`backscroll_replies_total{result="${result}"} ${count}\n`);
  }
  expect(text).toContain("backscroll_reply_first_token_seconds_count 2\n");
});

async function metricsOf(services: Services): Promise<{ text: string }> {
  return { text: await services.registry.metrics() };
}

test("open event streams are counted until they are left", async () => {
  const services = await scriptedServices(ADMINS);
  const left = new AbortController();
  const response = await fetch(`${services.url}/api/events`, { headers: { "x-test-user": ADA }, signal: left.signal });
  await response.body?.getReader().read();
  expect((await reportOf(services)).now.streams_open).toBe(1);
  await fetch(`${services.url}/api/events`, { method: "HEAD", headers: { "x-test-user": ADA } });
  left.abort();
  await expect.poll(async () => (await reportOf(services)).now.streams_open).toBe(0);
});

test("only admins are told, and only of the windows there are", async () => {
  const services = await started(ADMINS);
  expectProblem(await services.call(ADA, "GET", "/api/operator"), "forbidden");
  for (const window of ["15m", "1h", "24h", "7d"] as const)
    expect((await reportOf(services, window)).window).toBe(window);
  for (const query of ["window=2h", "window=", "from=1"]) {
    expectProblem(await services.call(ADMIN, "GET", `/api/operator?${query}`), "invalid_request");
  }
});

test("without Redis it is degraded, and says why; with it again it is healthy", { timeout: 30_000 }, async () => {
  const { services, redis } = await startCached(1, ADMINS);
  await services.sampler.sample();
  expect((await reportOf(services)).series.redis_away).toEqual([0]);
  await redis.kill();
  await expect
    .poll(() => reportOf(services))
    .toMatchObject({
      status: "degraded",
      troubles: [{ code: "redis_unavailable", detail: "Redis unavailable: slower, nothing lost" }],
    });
  await services.sampler.sample();
  expect(last((await reportOf(services)).series.redis_away)).toBe(2); // the cache's, and that of what is live
  await redis.restart();
  await expect.poll(async () => (await reportOf(services)).status, { timeout: 10_000 }).toBe("healthy");
});

test("when many requests fail, or wait for a connection, it is degraded", async () => {
  const services = await scriptedServices({ ...ADMINS, databasePoolMax: 1 });
  for (let i = 0; i < 25; i += 1) {
    const sent = services.call(ADA, "POST", "/api/conversations/messages", { message: "Hello" });
    (await services.nextReply()).fail(new Error("no"));
    expect((await sent).status).toBe(502);
  }
  await services.sampler.sample();
  const failing = { code: "failing", detail: "100% of the requests of the last 5 minutes failed here" };
  expect((await reportOf(services)).troubles).toEqual([failing]);

  const held = await services.deps.db.pool.connect();
  const waiting = services.call(ADA, "GET", "/api/conversations");
  await expect.poll(() => services.deps.db.pool.waitingCount).toBeGreaterThan(0);
  for (let i = 1; i <= 3; i += 1) await services.sampler.sample(Date.now() + i);
  held.release();
  await waiting;
  expect((await reportOf(services)).troubles.map(({ code }) => code)).toEqual(["database_busy", "failing"]);
});

test("while PostgreSQL is stopped the page says so, with all that this server remembers", async () => {
  const dataDir = temporaryDirectory();
  let postgres = await startEmbeddedPostgres({ dataDir });
  onTestFinished(() => postgres.stop());
  const services = await createServices({ ...ADMINS, databaseUrl: postgres.connectionString });
  onTestFinished(() => services.close());
  await services.call(ADMIN, "POST", "/api/conversations", { id: "c" });
  await services.sampler.sample();
  const before = await reportOf(services);
  expect(before).toMatchObject({ status: "healthy", usage: { days: [], complete: true } });
  await postgres.stop();
  const during = await reportOf(services);
  expect(during.troubles.map(({ code }) => code)).toContain("database_unavailable");
  expect(during.usage).toBeNull();
  expect(during.series).toEqual(before.series);
  postgres = await startEmbeddedPostgres({ dataDir });
  await expect.poll(async () => (await reportOf(services)).usage, { timeout: 15_000 }).not.toBeNull();
});

test("messages and tokens a day are everybody's, survive a restart, and count nothing twice", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const today = new Date().toISOString().slice(0, 10);
  const first = await started({ ...ADMINS }, databaseUrl);
  for (const user of [ADA, "bob@example.com"]) {
    await first.call(user, "POST", "/api/conversations", { id: "c" });
    for (let i = 0; i < 3; i += 1)
      await first.call(user, "POST", MESSAGES, { role: "user", content: "x", tokens_used: 10 });
  }
  await first.call(ADA, "GET", "/api/usage"); // hers are counted already
  const expected = { complete: true, days: [{ day: today, messages: 6, tokens_used: 60 }] };
  expect((await reportOf(first)).usage).toEqual(expected);
  await first.call(ADA, "POST", "/api/import", {
    backscroll_export: 1,
    conversations: [
      {
        conversation: { conversation_id: "old", title: "t", created_at: "2020-01-01T00:00:00.000Z" },
        messages: [{ id: "m", role: "user", content: "x", tokens_used: 5, created_at: "2020-01-01T00:00:00.000Z" }],
      },
    ],
  });
  await first.close();
  const second = await started({ ...ADMINS }, databaseUrl);
  const report = await reportOf(second);
  expect(report.usage).toEqual(expected); // what is older than 30 days is not among them
  expect(report.series.requests).toEqual([]);
  expect(Date.parse(report.started_at)).toBeGreaterThan(Date.now() - 60_000);
});

test("a process that is Backscroll alone tells of its event loop and memory, another does not", async () => {
  const alone = await started({ ...ADMINS, processMetrics: true });
  await new Promise((done) => setTimeout(done, 250));
  await alone.sampler.sample();
  const { memory, event_loop: loop } = (await reportOf(alone)).series;
  expect(last(memory.resident)).toBeGreaterThan(last(memory.heap) ?? Number.POSITIVE_INFINITY);
  expect(last(loop.p99)).toBeGreaterThanOrEqual(0);
  const mounted = await started(ADMINS);
  await mounted.sampler.sample();
  const { series } = await reportOf(mounted);
  expect([series.memory.resident, series.memory.heap, series.event_loop.p99]).toEqual([[null], [null], [null]]);
});

test("every metric has its name and unit, and no label names a person or a conversation", async () => {
  const services = await scriptedServices(ADMINS);
  const sent = services.call(ADA, "POST", "/api/conversations/messages", { message: "a secret", message_id: "my-id" });
  const reply = await services.nextReply();
  reply.say("Hi");
  reply.finish();
  const { json } = await sent;
  await services.call(ADA, "GET", `/api/conversations/${json.conversation_id}/messages`);
  await services.call(ADA, "GET", "/api/conversations/none");
  const { text } = await metricsOf(services);
  const metrics = [...text.matchAll(/^# TYPE (backscroll_(?!cache_)\w+) (\w+)$/gm)].map(([, ...found]) =>
    found.join(" "),
  );
  expect(metrics.toSorted()).toEqual([
    "backscroll_errors_total counter",
    "backscroll_event_streams_open gauge",
    "backscroll_http_request_duration_seconds histogram",
    "backscroll_info gauge",
    "backscroll_messages_saved_total counter",
    "backscroll_operation_duration_seconds histogram",
    "backscroll_postgres_connection_wait_seconds histogram",
    "backscroll_postgres_connections gauge",
    "backscroll_postgres_connections_max gauge",
    "backscroll_postgres_query_duration_seconds histogram",
    "backscroll_read_duration_seconds histogram",
    "backscroll_redis_up gauge",
    "backscroll_replies_running gauge",
    "backscroll_replies_total counter",
    "backscroll_reply_first_token_seconds histogram",
    "backscroll_reply_tokens_total counter",
    "backscroll_workers gauge",
  ]);
  expect(text).not.toMatch(/ summary$/m);
  for (const secret of [ADA, json.conversation_id, "my-id", "a secret"]) expect(text).not.toContain(secret);
  expect(text).toMatch(/query_duration_seconds_count\{statement="open_first_turn",result="ok"\} 1/);
});

async function started(
  options: Partial<Parameters<typeof createServices>[0]>,
  databaseUrl?: string,
): Promise<Services> {
  const schema = databaseUrl === undefined ? await newSchema() : null;
  if (schema) onTestFinished(schema.drop);
  const services = await createServices({ ...options, databaseUrl: databaseUrl ?? schema?.databaseUrl ?? "" });
  onTestFinished(() => services.close());
  return services;
}
