import { serve } from "@hono/node-server";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { chromium } from "playwright-core";
import { expect, onTestFinished, test } from "vitest";
import type { BackscrollOptions } from "../src/create.ts";
import { revokeApiKey } from "../src/service/api-keys.ts";
import {
  type Authenticated,
  authenticatedOn,
  bearer,
  startAuthenticated,
  startWithIssuer,
} from "./authenticated-services.ts";
import { findChromium } from "./find-chromium.ts";
import { expectProblem } from "./problem.ts";
import type { Answer } from "./services.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";
/** What a browser says of a page of the service's own. */
const SAME_ORIGIN = { origin: "http://localhost" };

/** @returns the headers of a browser that is logged in */
async function logIn({ send }: Authenticated, credential: string): Promise<{ cookie: string }> {
  const answer = await send("POST", "/api/login", SAME_ORIGIN, { credential });
  expect(answer.status, answer.text).toBe(200);
  return { cookie: cookieIn(answer) };
}

/** @returns what a browser sends back */
function cookieIn(answer: Answer): string {
  return /^[^;]+/.exec(answer.headers.get("set-cookie") ?? "")?.[0] ?? "";
}

function attributesIn(answer: Answer): Record<string, string | true> {
  const [, ...attributes] = (answer.headers.get("set-cookie") ?? "").split("; ");
  return Object.fromEntries(
    attributes.map((attribute) => {
      const [name = "", value] = attribute.split("=");
      return [name, value ?? true];
    }),
  );
}

async function startWithKey(options: BackscrollOptions = {}): Promise<Authenticated & { readonly secret: string }> {
  const authenticated = await startAuthenticated(options);
  return { ...authenticated, secret: (await authenticated.newKey(ADA)).secret };
}

test("a key or a token logs a browser in, as the person it is of", async () => {
  const service = await startWithIssuer();
  const { secret } = await service.newKey(ADA);
  for (const credential of [secret, await service.issuer.token(ADA)]) {
    const answer = await service.send("POST", "/api/login", SAME_ORIGIN, { credential });
    expect(answer.json).toEqual({
      issuer: "local",
      subject: ADA,
      email: ADA,
      is_admin: false,
      logged_in: true,
      expires_at: expect.stringMatching(/Z$/),
    });
    const me = await service.send("GET", "/api/me", { cookie: cookieIn(answer) });
    const { expires_at: _, ...same } = answer.json;
    expect(me.json).toEqual(same);
  }
});

test("the cookie is out of reach of scripts and other sites, and lasts LOGIN_DAYS", async () => {
  const { send, secret } = await startWithKey({ loginDays: 7 });
  const answer = await send("POST", "/api/login", SAME_ORIGIN, { credential: secret });
  expect(cookieIn(answer)).toMatch(/^backscroll=[A-Za-z0-9_-]{43}$/);
  const { "Max-Age": maxAge, ...others } = attributesIn(answer);
  expect(others).toEqual({ Path: "/", HttpOnly: true, SameSite: "Lax" });
  expect(Number(maxAge)).toBeGreaterThan(7 * 86_400 - 60);
  expect(Number(maxAge)).toBeLessThanOrEqual(7 * 86_400);
});

test("behind TLS the cookie is this host's alone, and goes over TLS only", async () => {
  const service = await startWithKey({ publicUrl: "https://history.example.com" });
  const { send, secret, whoIs } = service;
  const origin = { origin: "https://history.example.com" };
  const answer = await send("POST", "/api/login", origin, { credential: secret });
  expect(cookieIn(answer)).toMatch(/^__Host-backscroll=[A-Za-z0-9_-]{43}$/);
  expect(attributesIn(answer)).toMatchObject({ Path: "/", HttpOnly: true, SameSite: "Lax", Secure: true });
  expect(attributesIn(answer)).not.toHaveProperty("Domain");
  expect(await whoIs({ cookie: cookieIn(answer) })).toBe(ADA);
  // One that a neighbouring host could have set.
  expect(await whoIs({ cookie: cookieIn(answer).replace("__Host-", "") })).toBe("unauthenticated");

  const out = await send("POST", "/api/logout", { ...origin, cookie: cookieIn(answer) });
  expect(cookieIn(out)).toBe("__Host-backscroll=");
  expect(attributesIn(out)).toMatchObject({ Path: "/", Secure: true, "Max-Age": "0" });
});

