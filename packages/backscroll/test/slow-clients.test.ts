import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { createHttpServer, type HttpServerOptions } from "../src/cli/http-server.ts";
import type { BackscrollOptions } from "../src/create.ts";
import { connectTo, head, type RawClient } from "./raw-client.ts";
import { startService } from "./service-process.ts";
import { createServices, newSchema, type Services } from "./services.ts";

const TIMEOUT_MS = 500;
const JSON_TYPE = { "content-type": "application/json" };

interface Listening {
  readonly url: string;
  readonly services: Services;
  /** in the order they came */
  readonly connections: readonly Socket[];
}

/** A service on a port, with little patience. */
async function listening({
  stallMs,
  headerBytesMax = 4_096,
  requestTimeoutMs = TIMEOUT_MS,
  ...options
}: BackscrollOptions & Partial<HttpServerOptions> = {}): Promise<Listening> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const services = await createServices({ local: true, requestTimeoutMs, ...options, databaseUrl });
  onTestFinished(() => services.close());
  const http = createHttpServer(services.fetch, {
    headerBytesMax,
    requestTimeoutMs,
    ...(stallMs !== undefined && { stallMs }),
  });
  const connections: Socket[] = [];
  http.server.on("connection", (socket) => connections.push(socket));
  await once(http.server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => http.close(0));
  return { url: `http://127.0.0.1:${(http.server.address() as AddressInfo).port}`, services, connections };
}

function statusOf(told: string): number {
  return Number(/^HTTP\/1\.1 (\d+)/.exec(told)?.[1]);
}

