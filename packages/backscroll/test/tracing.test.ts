import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { context } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { expect, onTestFinished, test } from "vitest";
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from "./otlp-receiver.ts";
import { startRedis } from "./redis-server.ts";
import { chatText } from "./responder-model-servers.ts";
import { bodyOf, refusedOrigin, sendJson, serve } from "./responder-fixture.ts";
import { post, runCommand, type ServiceProcess, temporaryDirectory } from "./service-process.ts";
import { startOnSchema } from "./service-on-schema.ts";
import { createServices, newSchema } from "./services.ts";

const POLL = { timeout: 20_000, interval: 50 };
const SOON = { OTEL_BSP_SCHEDULE_DELAY: "50" };

async function stop(service: ServiceProcess): Promise<void> {
  service.child.kill("SIGTERM");
  expect(await service.ended, service.stderr()).toBe(0);
}

function newTrace(): { traceId: string; spanId: string; traceparent: string } {
  const [traceId, spanId] = [randomBytes(16).toString("hex"), randomBytes(8).toString("hex")];
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-01` };
}

/** @returns the only span of a name in a trace */
function spanOf({ spans }: OtlpReceiver, traceId: string, name: string): ReceivedSpan {
  const found = spans.filter((span) => span.traceId === traceId && span.name === name);
  expect(found.length, `${name} among ${spans.map((span) => span.name).join(", ")}`).toBe(1);
  return found[0] as ReceivedSpan;
}

function partsOf({ spans }: OtlpReceiver, { spanId }: ReceivedSpan): readonly ReceivedSpan[] {
  return spans.filter(({ parentId }) => parentId === spanId);
}

test("one trace holds a request, its operation, statements, Redis and the responder, each in its place", async () => {
  const [collector, redis] = await Promise.all([startOtlpReceiver(), startRedis()]);
  let handed: string | string[] | undefined;
  const agent = await serve(async (request, response) => {
    handed = request.headers["traceparent"];
    await bodyOf(request);
    sendJson(response, 200, { content: "planted answer" });
  });
  const service = await startOnSchema({
    REDIS_URL: `redis://127.0.0.1:${redis.port}`,
    RESPONDER_URL: agent,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
  });
  const [turn, read] = [newTrace(), newTrace()];

  const asked = { message: "planted question", conversation_id: "planted-id" };
  expect((await post(`${service.url}/api/conversations`, { id: "planted-id" })).status).toBe(201);
  const chat = await post(`${service.url}/api/chat`, asked, { traceparent: turn.traceparent });
  expect(chat.status).toBe(200);
  const messages = `${service.url}/api/conversations/planted-id/messages`;
  // The first brings it into the cache.
  await expect.poll(async () => (await fetch(messages)).headers.get("x-backscroll-cache"), POLL).toBe("hit");
  await fetch(messages, { headers: { traceparent: read.traceparent } });
  await stop(service);

  const request = spanOf(collector, turn.traceId, "POST /api/chat");
  expect(request).toMatchObject({ kind: "server", parentId: turn.spanId, isError: false });
  expect(request.attributes).toMatchObject({
    "http.request.method": "POST",
    "http.route": "/api/chat",
    "http.response.status_code": 200,
    "url.scheme": "http",
  });
  const operation = spanOf(collector, turn.traceId, "startTurn");
  expect(operation).toMatchObject({ kind: "internal", parentId: request.spanId });
  const statement = partsOf(collector, operation).find(({ attributes }) => "db.query.summary" in attributes);
  expect(statement).toMatchObject({ kind: "client", name: "open_turn" });
  expect(statement?.attributes).toMatchObject({ "db.system.name": "postgresql", "db.query.summary": "open_turn" });
  const reply = spanOf(collector, turn.traceId, "write reply");
  expect(reply.parentId).toBe(operation.spanId);
  const responder = spanOf(collector, turn.traceId, "ask responder");
  expect(responder).toMatchObject({ kind: "client", parentId: reply.spanId });
  expect(handed).toBe(`00-${turn.traceId}-${responder.spanId}-01`);
  expect(partsOf(collector, reply).map(({ name }) => name)).toContain("close_turn");

  const reading = spanOf(collector, read.traceId, "GET /api/conversations/:conversationId/messages");
  expect(reading.attributes["backscroll.cache"]).toBe("hit");
  const recent = spanOf(collector, read.traceId, "getRecentMessages");
  const fromRedis = spanOf(collector, read.traceId, "LRANGE");
  expect([fromRedis.parentId, recent.parentId]).toEqual([recent.spanId, reading.spanId]);
  expect(fromRedis).toMatchObject({
    kind: "client",
    attributes: {
      "db.system.name": "redis",
      "db.operation.name": "LRANGE",
      "server.address": "127.0.0.1",
      "server.port": redis.port,
    },
  });
  // The SDK begins a span at a whole millisecond of the clock, and adds what it took exactly.
  const SPAN_CLOCK_NS = 1_000_000n;
  expect(fromRedis.endedAt <= recent.endedAt + SPAN_CLOCK_NS && recent.startedAt <= fromRedis.startedAt).toBe(true);

  // What no request waits for is none of a trace: upkeep, heartbeats, polls.
  const known = new Set(collector.spans.map(({ spanId }) => spanId).concat(turn.spanId, read.spanId));
  expect(collector.spans.filter(({ parentId, kind }) => kind !== "server" && !known.has(parentId))).toEqual([]);
  expect(collector.spans.length).toBeGreaterThan(10);
  expect(collector.bytes).not.toContain("planted");
  expect(collector.bytes).not.toContain("you@localhost");
  expect(collector.resource).toMatchObject({ "service.name": "backscroll" });
  const lines = service
    .stderr()
    .split("\n")
    .filter((line) => line.includes(`"traceId":"${turn.traceId}"`));
  expect(lines.map((line) => (JSON.parse(line) as { route: string }).route)).toEqual(["/api/chat"]);
}, 60_000);

