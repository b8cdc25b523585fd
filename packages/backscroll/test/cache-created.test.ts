import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { linkTo, startRedis } from "./redis-server.ts";
import { createServices, newSchema, type Services } from "./services.ts";
import { startRelay } from "./soak/relay.ts";

const ADA = "ada@example.com";
const PATH = "/api/conversations/c";
const FAR_MS = 500;

test("who was told that a conversation was made finds it on every server, though an older query is still under way", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const redis = await startRedis();
  const start = async (url: string): Promise<Services> => {
    const services = await createServices({ databaseUrl: url, redisUrl: redis.url, databasePoolMax: 1 });
    onTestFinished(() => services.close());
    return services;
  };
  const near = await start(databaseUrl);
  const { host, port } = new pg.Client({ connectionString: databaseUrl });
  const path = { path: `${host}/.s.PGSQL.${port}` };
  const relay = await startRelay(host.startsWith("/") ? path : { host, port }, { out: 0, back: 0 });
  onTestFinished(() => relay.close());
  const farUrl = new URL(databaseUrl);
  farUrl.port = String(relay.port);
  farUrl.searchParams.set("host", "127.0.0.1");
  const far = await start(farUrl.href.replaceAll("+", "%20"));
  await near.call(ADA, "POST", "/api/conversations", { id: "c" });
  await near.call(ADA, "DELETE", `${PATH}?permanent=true`);
  expect((await far.call(ADA, "GET", `${PATH}/messages`)).status).toBe(404);
  const link = await linkTo(redis.url);
  await link.send("", ["FLUSHALL"]);

  const { rows } = await far.deps.db.pool.query<{ pid: number }>("select pg_backend_pid() as pid");
  relay.delay({ out: 0, back: FAR_MS });
  const earlier = far.call(ADA, "GET", `${PATH}/messages`);
  await expect.poll(async () => String(await link.send("", ["KEYS", "*:lease"]))).toContain("lease");
  // PostgreSQL has answered it, and the answer is on its way.
  const answered = async (): Promise<string> => {
    const of = "select state || ' ' || query as last from pg_stat_activity where pid = $1";
    return (await near.deps.db.pool.query<{ last: string }>(of, [rows[0]?.pid])).rows[0]?.last ?? "";
  };
  await expect.poll(answered).toMatch(/^idle\s+select c\.version/);
  expect((await near.call(ADA, "POST", "/api/conversations", { id: "c" })).status).toBe(201);

  expect((await far.call(ADA, "GET", `${PATH}/messages`)).status).toBe(200);
  expect((await earlier).status).toBe(404);
});
