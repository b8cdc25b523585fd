import { createHash } from "node:crypto";
import { expect, onTestFinished, test as plain } from "vitest";
import { createServices, newSchema, test } from "./services.ts";

test("the page's policy lets its own style through, and nothing else", async ({ services }) => {
  const { text, headers } = await services.call("", "GET", "/api/docs");
  const style = /<style>([\s\S]*?)<\/style>/.exec(text)?.[1] ?? "";
  const hash = createHash("sha256").update(style).digest("base64");
  expect(headers.get("content-security-policy")).toContain(`style-src 'sha256-${hash}'`);
  expect(headers.get("content-security-policy")).toContain("default-src 'none'");
  expect(text).not.toMatch(/<script|style="/);
});

plain("without authentication, a page of another site reads and writes nothing, one of localhost does", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const { fetch, close } = await createServices({ databaseUrl, local: true });
  onTestFinished(close);
  const from = async (origin: string | null, host = "localhost:4100"): Promise<number> => {
    const headers = origin === null ? {} : { origin };
    return (await fetch(new Request(`http://${host}/api/conversations`, { method: "POST", headers }))).status;
  };
  expect(await from(null)).toBe(201);
  expect(await from("http://localhost:3000")).toBe(201);
  expect(await from("https://evil.example")).toBe(403);
  expect(await from("null")).toBe(403);
  expect(await from(null, "evil.example")).toBe(403);
  expect((await fetch(new Request("http://127.0.0.1/metrics"))).status).toBe(200);
  expect((await fetch(new Request("http://evil.example/metrics"))).status).toBe(403);
});

test("metrics carry route templates, never ids, and need the token where there are users", async ({ services }) => {
  expect((await services.call("", "GET", "/metrics")).status).toBe(404);
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const guarded = await createServices({ databaseUrl, metricsToken: "t0ken" });
  onTestFinished(guarded.close);
  await guarded.call("ada@example.com", "GET", "/api/conversations/secret-id");
  expect((await guarded.call("", "GET", "/metrics")).status).toBe(401);
  expect((await guarded.call("", "GET", "/metrics", undefined, { authorization: "Bearer t0keN" })).status).toBe(401);
  const { status, text } = await guarded.call("", "GET", "/metrics", undefined, { authorization: "Bearer t0ken" });
  expect(status).toBe(200);
  expect(text).toContain('route="/api/conversations/:conversationId",status="4xx"');
  expect(text).toContain("backscroll_postgres_connections");
  expect(text).not.toContain("secret-id");
});
