import { Writable } from "node:stream";
import { pino } from "pino";
import { expect, onTestFinished, test, vi } from "vitest";
import { ADA, idsOf, keysOf, MESSAGES, read, save, sourceOf, startCached, untilHit } from "./cache-fixture.ts";
import type { Services } from "./services.ts";

/** @returns the series of the cache that are not zero, without the parts of its histogram */
async function counted(services: Services): Promise<Record<string, number>> {
  const headers = { authorization: "Bearer t0ken" };
  const { text } = await services.call("", "GET", "/metrics", undefined, headers);
  const lines = text.split("\n").filter((line) => line.startsWith("backscroll_cache_"));
  const series = lines.map((line) => [
    line.slice("backscroll_cache_".length, line.lastIndexOf(" ")),
    Number(line.slice(line.lastIndexOf(" ") + 1)),
  ]);
  return Object.fromEntries(series.filter(([name, value]) => value !== 0 && !/_duration_/.test(String(name))));
}

const TOKEN = { metricsToken: "t0ken" };

/** Keeps the next query of this name from being sent until it is released. */
function holdQuery(services: Services, name: string): { came: Promise<void>; release(): void } {
  const { db } = services.deps;
  const send = db.query.bind(db);
  const came = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const spy = vi.spyOn(db, "query").mockImplementation(async (statement) => {
    if (statement.name === name) {
      came.resolve();
      await released.promise;
    }
    return send(statement);
  });
  onTestFinished(() => spy.mockRestore());
  return { came: came.promise, release: released.resolve };
}

test("reads, fills, appends and invalidations are counted by what came of them", async () => {
  const { services, redis } = await startCached(1, TOKEN);
  const { messages, version } = await keysOf(services);
  await save(services, "m2"); // nothing is cached yet: ignored, as m1 was
  expect(await sourceOf(services)).toBe("miss");
  const filled = async (n: number): Promise<void> => {
    await expect.poll(async () => (await counted(services))['fills_total{result="installed"}']).toBe(n);
  };
  await filled(1);
  expect(await sourceOf(services)).toBe("hit");
  expect(await sourceOf(services, "?consistency=strong")).toBe("bypass");
  await save(services, "m3");
  expect(await sourceOf(services)).toBe("hit");
  await services.call(ADA, "PATCH", `${MESSAGES}/m3`, { content: "edited" });
  expect(await sourceOf(services)).toBe("miss");
  await filled(2);
  await redis.ask("SET", version, "1"); // as if a change in between had been missed
  await save(services, "m4");
  expect(await redis.ask("EXISTS", messages)).toBe(0);

  const held = holdQuery(services, "list_newest_messages");
  const reading = read(services);
  await held.came;
  await services.call(ADA, "DELETE", `${MESSAGES}/m1`); // while a reader brings what it read before
  held.release();
  expect((await reading).headers.get("x-backscroll-cache")).toBe("miss");
  await expect.poll(async () => (await counted(services))['fills_total{result="refused"}']).toBe(1);

  expect(await counted(services)).toEqual({
    'reads_total{result="hit"}': 2,
    'reads_total{result="miss"}': 3,
    'reads_total{result="bypass"}': 1,
    'fills_total{result="installed"}': 2,
    'fills_total{result="refused"}': 1,
    'appends_total{result="ignored"}': 2,
    'appends_total{result="extended"}': 1,
    'appends_total{result="gap"}': 1,
    'invalidations_total{result="done"}': 3, // making the conversation is one
  });
});

test("what is too large for the cache is counted, and read from PostgreSQL", async () => {
  const { services } = await startCached(1, TOKEN);
  await services.call(ADA, "POST", MESSAGES, { role: "user", content: "x".repeat(1_048_576) });
  expect(await sourceOf(services)).toBe("miss");
  expect(await sourceOf(services)).toBe("miss");
  expect(await counted(services)).toMatchObject({
    'reads_total{result="miss"}': 2,
    'fills_total{result="too_large"}': 1,
  });
});

test("checks, audits and their mismatches are counted", { timeout: 30_000 }, async () => {
  const { services, redis, another } = await startCached(1, TOKEN);
  const { version } = await keysOf(services);
  await untilHit(services);

  const second = await another({ cacheAuditIntervalMs: 100, cacheTimeoutMs: 500 });
  expect(await sourceOf(second)).toBe("hit"); // filled by the other server: compared before it is believed
  expect(await counted(second)).toMatchObject({ 'checks_total{result="equal"}': 1 });

  const third = await another();
  const right = String(await redis.ask("GET", version));
  await redis.ask("SET", version, "1");
  expect(await sourceOf(third)).toBe("miss");
  expect(await counted(third)).toMatchObject({ 'checks_total{result="different"}': 1 });
  await expect.poll(() => redis.ask("GET", version)).toBe(right);

  await expect
    .poll(async () => {
      await read(second);
      return (await counted(second))["audits_total"];
    })
    .toBeGreaterThan(0);
  expect(await counted(second)).not.toHaveProperty("audit_mismatch_total");
  // As somebody does it whom no trigger sees.
  await second.deps.db.pool.query("alter table messages disable trigger user");
  await second.deps.db.pool.query("update messages set content = 'by psql'");
  await second.deps.db.pool.query("update conversations set version = version + 1");
  await expect.poll(async () => (await read(second)).json.messages[0].content, { timeout: 20_000 }).toBe("by psql");
  expect(await counted(second)).toMatchObject({ audit_mismatch_total: 1 });
});

