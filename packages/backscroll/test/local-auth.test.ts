import { serve } from "@hono/node-server";
import { once } from "node:events";
import { type IncomingMessage, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { startAuthenticated } from "./authenticated-services.ts";

// Without authentication: over a socket, as a browser of this machine reaches it.

let port: number;

beforeEach(async () => {
  const { services } = await startAuthenticated({ auth: "none" });
  const server = serve({ fetch: services.fetch, hostname: "127.0.0.1", port: 0 }) as Server;
  if (!server.listening) await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  ({ port } = server.address() as AddressInfo);
});

interface Sent {
  readonly status: number | undefined;
  readonly body: Record<string, unknown>;
}

/** Sends any headers, which `fetch` does not. */
async function send(headers: Record<string, string>, { method = "GET", path = "/api/me" } = {}): Promise<Sent> {
  const sent = request({ host: "127.0.0.1", port, method, path, headers }).end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return { status: response.statusCode, body: JSON.parse(await text(response)) as Record<string, unknown> };
}

test("everybody is you@localhost, and the service's operator", async () => {
  for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, "localhost", "127.1.2.3"]) {
    const { status, body } = await send({ host });
    expect(status, host).toBe(200);
    expect(body).toEqual({
      issuer: "local",
      subject: "you@localhost",
      email: "you@localhost",
      is_admin: true,
      logged_in: false,
    });
  }
});

test("a name that was pointed at this machine gets nothing, read or write", async () => {
  const names = [
    "evil.example.com",
    `evil.example.com:${port}`,
    "localhost.evil.com",
    "127.0.0.1.evil.com",
    "192.0.2.1",
  ];
  for (const host of names) {
    for (const [method, path] of [
      ["GET", "/api/me"],
      ["GET", "/api/conversations"],
      ["POST", "/api/conversations"],
      ["DELETE", "/api/conversations/c"],
      ["GET", "/metrics"],
    ] as const) {
      expect(await send({ host }, { method, path }), `${host} ${method} ${path}`).toMatchObject({
        status: 403,
        body: { code: "host_not_allowed" },
      });
    }
  }
});

test("a page of another site gets nothing, and one of this machine does", async () => {
  const host = `localhost:${port}`;
  for (const origin of ["https://evil.example.com", "http://localhost.evil.com", "null", "nonsense", "file://"]) {
    expect(await send({ host, origin }, { method: "POST", path: "/api/conversations" }), origin).toMatchObject({
      status: 403,
      body: { code: "host_not_allowed" },
    });
  }
  // A development server on another port.
  for (const origin of ["http://localhost:5173", "http://127.0.0.1:5173", "http://[::1]:5173"]) {
    expect((await send({ host, origin }, { method: "POST", path: "/api/conversations" })).status, origin).toBe(201);
  }
});

test("credentials change nothing where nobody checks them, and nobody acts for somebody else", async () => {
  const host = `localhost:${port}`;
  const { body } = await send({ host, authorization: "Bearer nonsense", "x-api-key": "nonsense" });
  expect(body).toMatchObject({ email: "you@localhost" });
  expect(await send({ host, "x-backscroll-user": "ada@example.com" })).toMatchObject({
    status: 403,
    body: { code: "forbidden" },
  });
});
