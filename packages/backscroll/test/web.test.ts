import { createAdaptorServer } from "@hono/node-server";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { type IncomingHttpHeaders, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buffer } from "node:stream/consumers";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { OpenAPIHono } from "@hono/zod-openapi";
import { expect, onTestFinished, test } from "vitest";
import type { Variables } from "../src/http/context.ts";
import { webRoutes } from "../src/http/web.ts";

const DIST = fileURLToPath(new URL("../../web/dist", import.meta.url));

interface Got {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Paths as they are written: `fetch` would tidy them up. */
async function start(directory: string | null): Promise<(path: string, options?: object) => Promise<Got>> {
  const app = new OpenAPIHono<{ Variables: Variables }>();
  webRoutes(app, directory);
  const server = createAdaptorServer({ fetch: app.fetch }) as Server;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return async (path, options = {}) => {
    const asked = request({ host: "127.0.0.1", port, path, agent: false, ...options }).end();
    const [answer] = await once(asked, "response");
    return { status: answer.statusCode, headers: answer.headers, body: await buffer(answer) };
  };
}

function assetOf(pattern: RegExp): string {
  const name = readdirSync(join(DIST, "assets")).find((file) => pattern.test(file));
  if (name === undefined) throw new Error(`no asset is like ${String(pattern)}`);
  return `/assets/${name}`;
}

test("every address of the app is its page, which is asked for anew and trusts nothing but its own", async () => {
  const get = await start(DIST);
  const page = readFileSync(join(DIST, "index.html"), "utf8");
  for (const path of ["/", "/c/01a20c84", "/c/any:thing.at-all?m=x", "/search?q=a", "/settings", "/operator"]) {
    const { status, headers, body } = await get(path);
    expect([status, body.toString()], path).toEqual([200, page]);
    expect(headers["cache-control"]).toBe("no-cache");
    expect(headers["content-type"]).toBe("text/html; charset=UTF-8");
    const policy = headers["content-security-policy"] ?? "";
    expect(policy).toMatch(/^default-src 'self'; script-src 'self' 'sha256-[^']+'; img-src 'self' data:; /);
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
  }
});

test("files are kept for good by browsers, come compressed, and say what they are", async () => {
  const get = await start(DIST);
  const types: readonly (readonly [RegExp, RegExp])[] = [
    [/^index-.*\.js$/, /^text\/javascript/],
    [/^index-.*\.css$/, /^text\/css/],
    [/\.woff2$/, /^font\/woff2/],
  ];
  for (const [name, type] of types) {
    const path = assetOf(name);
    const whole = readFileSync(join(DIST, path));
    const plain = await get(path);
    expect(plain.headers["content-type"], path).toMatch(type);
    expect(plain.headers["cache-control"]).toBe("public, max-age=31536000, immutable");
    expect(plain.body.equals(whole)).toBe(true);
    if (path.endsWith("woff2")) continue;
    const [br, gzip] = [
      await get(path, { headers: { "accept-encoding": "gzip, br" } }),
      await get(path, { headers: { "accept-encoding": "gzip" } }),
    ];
    expect([br.headers["content-encoding"], gzip.headers["content-encoding"]]).toEqual(["br", "gzip"]);
    for (const { headers } of [br, gzip])
      expect([headers["content-type"], headers.vary]).toEqual([plain.headers["content-type"], "Accept-Encoding"]);
    expect(brotliDecompressSync(br.body).equals(whole)).toBe(true);
    expect(gunzipSync(gzip.body).equals(whole)).toBe(true);
    expect(br.body.length).toBeLessThan(whole.length / 2);
  }
  expect((await get("/icon.svg")).headers["content-type"]).toMatch(/^image\/svg\+xml/);
});

test("a file that is not there is not the page, and nothing outside of the folder is a file", async () => {
  const get = await start(DIST);
  const paths = [
    "/assets/missing.js",
    "/assets/",
    "/missing",
    "/c/a/b",
    "/assets/../index.html",
    "/assets/../../package.json",
    "/assets/..%2f..%2fpackage.json",
    "/assets/%2e%2e/%2e%2e/package.json",
    "//etc/passwd",
    "/assets//etc/passwd",
    "/.built",
  ];
  for (const path of paths) expect((await get(path)).status, path).toBe(404);
});

test("HEAD says what GET would", async () => {
  const get = await start(DIST);
  for (const path of ["/", assetOf(/^index-.*\.js$/)]) {
    const { status, headers, body } = await get(path, { method: "HEAD" });
    expect([status, body.length], path).toEqual([200, 0]);
    expect(headers["content-type"]).toBe((await get(path)).headers["content-type"]);
  }
});

test("where the app is not built, the address leads to the description of the API", async () => {
  const get = await start(null);
  const { status, headers } = await get("/");
  expect([status, headers.location]).toEqual([302, "/api/docs"]);
});