test("an outage of Redis is counted on every server, and ends", { timeout: 30_000 }, async () => {
  const { services, redis, another } = await startCached(1, TOKEN);
  const other = await another();
  await untilHit(services);
  await untilHit(other);
  await redis.kill();
  await expect.poll(() => sourceOf(services)).toBe("bypass");
  await save(services, "m2");
  await services.call(ADA, "PATCH", `${MESSAGES}/m2`, { content: "edited" });
  await expect.poll(async () => (await counted(services))["breaker_open"]).toBe(1);
  expect(await counted(services)).toMatchObject({
    'reads_total{result="bypass"}': expect.any(Number) as number,
    'appends_total{result="failed"}': 1,
    'invalidations_total{result="failed"}': expect.any(Number) as number,
    'announcements_total{direction="sent"}': 2,
    dirty_conversations: 1,
  });
  await expect
    .poll(() => counted(other))
    .toMatchObject({ 'announcements_total{direction="heard"}': 2, dirty_conversations: 1 });
  await redis.restart();
  for (const server of [services, other]) {
    await expect.poll(() => counted(server), { timeout: 10_000 }).not.toHaveProperty("breaker_open");
    await expect.poll(() => counted(server), { timeout: 10_000 }).not.toHaveProperty("dirty_conversations");
    expect(await counted(server)).toMatchObject({ repairs_total: 1 });
    await untilHit(server);
    expect(await idsOf(server)).toEqual(["m2", "m1"]);
  }
});

test("every series of the cache is at /metrics, and none is named after a person or a conversation", async () => {
  const { services } = await startCached(1, TOKEN);
  await untilHit(services);
  await services.call(ADA, "PATCH", `${MESSAGES}/m1`, { content: "edited" });
  const { text } = await services.call("", "GET", "/metrics", undefined, { authorization: "Bearer t0ken" });
  const names = [...text.matchAll(/^# TYPE backscroll_cache_(\w+) (\w+)$/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  );
  expect(names.toSorted()).toEqual([
    "announcements_total counter",
    "appends_total counter",
    "audit_mismatch_total counter",
    "audits_total counter",
    "breaker_open gauge",
    "bypassed gauge",
    "call_duration_seconds histogram",
    "checks_total counter",
    "dirty_conversations gauge",
    "fills_total counter",
    "invalidations_total counter",
    "reads_total counter",
    "repairs_total counter",
  ]);
  expect(text).toMatch(/^backscroll_cache_audit_mismatch_total 0$/m); // an alert needs a zero to rise from
  for (const operation of ["read", "lease", "fill", "append", "invalidate"]) {
    const count = new RegExp(`call_duration_seconds_count\\{operation="${operation}",result="ok"\\} (\\d+)`).exec(text);
    expect([operation, Number(count?.[1])]).toEqual([operation, expect.any(Number)]);
    expect(Number(count?.[1])).toBeGreaterThan(0);
  }
  const labels = new Set(
    [...text.matchAll(/^backscroll_cache_\w+\{(.*)\}/gm)].flatMap(([, all = ""]) => all.match(/\w+(?==)/g)),
  );
  expect(["result", "direction", "operation", "le"]).toEqual(expect.arrayContaining([...labels]));
});

test("a read is one line of the debug log: whose, which and where from, nothing of what was said", async () => {
  const lines: Record<string, unknown>[] = [];
  const stream = new Writable({
    write(line: Buffer, _, done) {
      lines.push(JSON.parse(line.toString()) as Record<string, unknown>);
      done();
    },
  });
  const logger = pino({ level: "debug", base: null }, stream);
  const { services, redis } = await startCached(1, { logger });
  const cacheLines = (): unknown[] => lines.filter(({ msg }) => /cache/.test(String(msg))).map(({ msg }) => msg);
  expect(await sourceOf(services)).toBe("miss");
  expect(cacheLines()).toEqual(["cache MISS"]);
  await untilHit(services);
  const before = cacheLines().length;
  expect(cacheLines().at(-1)).toBe("cache HIT");
  await read(services);
  expect(cacheLines().slice(before)).toEqual(["cache HIT"]);
  const hit = lines.findLast(({ msg }) => msg === "cache HIT");
  const { rows } = await services.deps.db.pool.query<object>("select user_id::int, id from conversations");
  expect(Object.keys(hit ?? {}).toSorted()).toEqual(["conversationId", "level", "msg", "time", "userId"]);
  expect({ user_id: hit?.["userId"], id: hit?.["conversationId"] }).toEqual(rows[0]);
  await redis.kill();
  await expect.poll(() => sourceOf(services)).toBe("bypass");
  expect(cacheLines()).toContain("cache BYPASS");
  const all = JSON.stringify(lines);
  for (const secret of ["text of m1", ADA, "ada@"]) expect(all).not.toContain(secret);
});
