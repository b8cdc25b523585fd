import { type MetricValue, Registry } from "prom-client";
import { expect, inject, onTestFinished, test } from "vitest";
import { ERROR_CODES } from "../src/domain/errors.ts";
import { createStatementMetrics, registerPool } from "../src/postgres/metrics.ts";
import { openDatabase } from "../src/postgres/pool.ts";
import { VERSION } from "../src/version.ts";
import { ADA, MESSAGES, sourceOf, startCached, untilHit } from "./cache-fixture.ts";
import { scriptedServices } from "./scripted-responder.ts";
import { createServices, newSchema } from "./services.ts";

interface Registered {
  readonly registry: Registry;
}

async function valuesOf({ registry }: Registered, name: string): Promise<readonly MetricValue<string>[]> {
  return (await registry.getSingleMetric(name)?.get())?.values ?? [];
}

/** @returns a histogram's count (or sum), by the value of a label; without one, of its only series */
async function timesOf(
  registered: Registered,
  name: string,
  { label = "", part = "count" } = {},
): Promise<Record<string, number>> {
  const values = (await valuesOf(registered, name)) as readonly (MetricValue<string> & { metricName?: string })[];
  const parts = values.filter(({ metricName }) => metricName === `${name}_${part}`);
  return Object.fromEntries(parts.map(({ labels, value }) => [String(labels[label] ?? ""), value]));
}

async function countsOf(registered: Registered, name: string, label: string): Promise<Record<string, number>> {
  return Object.fromEntries(
    (await valuesOf(registered, name)).map(({ labels, value }) => [String(labels[label]), value]),
  );
}

test("every read is timed by where its answer came from, as often as it is counted", async () => {
  const { services, redis } = await startCached(3);
  await untilHit(services);
  const { json: newest } = await services.call(ADA, "GET", `${MESSAGES}?limit=1`);
  for (const query of [
    "?consistency=strong",
    "?page=1",
    "?around=m2",
    "?fields=id",
    `?before=${newest.next_cursor}`,
    `?after=${newest.next_cursor}`,
  ])
    expect(await sourceOf(services, query)).toMatch(/^bypass$/);
  const counted = await countsOf(services, "backscroll_cache_reads_total", "result");
  expect(counted).toMatchObject({ bypass: 6, hit: expect.any(Number), miss: expect.any(Number) });
  expect(await timesOf(services, "backscroll_read_duration_seconds", { label: "source" })).toEqual(counted);

  await redis.kill();
  await expect.poll(() => sourceOf(services)).toBe("bypass");
  const later = await countsOf(services, "backscroll_cache_reads_total", "result");
  expect(later["bypass"]).toBeGreaterThan(6);
  expect(await timesOf(services, "backscroll_read_duration_seconds", { label: "source" })).toEqual(later);
});

test("without a cache every read is timed as a bypass, and one that finds nothing is not", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const services = await createServices({ databaseUrl, cache: "off" });
  onTestFinished(() => services.close());
  await services.call(ADA, "POST", "/api/conversations", { id: "c" });
  for (const query of ["", "?page=1"]) expect((await services.call(ADA, "GET", MESSAGES + query)).status).toBe(200);
  for (const query of ["", "?page=1"]) {
    expect((await services.call(ADA, "GET", `/api/conversations/none/messages${query}`)).status).toBe(404);
  }
  const bypassed = { hit: 0, miss: 0, bypass: 2 };
  expect(await countsOf(services, "backscroll_cache_reads_total", "result")).toEqual(bypassed);
  expect(await timesOf(services, "backscroll_read_duration_seconds", { label: "source" })).toEqual(bypassed);
});

test("how long a statement waits for a connection is known, also when it gets none", async () => {
  const registry = new Registry();
  const db = openDatabase({
    connectionString: inject("databaseUrl"),
    max: 1,
    connectionTimeoutMs: 2_000,
    statementTimeoutMs: 10_000,
    onIdleError: () => undefined,
    ...createStatementMetrics(registry),
  });
  onTestFinished(() => db.close());
  registerPool(registry, db);
  const waits = async (part: "count" | "sum"): Promise<number> =>
    (await timesOf({ registry }, "backscroll_postgres_connection_wait_seconds", { part }))[""] ?? 0;
  expect((await valuesOf({ registry }, "backscroll_postgres_connections_max"))[0]?.value).toBe(1);
  const select = { name: "select_one", text: "select 1", values: [] };

  const held = await db.pool.connect();
  const both = Promise.all([db.query(select), db.transaction((within) => within.query(select))]);
  await expect.poll(() => db.pool.waitingCount).toBe(2);
  const startedAt = performance.now();
  await expect.poll(() => performance.now() - startedAt).toBeGreaterThan(20);
  expect(await waits("count")).toBe(0);
  const waitedMs = performance.now() - startedAt;
  held.release();
  await both;
  expect(await waits("count")).toBe(2);
  expect(await waits("sum")).toBeGreaterThanOrEqual((2 * waitedMs) / 1_000);

  const again = await db.pool.connect();
  onTestFinished(() => again.release());
  await expect(db.query(select)).rejects.toMatchObject({ code: "database_unavailable" });
  expect(await waits("count")).toBe(3);
});

test("what never happened is 0, so that a rate has something to rise from", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const services = await createServices({ databaseUrl, rateLimits: "on" });
  onTestFinished(() => services.close());
  const expected = {
    "errors_total code": Object.keys(ERROR_CODES),
    "rate_limited_total policy":
      "reads writes turns address_reads address_writes address_turns failed_logins streams".split(" "),
    "messages_saved_total role": ["user", "assistant", "system", "tool"],
    "replies_total result": ["complete", "stopped", "interrupted", "failed", "lost"],
    "cache_reads_total result": ["hit", "miss", "bypass"],
    "cache_fills_total result": ["installed", "refused", "failed", "too_large"],
    "cache_appends_total result": ["extended", "ignored", "gap", "failed"],
    "cache_invalidations_total result": ["done", "failed"],
    "cache_checks_total result": ["equal", "different"],
    "cache_announcements_total direction": ["sent", "heard", "failed"],
  };
  for (const [series, values] of Object.entries(expected)) {
    const [name = "", label = ""] = series.split(" ");
    const zeros = Object.fromEntries(values.map((value) => [value, 0]));
    expect([name, await countsOf(services, `backscroll_${name}`, label)]).toEqual([name, zeros]);
  }
  for (const name of ["cache_audits_total", "cache_audit_mismatch_total", "cache_repairs_total", "reply_tokens_total"])
    expect([name, (await valuesOf(services, `backscroll_${name}`))[0]?.value]).toEqual([name, 0]);
  expect(await countsOf(services, "backscroll_info", "version")).toEqual({ [VERSION]: 1 });
});

test("the tokens that responders say they used add up, those of a reply that failed too", async () => {
  const services = await scriptedServices();
  for (const end of ["finish", "fail", "say nothing of them"] as const) {
    const sent = services.call(ADA, "POST", "/api/conversations/messages", { message: "Hello" });
    const reply = await services.nextReply();
    reply.say("Hi");
    if (end !== "say nothing of them") reply.add({ type: "usage", model: "m", tokensUsed: 21 });
    if (end === "fail") reply.fail(new Error("no"));
    else reply.finish();
    await sent;
  }
  expect((await valuesOf(services, "backscroll_reply_tokens_total"))[0]?.value).toBe(42);
});