test("what is no credential logs nobody in, and sets no cookie", async () => {
  const { send, secret, services } = await startWithKey();
  for (const credential of [`${secret}x`, "nonsense", "a.b.c", "bsk_"]) {
    const answer = await send("POST", "/api/login", SAME_ORIGIN, { credential });
    expectProblem(answer, "unauthenticated");
    expect(answer.headers.has("set-cookie")).toBe(false);
    expect(answer.text).not.toContain(credential);
  }
  for (const body of [{}, { credential: "" }, { credential: 5 }, { credential: secret, more: 1 }, "{"]) {
    expect((await send("POST", "/api/login", SAME_ORIGIN, body)).status).toBe(400);
  }
  const huge = await send("POST", "/api/login", SAME_ORIGIN, { credential: "x".repeat(100_000) });
  expectProblem(huge, "body_too_large");
  // What a form of another site can send.
  const form = await send(
    "POST",
    "/api/login",
    { "content-type": "text/plain" },
    JSON.stringify({ credential: secret }),
  );
  expectProblem(form, "unsupported_media_type");
  const { rowCount } = await services.deps.db.pool.query("select 1 from logins");
  expect(rowCount).toBe(0);
});

const LISTED = "https://app.example.com";
const ORIGINS: [what: string, headers: Record<string, string>, allowed: boolean][] = [
  ["the service's own, by the request's host", { origin: "http://localhost" }, true],
  ["the same with TLS ended in front", { origin: "https://localhost" }, true],
  ["of the host that a proxy passes on", { host: "history.example.com", origin: "https://history.example.com" }, true],
  ["one of CORS_ORIGINS", { origin: LISTED }, true],
  ["one of CORS_ORIGINS, from another site", { origin: LISTED, "sec-fetch-site": "cross-site" }, true],
  ["absent, and the browser says that it is the same", { "sec-fetch-site": "same-origin" }, true],
  ["absent", {}, false],
  ["absent, of another site", { "sec-fetch-site": "cross-site" }, false],
  ["absent, of the same site", { "sec-fetch-site": "same-site" }, false],
  ["absent, typed in", { "sec-fetch-site": "none" }, false],
  ["another site's", { origin: "https://evil.example.com" }, false],
  ["another site's that claims to be the same", { origin: "https://evil.com", "sec-fetch-site": "same-origin" }, false],
  ["another port's", { origin: "http://localhost:8080" }, false],
  ["a name that begins alike", { origin: "http://localhost.evil.com" }, false],
  ["a name that ends alike", { origin: "https://evilapp.example.com" }, false],
  ["a listed one over http", { origin: "http://app.example.com" }, false],
  ["of an app on this host's name", { origin: "capacitor://localhost" }, false],
  ["opaque", { origin: "null" }, false],
  ["nonsense", { origin: "nonsense" }, false],
  ["empty", { origin: "" }, false],
];

test.for(ORIGINS)(
  "a change with the cookie, its origin %s: allowed is what it should be",
  async ([, headers, allowed]) => {
    const service = await startWithKey({ corsOrigins: [LISTED] });
    const cookie = await logIn(service, service.secret);
    const create = await service.send("POST", "/api/conversations", { ...cookie, ...headers }, { id: "c" });
    if (allowed) expect(create.status, create.text).toBe(201);
    else expectProblem(create, "origin_not_allowed");
    const others = [
      await service.send("PATCH", "/api/conversations/c", { ...cookie, ...headers }, { pinned: true }),
      await service.send("DELETE", "/api/conversations/c", { ...cookie, ...headers }),
      await service.send("POST", "/api/logout", { ...cookie, ...headers }),
    ];
    expect(others.map(({ status }) => status)).toEqual(allowed ? [200, 200, 200] : [403, 403, 403]);
    if (!allowed) expect((await service.send("GET", "/api/me", { ...cookie, ...headers })).status).toBe(200);
  },
);

test("with PUBLIC_URL the service's own origin is that, whatever the Host says", async () => {
  const service = await startWithKey({ publicUrl: "https://history.example.com" });
  const { send, secret } = service;
  const login = async (origin: string): Promise<number> =>
    (await send("POST", "/api/login", { origin }, { credential: secret })).status;
  expect(await login("https://history.example.com")).toBe(200);
  expect(await login("http://history.example.com")).toBe(403);
  expect(await login("http://localhost")).toBe(403);
});

