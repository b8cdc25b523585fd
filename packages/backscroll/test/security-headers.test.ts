import { createHash } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { type ApiOperation, ENDLESS, fillPath, readApi, sampleBody } from "./api-operations.ts";
import { bearer, startAuthenticated } from "./authenticated-services.ts";
import { createServices, newSchema } from "./services.ts";

const ADA = "ada@example.com";
const API_POLICY = "default-src 'none'; frame-ancestors 'none'";
const HSTS = "max-age=31536000";
/** What sets a policy of its own. */
const PAGES = new Set(["GET /api/docs"]);
const IDS = { conversationId: "c", messageId: "m", sessionId: "s" };
const NOWHERE = { conversationId: "nowhere", messageId: "nowhere", sessionId: "nowhere" };

type Headers = Record<string, string>;

async function start(publicUrl: string) {
  const { services, newKey } = await startAuthenticated({ publicUrl, corsOrigins: ["https://app.example.com"] });
  const credentials = bearer((await newKey(ADA, { scope: "admin" })).secret);
  const fetch = async (method: string, path: string, headers: Headers, body?: object | string): Promise<Response> => {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const request = new Request(`http://localhost${path}`, {
      method,
      headers: { ...(text !== undefined && { "content-type": "application/json" }), ...headers },
      ...(text !== undefined && { body: text }),
    });
    const response = await services.fetch(request);
    // An answer may have no end.
    await response.body?.cancel();
    return response;
  };
  const seed = async (): Promise<void> => {
    await fetch("POST", "/api/conversations", credentials, { id: IDS.conversationId });
    const messages = [{ id: IDS.messageId, role: "user", content: "x" }];
    await fetch("POST", `/api/conversations/${IDS.conversationId}/messages`, credentials, { messages });
    await fetch("PUT", `/api/sessions/${IDS.sessionId}`, credentials, { conversation_id: IDS.conversationId });
  };
  return { services, credentials, fetch, seed };
}

function check(what: string, { headers }: Response, { hsts }: { hsts: boolean }): void {
  const policy = headers.get("content-security-policy") ?? "";
  if (PAGES.has(what)) expect(policy, what).toContain("frame-ancestors 'none'");
  else expect(policy, what).toBe(API_POLICY);
  expect(policy, what).toMatch(/^default-src 'none'/);
  expect(policy, what).not.toContain("unsafe");
  expect(headers.get("x-content-type-options"), what).toBe("nosniff");
  expect(headers.get("x-frame-options"), what).toBe("DENY");
  expect(headers.get("referrer-policy"), what).toBe("no-referrer");
  expect(headers.get("strict-transport-security"), what).toBe(hsts ? HSTS : null);
  expect(headers.get("x-request-id"), what).toMatch(/./);
  expect(headers.get("cache-control"), what).toMatch(/^no-store/);
}

test.for([
  ["https://history.example.com", true],
  ["http://history.example.com", false],
] as const)("every operation's every kind of answer says it, and HSTS only behind TLS (%s)", async ([url, hsts]) => {
  const { services, credentials, fetch, seed } = await start(url);
  const { operations } = await readApi(services);
  const statuses = new Set<number>();
  const ask = async (operation: ApiOperation, what: string, answer: Promise<Response>): Promise<void> => {
    const response = await answer;
    statuses.add(response.status);
    check(`${operation.method} ${operation.path} ${what}`, response, { hsts });
  };
  for (const operation of operations) {
    const { method } = operation;
    const path = fillPath(operation, IDS);
    const body = sampleBody(operation);
    await seed();
    await ask(operation, "as it should be", fetch(method, path, credentials, body));
    await ask(operation, "of nobody", fetch(method, path, {}, body));
    await ask(operation, "of a page", fetch(method, path, { ...credentials, origin: "https://app.example.com" }, body));
    await ask(operation, "of nothing", fetch(method, fillPath(operation, NOWHERE), credentials, body));
    await ask(operation, "with what it does not know", fetch(method, `${path}?what=x`, credentials, body));
    if (body === undefined) continue;
    await ask(operation, "that is not JSON", fetch(method, path, credentials, "{"));
    await ask(operation, "of another type", fetch(method, path, { ...credentials, "content-type": "text/plain" }, "x"));
    if (method !== "POST") continue;
    const idempotent = { ...credentials, "idempotency-key": operation.id };
    await fetch(method, path, idempotent, body);
    await ask(operation, "told again", fetch(method, path, idempotent, body));
  }
  for (const status of [200, 201, 204, 400, 401, 403, 404, 415]) expect([...statuses]).toContain(status);
});