test("a model's server is handed the trace, too", async () => {
  const collector = await startOtlpReceiver();
  const handed: unknown[] = [];
  const model = await serve((request, response) => {
    handed.push(request.headers["traceparent"]);
    request.resume();
    chatText("an answer")(response);
  });
  const service = await startOnSchema({
    MODEL: "compatible/test-model",
    MODEL_BASE_URL: `${model}/v1`,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
  });
  const { traceId, traceparent } = newTrace();
  expect((await post(`${service.url}/api/chat`, { message: "hi" }, { traceparent })).status).toBe(200);
  await stop(service);

  const asked = ["ask responder", "suggest title"].map((name) => spanOf(collector, traceId, name).spanId);
  expect(spanOf(collector, traceId, "give title").parentId).toBe(spanOf(collector, traceId, "write reply").spanId);
  expect(handed).toEqual(asked.map((spanId) => `00-${traceId}-${spanId}-01`));
}, 30_000);

test("what fails says so by its code alone, and a refusal is no failure", async () => {
  const collector = await startOtlpReceiver();
  const agent = await serve((request, response) => {
    request.resume();
    response.writeHead(500).end("planted failure");
  });
  const service = await startOnSchema({
    RESPONDER_URL: agent,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    OTEL_SERVICE_NAME: "history",
    OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test",
    OTEL_EXPORTER_OTLP_HEADERS: "x-tenant=one",
    ...SOON,
  });
  const [failed, refused] = [newTrace(), newTrace()];
  expect((await post(`${service.url}/api/chat`, { message: "planted" }, failed)).status).toBe(502);
  expect((await fetch(`${service.url}/api/conversations/planted`, { headers: refused })).status).toBe(404);
  await stop(service);

  expect(spanOf(collector, failed.traceId, "POST /api/chat")).toMatchObject({
    isError: true,
    attributes: { "error.type": "responder_failed", "http.response.status_code": 502 },
  });
  expect(spanOf(collector, failed.traceId, "ask responder").isError).toBe(true);
  const operation = spanOf(collector, refused.traceId, "getConversation");
  expect(operation).toMatchObject({ isError: false, attributes: { "error.type": "conversation_not_found" } });
  expect(spanOf(collector, refused.traceId, "GET /api/conversations/:conversationId").isError).toBe(false);
  expect(collector.bytes).not.toContain("planted");
  expect(collector.resource).toMatchObject({ "service.name": "history", "deployment.environment.name": "test" });
  expect(collector.headers).toMatchObject({ "x-tenant": "one", "content-type": "application/x-protobuf" });
}, 60_000);

test("a caller that is not sampled is not traced, nor is anything with the sampler that takes nothing", async () => {
  const collector = await startOtlpReceiver();
  const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, ...SOON };
  const [traced, silent] = [
    await startOnSchema(environment),
    await startOnSchema({ ...environment, OTEL_TRACES_SAMPLER: "always_off" }),
  ];
  const { traceparent } = newTrace();
  await fetch(`${traced.url}/api/me`, { headers: { traceparent: traceparent.replace(/01$/, "00") } });
  await fetch(`${silent.url}/api/me`);
  for (const probe of ["/livez", "/readyz", "/metrics"]) await fetch(`${traced.url}${probe}`);
  await fetch(`${traced.url}/api/conversations`);
  await Promise.all([stop(traced), stop(silent)]);

  const requests = collector.spans.filter(({ kind }) => kind === "server");
  expect(requests.map(({ name }) => name)).toEqual(["GET /api/conversations"]);
}, 60_000);