test("another site cannot log its visitor in; what is no browser can", async () => {
  const { send, secret } = await startWithKey();
  const credential = { credential: secret };
  expectProblem(
    await send("POST", "/api/login", { origin: "https://evil.example.com" }, credential),
    "origin_not_allowed",
  );
  expectProblem(await send("POST", "/api/login", { "sec-fetch-site": "cross-site" }, credential), "origin_not_allowed");
  expect((await send("POST", "/api/login", {}, credential)).status).toBe(200);
});

test("a header's credential needs no origin, and one that is bad is not made up for by the cookie", async () => {
  const service = await startWithKey();
  const cookie = await logIn(service, service.secret);
  const bobs = bearer((await service.newKey(BOB)).secret);
  expect(await service.whoIs({ ...cookie, ...bobs })).toBe(BOB);
  const created = await service.send("POST", "/api/conversations", {
    ...cookie,
    ...bobs,
    origin: "https://evil.example.com",
  });
  expect(created.status).toBe(201);
  for (const bad of [bearer("nonsense"), { "x-api-key": "" }, { "x-api-key": "bsk_" }, { authorization: "Basic x" }]) {
    expect(await service.whoIs({ ...cookie, ...bad })).toBe("unauthenticated");
  }
});

test("what is no cookie of a login is none", async () => {
  const service = await startWithKey();
  const { cookie } = await logIn(service, service.secret);
  const bad = [
    "",
    "backscroll=",
    "backscroll",
    `${cookie}x`,
    cookie.slice(0, -1),
    cookie.toUpperCase(),
    `other${cookie}`,
    `backscroll=${service.secret}`,
    "backscroll=%zz",
  ];
  for (const value of bad) expect(await service.whoIs({ cookie: value }), value).toBe("unauthenticated");
  expect(await service.whoIs({ cookie: `first=1; ${cookie}; last=2` })).toBe(ADA);
});

test("logging out ends the login here at once, everywhere soon, and no other", async () => {
  const service = await startWithKey();
  const other = await authenticatedOn(service.services.databaseUrl);
  const laptop = await logIn(service, service.secret);
  const phone = await logIn(service, service.secret);
  expect(await service.whoIs(laptop)).toBe(ADA);
  expect(await other.whoIs(laptop)).toBe(ADA);

  const out = await service.send("POST", "/api/logout", { ...laptop, ...SAME_ORIGIN });
  expect(out.status).toBe(200);
  expect(cookieIn(out)).toBe("backscroll=");
  expect(attributesIn(out)).toEqual({ Path: "/", HttpOnly: true, SameSite: "Lax", "Max-Age": "0" });
  expect(await service.whoIs(laptop)).toBe("unauthenticated");
  await expect.poll(() => other.whoIs(laptop), { timeout: 15_000 }).toBe("unauthenticated");
  expect(await service.whoIs(phone)).toBe(ADA);
  // Nobody is left to be logged out.
  for (const headers of [{ ...laptop, ...SAME_ORIGIN }, {}]) {
    expect((await service.send("POST", "/api/logout", headers)).status).toBe(200);
  }
});

test("logging in again ends the login before", async () => {
  const service = await startWithKey();
  const before = await logIn(service, service.secret);
  const again = await service.send("POST", "/api/login", { ...before, ...SAME_ORIGIN }, { credential: service.secret });
  expect(await service.whoIs({ cookie: cookieIn(again) })).toBe(ADA);
  expect(await service.whoIs(before)).toBe("unauthenticated");
});

test("a login ends with its key's revocation", async () => {
  const service = await startAuthenticated();
  const { id, secret } = await service.newKey(ADA);
  const cookie = await logIn(service, secret);
  expect(await service.whoIs(cookie)).toBe(ADA);
  await revokeApiKey(service.services.deps, id);
  await expect.poll(() => service.whoIs(cookie), { timeout: 15_000 }).toBe("unauthenticated");
});