test("what is no operation says it too: pages, redirects, metrics, preflights, what is not there", async () => {
  const { credentials, fetch } = await start("https://history.example.com");
  const preflight = { origin: "https://app.example.com", "access-control-request-method": "GET" };
  const answers: Record<string, [Response, status: number]> = {
    "GET /docs": [await fetch("GET", "/docs", {}), 404],
    "GET /api/docs": [await fetch("GET", "/api/docs", {}), 200],
    "GET /api/openapi.json": [await fetch("GET", "/api/openapi.json", {}), 200],
    "GET /metrics": [await fetch("GET", "/metrics", {}), 404],
    "GET /favicon.ico": [await fetch("GET", "/favicon.ico", {}), 404],
    "GET /api/nothing": [await fetch("GET", "/api/nothing", credentials), 404],
    "HEAD /livez": [await fetch("HEAD", "/livez", {}), 200],
    "OPTIONS /api/me": [await fetch("OPTIONS", "/api/me", preflight), 204],
  };
  for (const [what, [response, status]] of Object.entries(answers)) {
    expect(response.status, what).toBe(status);
    check(what, response, { hsts: true });
  }
});

test("the newest messages say it where they come from the cache, and a reply where it is streamed", async () => {
  const { credentials, fetch, seed } = await start("https://history.example.com");
  await seed();
  for (const source of ["miss", "hit"]) {
    const response = await fetch("GET", "/api/conversations/c/messages", credentials);
    expect(response.headers.get("x-backscroll-cache")).toBe(source);
    check(source, response, { hsts: true });
  }
  const streamed = await fetch("POST", "/api/chat", credentials, { message: "Hello", stream: true });
  expect(streamed.headers.get("content-type")).toBe("text/event-stream");
  check("stream", streamed, { hsts: true });
  expect(streamed.headers.get("cache-control")).toContain("no-transform");
});

test("a bug and a database that is away say it", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const services = await createServices({ databaseUrl, publicUrl: "https://history.example.com" });
  const ask = async (): Promise<Response> =>
    services.fetch(new Request("http://localhost/api/usage", { headers: { "x-test-user": ADA } }));
  await ask();
  await services.deps.db.pool.query("alter table usage_daily rename to usage_elsewhere");
  const bug = await ask();
  expect(bug.status).toBe(500);
  check("bug", bug, { hsts: true });
  await services.close();
  const away = await ask();
  expect(away.status).toBe(503);
  check("away", away, { hsts: true });
});

test("the description's page has no script, and only the style that its policy names", async () => {
  const { services } = await start("https://history.example.com");
  const { text, headers } = await services.call("", "GET", "/api/docs");
  const styles = [...text.matchAll(/<style>([^]*?)<\/style>/g)].map(([, style = ""]) => style);
  expect(styles).toHaveLength(1);
  const hash = createHash("sha256")
    .update(styles[0] ?? "")
    .digest("base64");
  expect(headers.get("content-security-policy")).toContain(`style-src 'sha256-${hash}'`);
  expect(text).not.toMatch(/<script|\son\w+=|\sstyle=|<link|<img/i);
});

test("the operation whose answer has no end is one of those that were asked", async () => {
  const { services } = await start("https://history.example.com");
  const { operations } = await readApi(services);
  expect(operations.map(({ id }) => id)).toContain(ENDLESS);
});