test("appends that travel together are one span, linked with every request that waited for it", async () => {
  const { databaseUrl, drop } = await newSchema();
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  onTestFinished(() => context.disable());
  const services = await createServices({ databaseUrl, tracerProvider: provider });
  onTestFinished(async () => {
    await services.close();
    await drop();
  });
  for (const id of ["a", "b", "c"]) await services.conversations.createConversation("ada@example.com", { id });
  exporter.reset();

  const host = provider.getTracer("host");
  await Promise.all(
    ["a", "b", "c"].map((id) =>
      host.startActiveSpan(`host ${id}`, async (span) => {
        await services.conversations.saveMessage("ada@example.com", id, { role: "user", content: "hi" });
        span.end();
      }),
    ),
  );

  const spans = exporter.getFinishedSpans();
  const named = (name: string) => spans.filter((span) => span.name === name);
  const idOf = (span: (typeof spans)[number] | undefined) => span?.spanContext().spanId;
  const saves = named("saveMessage");
  const hosts = spans.filter(({ name }) => name.startsWith("host "));
  // In the host's own context, with its own provider.
  expect(new Set(saves.map(({ parentSpanContext }) => parentSpanContext?.spanId))).toEqual(new Set(hosts.map(idOf)));
  const [together, ...more] = named("append together");
  expect(more).toEqual([]);
  const others = saves.filter((save) => idOf(save) !== together?.parentSpanContext?.spanId);
  expect(others.length).toBe(2);
  expect(new Set(together?.links.map((link) => link.context.spanId))).toEqual(new Set(others.map(idOf)));
  for (const other of others) expect(other.links.map((link) => link.context.spanId)).toEqual([idOf(together)]);
  const [statement] = named("insert_message_batch");
  expect(statement?.parentSpanContext?.spanId).toBe(idOf(together));
});

test("without the variable nothing of OpenTelemetry's SDK is loaded", async () => {
  const list = join(temporaryDirectory(), "list.cjs");
  writeFileSync(
    list,
    `process.on("exit", () => {
      const names = Object.keys(require.cache).flatMap((path) => /@opentelemetry\\/[^/]+/.exec(path) ?? []);
      require("node:fs").writeSync(2, "LOADED " + [...new Set(names)].sort().join(" ") + "\\n");
    });`,
  );
  const loadedBy = async (environment: Record<string, string>): Promise<readonly string[]> => {
    const service = await startOnSchema({ NODE_OPTIONS: `--require=${list}`, ...environment });
    expect((await post(`${service.url}/api/chat`, { message: "hi" })).status).toBe(200);
    await stop(service);
    return /^LOADED (.*)$/m.exec(service.stderr())?.[1]?.split(" ") ?? ["nothing was listed"];
  };
  const { endpoint } = await startOtlpReceiver();

  // prom-client brings the API along: types and no-ops.
  expect(await loadedBy({})).toEqual(["@opentelemetry/api"]);
  expect(await loadedBy({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SDK_DISABLED: "true" })).toEqual([
    "@opentelemetry/api",
  ]);
  expect(await loadedBy({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint })).toContain("@opentelemetry/sdk-trace-base");
}, 60_000);

test("a protocol that is not spoken is refused at the start, with what to set", async () => {
  const { status, stderr } = await runCommand(["--port", "0"], {
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4317",
    OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
  });
  expect([status, stderr]).toEqual([2, expect.stringContaining("OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf")]);
});

test("a collector that is away or never answers fails no request and keeps no service from stopping", async () => {
  const silent = await serve((request) => request.resume());
  for (const endpoint of [await refusedOrigin(), silent]) {
    const service = await startOnSchema({
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_EXPORTER_OTLP_TIMEOUT: endpoint === silent ? "60000" : "200",
      ...SOON,
    });
    const told = (): number => service.stderr().split("traces could not be exported").length - 1;
    for (let n = 0; n < 5; n += 1) expect((await fetch(`${service.url}/api/conversations`)).status).toBe(200);
    if (endpoint !== silent) {
      await expect.poll(told, POLL).toBe(1);
      expect((await fetch(`${service.url}/api/conversations`)).status).toBe(200);
    }
    await stop(service);
    expect(told()).toBeLessThanOrEqual(1);
  }
}, 60_000);