test("a login ends when its key or its token does", async () => {
  const service = await startWithIssuer({ jwtClockToleranceS: 0 });
  const makers = [
    async () => (await service.newKey(ADA, { expiresAt: new Date(Date.now() + 2_000) })).secret,
    () => service.issuer.token(ADA, { expiresIn: 2 }),
  ];
  for (const make of makers) {
    const credential = await make();
    const answer = await service.send("POST", "/api/login", SAME_ORIGIN, { credential });
    expect(Number(attributesIn(answer)["Max-Age"])).toBeLessThanOrEqual(2);
    const cookie = { cookie: cookieIn(answer) };
    expect(await service.whoIs(cookie)).toBe(ADA);
    await expect.poll(() => service.whoIs(cookie), { timeout: 10_000 }).toBe("unauthenticated");
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(answer.json.expires_at));
  }
});

test("an admin's key makes an admin's login, which acts for nobody else", async () => {
  const service = await startAuthenticated();
  const cookie = await logIn(service, (await service.newKey("boss@example.com", { scope: "admin" })).secret);
  const me = await service.send("GET", "/api/me", cookie);
  expect(me.json).toMatchObject({ email: "boss@example.com", is_admin: true, logged_in: true });
  expectProblem(await service.send("GET", "/api/me", { ...cookie, "x-backscroll-user": ADA }), "forbidden");
});

test("who is no longer in ADMINS is no admin any more, logged in or not", async () => {
  const service = await startWithIssuer({ admins: [ADA] });
  const cookie = await logIn(service, await service.issuer.token(ADA));
  expect((await service.send("GET", "/api/me", cookie)).json.is_admin).toBe(true);
  const after = await authenticatedOn(service.services.databaseUrl, { admins: [BOB] });
  expect((await after.send("GET", "/api/me", cookie)).json.is_admin).toBe(false);
});

test("where nobody has to say who they are, nobody logs in", async () => {
  const { send } = await startAuthenticated({ auth: "none" });
  for (const path of ["/api/login", "/api/logout"]) {
    expectProblem(await send("POST", path, {}, { credential: "x" }), "route_not_found");
  }
});

test("in a real browser: pages of the service use the login, no script sees it, and no other page can use it", async () => {
  const service = await startWithKey();
  const origin = await listen(serve({ fetch: service.services.fetch, hostname: "127.0.0.1", port: 0 }) as Server);
  // Another port is another origin of the same site: the cookie comes along.
  const elsewhere = await listen(
    createServer((_, response) => response.setHeader("content-type", "text/html").end("<!doctype html>")),
  );
  const browser = await chromium.launch({ executablePath: findChromium(), args: ["--no-sandbox", "--disable-gpu"] });
  onTestFinished(() => browser.close());
  const context = await browser.newContext({ bypassCSP: true });
  const page = await context.newPage();
  const credential = service.secret;

  await page.goto(`${origin}/livez`);
  const seen = await page.evaluate(async (credential) => {
    const json = { "content-type": "application/json" };
    await fetch("/api/login", { method: "POST", headers: json, body: JSON.stringify({ credential }) });
    const me = (await (await fetch("/api/me")).json()) as { email: string };
    const created = await fetch("/api/conversations", { method: "POST", headers: json, body: '{"id":"own"}' });
    return { email: me.email, created: created.status };
  }, credential);
  expect(seen).toEqual({ email: ADA, created: 201 });
  expect(await page.evaluate("document.cookie")).toBe("");

  await page.goto(elsewhere);
  const sent = page.waitForResponse((response) => response.url().endsWith("/api/conversations/own/restore"));
  const read = await page.evaluate(async (origin) => {
    const withCookie = { credentials: "include" } as const;
    await fetch(`${origin}/api/conversations/own/restore`, { ...withCookie, method: "POST", mode: "no-cors" });
    return fetch(`${origin}/api/me`, withCookie).then(
      () => "read",
      () => "refused",
    );
  }, origin);
  // Without the cookie it would be 401.
  expect((await sent).status()).toBe(403);
  expect(read).toBe("refused");

  await page.goto(`${origin}/livez`);
  const out = await page.evaluate(async () => {
    await fetch("/api/logout", { method: "POST" });
    return (await fetch("/api/me")).status;
  });
  expect(out).toBe(401);
  expect(await context.cookies()).toEqual([]);
}, 300_000);

/** @returns where it answers */
async function listen(server: Server): Promise<string> {
  if (!server.listening) await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