/** @returns whether somebody else is served */
async function isServed(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/api/me`);
  return answer.ok && (await answer.text()).includes("you@localhost");
}

describe("heads", () => {
  test("who connects and says nothing, and whose head comes byte by byte, is given up; others are served meanwhile", async () => {
    const { url } = await listening();
    const silent = await connectTo(url);
    const slow = await connectTo(url);
    slow.send(head("GET", "/api/me"));
    slow.trickle("x-slow: yes\r\n");
    const slowFromTheBeginning = await connectTo(url);
    slowFromTheBeginning.trickle(`${head("GET", "/api/me")}${"x-slow: yes\r\n".repeat(100)}\r\n`);

    expect(await isServed(url)).toBe(true);
    for (const client of [silent, slow, slowFromTheBeginning]) expect(statusOf(await client.closed)).toBe(408);
    expect(await isServed(url)).toBe(true);
  });

  test("a connection that was answered before gets no more patience with its next head", async () => {
    const { url } = await listening();
    const client = await connectTo(url);
    client.send(`${head("GET", "/livez")}\r\n`);
    await expect.poll(() => client.told()).toContain("ok");
    client.send(head("GET", "/livez"));
    client.trickle("x-slow: yes\r\n");
    expect(await client.closed).toContain("408 Request Timeout");
  });

  test("headers up to HEADER_BYTES_MAX are read; more are answered 431, and the connection is closed", async () => {
    const { url } = await listening({ headerBytesMax: 2_048 });
    const withHeader = async (bytes: number): Promise<RawClient> => {
      const client = await connectTo(url);
      client.send(`${head("GET", "/livez", { connection: "close", "x-long": "x".repeat(bytes) })}\r\n`);
      return client;
    };
    expect(statusOf(await (await withHeader(1_800)).closed)).toBe(200);
    expect(statusOf(await (await withHeader(2_048)).closed)).toBe(431);
    const many = await connectTo(url);
    many.trickle(`${head("GET", "/livez")}\r\n`);
    many.send(`${head("GET", "/livez")}${"x-many: 1\r\n".repeat(1_000)}\r\n`);
    expect(statusOf(await many.closed)).toBe(431);
  });
});

describe("bodies", () => {
  const declared = { ...JSON_TYPE, "content-length": 10_000 };
  const inChunks = { ...JSON_TYPE, "transfer-encoding": "chunked" };

  test("one that comes byte by byte is answered 408 and given up; others are served meanwhile", async () => {
    const { url } = await listening();
    const send = async (path: string, headers: Record<string, string | number>, text: string): Promise<RawClient> => {
      const client = await connectTo(url);
      client.send(`${head("POST", path, headers)}\r\n`);
      client.trickle(text);
      return client;
    };
    const clients = [
      await send("/api/conversations", declared, " "),
      await send("/api/conversations", inChunks, "1\r\n \r\n"),
      await send("/api/login", declared, " "),
      await send("/api/import", declared, " "),
    ];
    expect(await isServed(url)).toBe(true);
    for (const client of clients) {
      const told = await client.closed;
      expect(statusOf(told)).toBe(408);
      expect(told).toContain('"code":"request_timeout"');
    }
  });

  test("one that nobody reads keeps no connection: its request is answered, and then it is given up", async () => {
    const { url } = await listening();
    for (const [method, path, status] of [
      ["GET", "/api/me", 200],
      ["POST", "/nothing", 404],
      ["DELETE", "/api/conversations/none", 404],
    ] as const) {
      const client = await connectTo(url);
      client.send(`${head(method, path, declared)}\r\n`);
      client.trickle("x");
      expect(statusOf(await client.closed), `${method} ${path}`).toBe(status);
    }
  });

  test("one over the limit is answered 413 before it is there, and given up", async () => {
    const { url } = await listening({ bodyBytesMax: 2_048 });
    for (const [headers, text] of [
      [{ ...JSON_TYPE, "content-length": 2_049 }, "x"],
      [inChunks, `1000\r\n${"x".repeat(4_096)}\r\n`],
    ] as const) {
      const client = await connectTo(url);
      client.send(`${head("POST", "/api/conversations", headers)}\r\n${text}`);
      client.trickle(text);
      expect(statusOf(await client.closed)).toBe(413);
    }
  });

  test("one that breaks off is nobody's bug: nothing is logged", async () => {
    const { databaseUrl, drop } = await newSchema();
    onTestFinished(drop);
    const service = await startService([], { DATABASE_URL: databaseUrl });
    for (const [path, headers, text] of [
      ["/api/conversations", declared, "{"],
      ["/api/conversations", inChunks, "1\r\n{\r\n"],
      ["/api/import", declared, "{"],
    ] as const) {
      const client = await connectTo(service.url);
      client.send(`${head("POST", path, headers)}\r\n${text}`);
      // Served after it: what was sent has arrived.
      expect(await isServed(service.url)).toBe(true);
      client.socket.resetAndDestroy();
    }
    service.child.kill("SIGTERM");
    expect(await service.ended).toBe(0);
    expect(service.stderr()).not.toContain("request failed");
  });

  test("an import goes on for longer than any other body, as long as it arrives", async () => {
    const { url } = await listening({ requestTimeoutMs: 1_000 });
    const patience = await connectTo(url);
    const client = await connectTo(url);
    client.send(`${head("POST", "/api/import", { ...inChunks, connection: "close" })}\r\n`);
    const space = `800\r\n${" ".repeat(2_048)}\r\n`;
    const timer = setInterval(() => client.send(space), 20);
    onTestFinished(() => clearInterval(timer));
    // Twice as long as a head may take: one after the other.
    await patience.closed;
    await (
      await connectTo(url)
    ).closed;
    clearInterval(timer);
    const document = '{"backscroll_export":1,"conversations":[]}';
    client.send(`${document.length.toString(16)}\r\n${document}\r\n0\r\n\r\n`);
    expect(statusOf(await client.closed)).toBe(200);
  });
});

describe("answers", () => {
  const MESSAGES = 24;
  const MESSAGE_BYTES = 1_000_000;
  /** What the kernel takes on both sides, and a few pieces. */
  const HELD_BYTES_MAX = 8_000_000;

  async function withBigConversation(options: Parameters<typeof listening>[0]): Promise<Listening> {
    const started = await listening({ ...options, messageBytesMax: MESSAGE_BYTES });
    const { services } = started;
    await services.call("", "POST", "/api/conversations", { id: "big" });
    const message = { role: "user", content: "x".repeat(MESSAGE_BYTES) };
    const messages = Array.from({ length: 8 }, () => message);
    for (let saved = 0; saved < MESSAGES; saved += messages.length) {
      expect((await services.call("", "POST", "/api/conversations/big/messages", { messages })).status).toBe(201);
    }
    return started;
  }

  test("one that nobody takes is made no further and given up, whatever else its client sends", async () => {
    const { url, connections } = await withBigConversation({ stallMs: TIMEOUT_MS });
    const path = "/api/conversations/big/export";
    const silent = await connectTo(url, { reads: false });
    silent.send(`${head("GET", path)}\r\n`);
    const talking = await connectTo(url, { reads: false });
    talking.send(`${head("GET", path, { "content-length": 1_000_000 })}\r\n`);
    talking.trickle("x");
    await expect.poll(() => connections.length).toBe(2);
    let held = 0;
    const watch = setInterval(() => {
      held = Math.max(held, ...connections.map(({ writableLength }) => writableLength));
    }, 5);
    onTestFinished(() => clearInterval(watch));

    expect(await isServed(url)).toBe(true);
    await expect
      .poll(() => connections.slice(0, 2).every(({ destroyed }) => destroyed), { timeout: 10_000 })
      .toBe(true);
    expect(held).toBeGreaterThan(0);
    expect(held).toBeLessThan(HELD_BYTES_MAX);
  });

  test("one that is taken slowly arrives whole, however long it takes", async () => {
    const stallMs = 1_000;
    const { url } = await withBigConversation({ stallMs });
    const client = await connectTo(url, { reads: false });
    client.send(`${head("GET", "/api/conversations/big/export", { connection: "close" })}\r\n`);
    let bytes = 0;
    const startedAt = performance.now();
    const take = setInterval(() => {
      bytes += (client.socket.read() as Buffer | null)?.length ?? 0;
    }, 5);
    onTestFinished(() => clearInterval(take));
    client.socket.on("readable", () => undefined);
    await client.closed;
    expect(bytes).toBeGreaterThan(MESSAGES * MESSAGE_BYTES);
    expect(performance.now() - startedAt).toBeGreaterThan(stallMs);
  });

  test("an event stream that waits for news is not cut", async () => {
    const { url, services } = await listening({ stallMs: TIMEOUT_MS });
    const reader = await connectTo(url);
    reader.send(`${head("GET", "/api/events")}\r\n`);
    await expect.poll(() => reader.told()).toContain("text/event-stream");
    // Longer than anything else may wait: one after the other.
    for (let i = 0; i < 3; i += 1) await (await connectTo(url)).closed;
    await services.call("", "POST", "/api/conversations", { id: "news" });
    await expect.poll(() => reader.told(), { timeout: 10_000 }).toContain('"news"');
  });
});

test("a service that stops waits for none of them", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  // It would wait for what was asked: longer than this test may take.
  const settings = { REQUEST_TIMEOUT_MS: "1000", DRAIN_TIMEOUT_MS: "600000" };
  const service = await startService([], { DATABASE_URL: databaseUrl, ...settings });
  const [silent, ofHead, ofBody, ofUnreadBody, idle] = await Promise.all(
    Array.from({ length: 5 }, () => connectTo(service.url)),
  );
  ofHead?.send(head("GET", "/livez"));
  ofHead?.trickle("x-slow: yes\r\n");
  const slowBody = { ...JSON_TYPE, "content-length": 10_000 };
  ofBody?.send(`${head("POST", "/api/conversations", slowBody)}\r\n`);
  ofBody?.trickle("{");
  ofUnreadBody?.send(`${head("GET", "/livez", slowBody)}\r\n`);
  ofUnreadBody?.trickle("x");
  idle?.send(`${head("GET", "/livez")}\r\n`);
  await expect.poll(() => idle?.told()).toContain("ok");

  service.child.kill("SIGTERM");
  expect(await service.ended).toBe(0);
  expect(statusOf((await ofBody?.closed) ?? "")).toBe(408);
  expect(await silent?.closed).toBe("");
});
