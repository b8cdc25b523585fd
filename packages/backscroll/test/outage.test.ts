import { expect, onTestFinished, test } from "vitest";
import { startEmbeddedPostgres } from "../src/postgres/embedded.ts";
import { createServices } from "./services.ts";
import { temporaryDirectory } from "./service-process.ts";

test("while PostgreSQL is stopped every request is 503 with retry-after, and it recovers without a restart", async () => {
  const dataDir = temporaryDirectory();
  let postgres = await startEmbeddedPostgres({ dataDir });
  onTestFinished(() => postgres.stop());
  const services = await createServices({ databaseUrl: postgres.connectionString, databaseConnectTimeoutMs: 500 });
  onTestFinished(() => services.close());
  const save = (id: string): Promise<{ status: number }> =>
    services.call("ada@example.com", "POST", "/api/conversations/c/messages", { role: "user", content: id, id });
  await services.call("ada@example.com", "POST", "/api/conversations", { id: "c" });
  const before = await save("before");
  expect(before.status).toBe(201);

  await postgres.stop();

  for (const [method, path, body] of [
    ["GET", "/api/conversations/c/messages", undefined],
    ["GET", "/api/conversations", undefined],
    ["POST", "/api/conversations/c/messages", { role: "user", content: "during", id: "during" }],
    ["POST", "/api/conversations/messages", { message: "during" }],
    ["GET", "/readyz", undefined],
  ] as const) {
    const answer = await services.call("ada@example.com", method, path, body);
    expect([path, answer.status]).toEqual([path, 503]);
    expect(answer.json).toMatchObject({ code: "database_unavailable", status: 503 });
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
  }
  expect((await services.call("ada@example.com", "GET", "/livez")).status).toBe(200);

  postgres = await startEmbeddedPostgres({ dataDir });

  await expect.poll(() => save("after").then(({ status }) => status), { timeout: 15_000 }).toBeLessThan(300);
  const history = await services.call("ada@example.com", "GET", "/api/conversations/c/messages");
  expect(history.json.messages.map(({ id }: { id: string }) => id)).toEqual(["after", "before"]);
});
