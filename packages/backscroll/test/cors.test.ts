import { serve } from "@hono/node-server";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { expect, onTestFinished, test } from "vitest";
import { build } from "vite";
import { loadConfig } from "../src/config.ts";
import { type Authenticated, bearer, startAuthenticated } from "./authenticated-services.ts";
import { findChromium } from "./find-chromium.ts";
import { expectProblem } from "./problem.ts";
import { createServices, newSchema } from "./services.ts";
import type { Got } from "./use-chat/page/cross-origin.ts";

const ADA = "ada@example.com";
const APP = "https://app.example.com";
const OTHER_APP = "https://other.example.com";
const EVIL = "https://app.example.com.evil.example";
const PREFLIGHT = { "access-control-request-method": "PATCH", "access-control-request-headers": "authorization" };

async function start(
  corsOrigins = [APP, OTHER_APP],
): Promise<Authenticated & { credentials: { authorization: string } }> {
  const authenticated = await startAuthenticated({ corsOrigins });
  return { ...authenticated, credentials: bearer((await authenticated.newKey(ADA)).secret) };
}

function corsHeaders(headers: Headers): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => name.startsWith("access-control-")));
}

async function listen(server: Server): Promise<string> {
  if (!server.listening) await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("a preflight of a listed origin is answered without credentials, before anything is counted", async () => {
  const { services } = await start();
  const tight = await createServices({
    local: true,
    auth: "required",
    corsOrigins: [APP],
    rateLimitAddressReads: 1,
    rateLimitAddressWrites: 1,
    databaseUrl: services.databaseUrl,
  });
  onTestFinished(() => tight.close());
  const env = { incoming: { socket: { remoteAddress: "192.0.2.1" } } };
  for (let i = 0; i < 20; i += 1) {
    const request = new Request("http://localhost/api/conversations/c", {
      method: "OPTIONS",
      headers: { origin: APP, ...PREFLIGHT },
    });
    const { status, headers } = await tight.fetch(request, env);
    expect(status).toBe(204);
    expect(headers.get("access-control-allow-origin")).toBe(APP);
    expect(headers.get("access-control-allow-credentials")).toBe("true");
    expect(headers.get("access-control-allow-methods")?.split(",")).toEqual(
      expect.arrayContaining(["GET", "POST", "PUT", "PATCH", "DELETE"]),
    );
    expect(headers.get("access-control-allow-headers")?.split(",")).toEqual(
      expect.arrayContaining(["authorization", "x-api-key", "content-type", "idempotency-key", "last-event-id"]),
    );
    expect(headers.get("vary")).toContain("Origin");
    expect(headers.get("ratelimit")).toBeNull();
  }
});

test("every answer to a page of a listed origin may be read by it: refusals, streams and cached reads too", async () => {
  const { send, credentials } = await start();
  const page = { origin: OTHER_APP };
  const own = { ...credentials, ...page };
  expect((await send("POST", "/api/conversations", own, { id: "c" })).status).toBe(201);
  const answers = {
    read: await send("GET", "/api/conversations/c/messages", own),
    cached: await send("GET", "/api/conversations/c/messages", own),
    turn: await send("POST", "/api/chat", own, { message: "Hello", stream: true }),
    export: await send("GET", "/api/me/export", own),
    notFound: await send("GET", "/api/conversations/nowhere", own),
    noRoute: await send("GET", "/api/nothing", own),
    unauthenticated: await send("GET", "/api/me", page),
    malformed: await send("POST", "/api/conversations", own, "{"),
    health: await send("GET", "/readyz", page),
  };
  expect(answers.cached.headers.get("x-backscroll-cache")).toBe("hit");
  expectProblem(answers.unauthenticated, "unauthenticated");
  for (const [what, { headers }] of Object.entries(answers)) {
    expect(headers.get("access-control-allow-origin"), what).toBe(OTHER_APP);
    expect(headers.get("access-control-allow-credentials"), what).toBe("true");
    expect(headers.get("vary"), what).toBe("Origin");
    expect(headers.get("access-control-expose-headers")?.split(","), what).toEqual(
      expect.arrayContaining(["x-request-id", "x-backscroll-cache", "ratelimit", "ratelimit-policy", "retry-after"]),
    );
  }
});

test("an origin that is not listed, word for word, may read nothing", async () => {
  const { send, credentials } = await start();
  for (const origin of [EVIL, "null", "http://app.example.com", `${APP}:8443`, APP.toUpperCase(), "*"]) {
    const preflight = await send("OPTIONS", "/api/me", { origin, ...PREFLIGHT });
    expect(preflight.headers.get("access-control-allow-origin"), origin).toBeNull();
    const answer = await send("GET", "/api/me", { ...credentials, origin });
    expect(answer.headers.get("access-control-allow-origin"), origin).toBeNull();
  }
});

test("an answer that was made for no page says that another is made for one: a cache on the way keeps them apart", async () => {
  const { send, credentials } = await start();
  await send("POST", "/api/conversations", credentials, { id: "c" });
  for (const path of ["/api/me", "/api/conversations/c/messages", "/api/nothing"]) {
    const { headers } = await send("GET", path, credentials);
    expect(headers.get("vary"), path).toBe("Origin");
    expect(corsHeaders(headers), path).toEqual({});
  }
});

test("without a list there is no CORS: no header, and a preflight needs credentials like anything else", async () => {
  const { send, credentials } = await start([]);
  const answer = await send("GET", "/api/me", { ...credentials, origin: APP });
  expect(answer.status).toBe(200);
  expect(corsHeaders(answer.headers)).toEqual({});
  expect(answer.headers.get("vary")).toBeNull();
  const preflight = await send("OPTIONS", "/api/me", { origin: APP, ...PREFLIGHT });
  expect(preflight.status).toBe(401);
  expect(corsHeaders(preflight.headers)).toEqual({});
});

test("without authentication there is no CORS, and no list can be given", async () => {
  expect(() => loadConfig({ CORS_ORIGINS: APP })).toThrow("CORS_ORIGINS needs authentication");
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const services = await createServices({ local: true, databaseUrl });
  onTestFinished(() => services.close());
  for (const origin of ["http://localhost:5173", APP]) {
    for (const method of ["OPTIONS", "GET"]) {
      const { headers } = await services.call("", method, "/api/me", undefined, { origin, ...PREFLIGHT });
      expect(corsHeaders(headers), `${method} ${origin}`).toEqual({});
    }
  }
});

test("what is no origin is refused by its setting's name", () => {
  for (const list of ["*", "app.example.com", `${APP}/`, `${APP},*`, "https://*.example.com", "null"]) {
    expect(() => loadConfig({ AUTH: "required", CORS_ORIGINS: list }), list).toThrow("CORS_ORIGINS must be origins");
  }
});

/** @returns the page's script, as its authors would ship it */
async function bundle(): Promise<string> {
  const input = fileURLToPath(new URL("use-chat/page/cross-origin.ts", import.meta.url));
  const output = await build({
    configFile: false,
    logLevel: "error",
    resolve: { conditions: ["backscroll-source"] },
    define: { "process.env.NODE_ENV": JSON.stringify("production") },
    build: { write: false, target: "esnext", rolldownOptions: { input } },
  });
  const [first] = [output].flat();
  if (!first || !("output" in first)) throw new Error("vite built nothing");
  const [chunk] = first.output;
  return chunk.code;
}

test("in a real browser: the SDK and the AI SDK's transport work from a listed origin, and from no other", async () => {
  const [script, browser] = await Promise.all([
    bundle(),
    chromium.launch({ executablePath: findChromium(), args: ["--no-sandbox", "--disable-gpu"] }),
  ]);
  onTestFinished(() => browser.close());
  const site = (): Promise<string> =>
    listen(
      createServer((_, response) => response.setHeader("content-type", "text/html").end("<!doctype html>")).listen(
        0,
        "127.0.0.1",
      ),
    );
  const [listed, other] = [await site(), await site()];
  const { services, credentials } = await start([listed]);
  const service = await listen(serve({ fetch: services.fetch, hostname: "127.0.0.1", port: 0 }) as Server);
  const token = credentials.authorization.replace("Bearer ", "");
  const callFrom = async (origin: string): Promise<Got> => {
    const page = await browser.newPage();
    await page.goto(origin);
    await page.addScriptTag({ content: script, type: "module" });
    await page.waitForFunction("'callAcross' in globalThis");
    return page.evaluate(`callAcross(${JSON.stringify(service)}, ${JSON.stringify(token)})`);
  };

  expect(await callFrom(listed)).toEqual({
    reply: expect.stringMatching(/\w/),
    change: "conversation_created",
    exported: true,
    refusal: ["conversation_not_found", "from-a-page"],
    chat: expect.stringMatching(/\w/),
  });
  await expect(callFrom(other)).rejects.toThrow(/fetch|reach/i);
}, 60_000);
