import { expect, test } from "vitest";
import { findDatabaseId } from "../src/postgres/installation.ts";
import { type BackscrollOptions } from "../src/create.ts";
import { ADA, idsOf, MESSAGES, read, sourceOf, startCached, untilHit } from "./cache-fixture.ts";
import {
  expectEverybodyShows,
  expectInOrder,
  expectTruthFromCache,
  startWriter,
  TWO_SERVERS,
  type Writer,
} from "./past-service.ts";
import type { Services } from "./services.ts";

interface Started {
  readonly servers: readonly [Services, Services];
  readonly writer: Writer;
}

const SETUPS = TWO_SERVERS.map(([cache, start]) => {
  return [
    cache,
    async (): Promise<Started> => {
      const servers = await start(["m1", "m2"]);
      return { servers, writer: await startWriter(servers[0]) };
    },
  ] as const;
});

test.for(SETUPS)(
  "a row written past the service is shown at once by every server whose cache is %s",
  async ([, start]) => {
    const { servers, writer } = await start();
    const row = await writer.insert();
    await expectEverybodyShows(servers, [row.id, "m2", "m1"]);
    await expectTruthFromCache(servers);
  },
);

test.for(SETUPS)("rows of a transaction are shown when it has committed, and not before, %s", async ([, start]) => {
  const { servers, writer } = await start();
  await writer.query("begin");
  const one = await writer.insert();
  const two = await writer.insert();
  for (const server of servers) expect(await idsOf(server)).toEqual(["m2", "m1"]);
  await writer.query("commit");
  await expectEverybodyShows(servers, [two.id, one.id, "m2", "m1"]);
  await expectTruthFromCache(servers);
});

test.for(SETUPS)("what is changed past the service is shown at once by every server, %s", async ([, start]) => {
  const { servers, writer } = await start();
  await writer.query("update messages set content = 'by psql' where seq = 2");
  for (const server of servers)
    await expect.poll(async () => (await read(server)).json.messages[0].content).toBe("by psql");
  await expectTruthFromCache(servers);
});

test.for(SETUPS)(
  "a conversation that goes to the trash, comes back, or is deleted past the service does so on every server, %s",
  async ([, start]) => {
    const { servers, writer } = await start();
    const move = (text: string): Promise<unknown> => writer.query(text);
    const statuses = (): Promise<number[]> => Promise.all(servers.map(async (server) => (await read(server)).status));
    await move("update conversations set deleted_at = now()");
    await expect.poll(statuses).toEqual([404, 404]);
    await move("update conversations set deleted_at = null");
    await expect.poll(statuses).toEqual([200, 200]);
    await expectTruthFromCache(servers);
    await move("delete from conversations");
    await expect.poll(statuses).toEqual([404, 404]);
  },
);

test.for(SETUPS)(
  "writers at once, past the service and through two servers: all of it is shown, in order, %s",
  async ([, start]) => {
    const { servers, writer } = await start();
    const other = await startWriter(servers[1]);
    const saves = Array.from({ length: 40 }, (_, n) =>
      servers[n % 2]?.call(ADA, "POST", MESSAGES, { role: "user", content: `service ${n}` }),
    );
    const inserts = [writer, other].map(async (each) => {
      for (let n = 0; n < 20; n += 1) {
        await each.insert();
        await read(servers[n % 2] as Services);
      }
    });
    await Promise.all([...saves, ...inserts]);
    // Last: two servers with a cache in memory tell each other nothing of what goes through them.
    await writer.insert();
    await expectInOrder(writer);
    const { json } = await read(servers[0], "?consistency=strong");
    await expectEverybodyShows(servers, json.messages.map(({ id }: { id: string }) => id) as string[]);
    await expectTruthFromCache(servers);
  },
);

test("a row that was written while no server ran is shown by the next one, whatever Redis holds", async () => {
  const { services, another } = await startCached(2);
  await untilHit(services);
  const writer = await startWriter(services);
  await services.close();
  const row = await writer.insert();
  const next = await another();
  expect(await idsOf(next)).toEqual([row.id, "m2", "m1"]);
  await expectTruthFromCache([next]);
});

test("a row that was written while a server did not listen is shown by it", async () => {
  const { services } = await startCached(2);
  await untilHit(services);
  const writer = await startWriter(services);
  const channel = `backscroll_${(await findDatabaseId(services.deps.db)).replaceAll("-", "")}`;
  const { rows } = await services.deps.db.pool.query(
    `select pg_terminate_backend(pid, 5000) from pg_stat_activity
      where application_name = 'backscroll announcements' and query like '%' || $1 || '%'`,
    [channel],
  );
  expect(rows).toHaveLength(1);
  const row = await writer.insert();
  await expect.poll(() => idsOf(services)).toEqual([row.id, "m2", "m1"]);
  await expectTruthFromCache([services]);
});

test("a row that nobody was told of is found by the audit: the version has moved", async () => {
  const audited: BackscrollOptions = { cacheAuditIntervalMs: 200 };
  const { services } = await startCached(2, audited);
  await untilHit(services);
  const writer = await startWriter(services);
  await writer.query(`
    create or replace function announce_past_service(user_id bigint, conversation_id uuid) returns void
    language sql as 'select'`);
  const row = await writer.insert();
  await expect.poll(() => idsOf(services), { timeout: 10_000 }).toEqual([row.id, "m2", "m1"]);
});

test("reads go on being answered from the cache while others' conversations are written past the service", async () => {
  const { services } = await startCached(2);
  await services.call(ADA, "POST", "/api/conversations", { id: "other" });
  await untilHit(services);
  const writer = await startWriter(services);
  await writer.query(
    `insert into messages (user_id, conversation_id, role, content)
     select user_id, id, 'user', '' from conversations where client_id = 'other'`,
  );
  const heard = async (): Promise<string> => await services.registry.metrics();
  await expect.poll(heard).toMatch(/backscroll_cache_announcements_total\{direction="heard"\} 1/);
  expect(await sourceOf(services)).toBe("hit");
});
