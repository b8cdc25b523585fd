import { expect, onTestFinished } from "vitest";
import type { Change } from "../src/live/change-feed.ts";
import { listAudit } from "../src/service/audit.ts";
import { eraseWhatIsDue } from "../src/service/retention.ts";
import { createServices, type Services, test } from "./services.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";
const RETENTION_DAYS = 40;

/** @returns a second server on the same database, which keeps what is younger than `RETENTION_DAYS` */
async function keeping(services: Services): Promise<Services> {
  const server = await createServices({ databaseUrl: services.databaseUrl, retentionDays: RETENTION_DAYS });
  onTestFinished(() => server.close());
  return server;
}

async function converse(services: Services, user: string, id: string): Promise<void> {
  await services.conversations.createConversation(user, { id });
  await services.conversations.saveMessage(user, id, { role: "user", content: "said" });
}

/** Everything that is there, that many days ago. */
async function age({ deps }: Services, days: number): Promise<void> {
  await deps.db.pool.query("update conversations set updated_at = updated_at - $1 * interval '1 day'", [days]);
  await deps.db.pool.query("update conversations set deleted_at = deleted_at - $1 * interval '1 day'", [days]);
}

/** As when an hour has gone by for each of them. */
async function runUpkeep(...servers: readonly Services[]): Promise<void> {
  const run = async ({ deps }: Services): Promise<void> => {
    await deps.db.pool.query("delete from upkeep_tasks");
    await eraseWhatIsDue(deps);
  };
  await Promise.all(servers.map(run));
}

async function left({ deps }: Services): Promise<string[]> {
  const { rows } = await deps.db.pool.query("select client_id from conversations order by client_id");
  return rows.map(({ client_id }) => client_id);
}

test("the trash is emptied after 30 days, and not before", async ({ services }) => {
  for (const id of ["old", "new", "kept"]) await converse(services, ADA, id);
  await services.conversations.deleteConversation(ADA, "old");
  await age(services, 31);
  await services.conversations.deleteConversation(ADA, "new");

  await runUpkeep(services);

  expect(await left(services)).toEqual(["kept", "new"]);
  const { rows } = await services.deps.db.pool.query("select count(*)::int as messages from messages");
  expect(rows).toEqual([{ messages: 2 }]);
});

test("what nobody wrote in for RETENTION_DAYS leaves; what is pinned, younger or somebody else's and younger stays", async ({
  services,
}) => {
  const server = await keeping(services);
  for (const id of ["old", "pinned", "archived"]) await converse(server, ADA, id);
  await server.call(ADA, "PATCH", "/api/conversations/pinned", { pinned: true });
  await server.call(ADA, "PATCH", "/api/conversations/archived", { archived: true });
  await age(server, RETENTION_DAYS + 1);
  await converse(server, ADA, "young");
  await converse(server, BOB, "bobs");

  await runUpkeep(server);

  expect(await left(server)).toEqual(["bobs", "pinned", "young"]);
  expect((await server.call(ADA, "GET", "/api/conversations/old/messages")).status).toBe(404);
});

test("where a statement may not span users, each is asked for", async ({ services }) => {
  const server = await keeping(services);
  for (const user of [ADA, BOB]) await converse(server, user, `of-${user.slice(0, 3)}`);
  await age(server, RETENTION_DAYS + 1);

  await server.deps.db.pool.query("delete from upkeep_tasks");
  await eraseWhatIsDue(server.deps, { usersTogether: false });

  expect(await left(server)).toEqual([]);
});

test("what is in the trash leaves sooner when RETENTION_DAYS are over sooner", async ({ services }) => {
  const server = await createServices({ databaseUrl: services.databaseUrl, retentionDays: 7 });
  onTestFinished(() => server.close());
  for (const id of ["old", "young"]) await converse(server, ADA, id);
  await server.conversations.deleteConversation(ADA, "old");
  await age(server, 8);
  await server.conversations.saveMessage(ADA, "young", { role: "user", content: "again" });
  await server.conversations.deleteConversation(ADA, "young");

  await runUpkeep(server);

  expect(await left(server)).toEqual(["young"]);
});

test("each is written down as the service's own deed, and whoever has it open is told", async ({ services }) => {
  const server = await keeping(services);
  await converse(server, ADA, "old");
  await age(server, RETENTION_DAYS + 1);
  const told: Change[] = [];
  const feed = { ...server.deps.live.feed, tell: (_: number, change: Change) => void told.push(change) };

  await server.deps.db.pool.query("delete from upkeep_tasks");
  await eraseWhatIsDue({ ...server.deps, live: { ...server.deps.live, feed } });

  expect(told).toEqual([{ type: "conversation_deleted", conversation_id: "old" }]);
  const { entries } = await listAudit(server.deps, {});
  expect(entries).toMatchObject([
    { action: "conversation_deleted", actor: null, subject: { user: ADA }, conversationId: "old" },
  ]);
});

test("once an hour it is one server's", async ({ services }) => {
  const server = await keeping(services);
  await converse(server, ADA, "old");
  await age(server, RETENTION_DAYS + 1);
  const { pool } = server.deps.db;
  const aged = (interval: string): Promise<unknown> =>
    pool.query("update upkeep_tasks set started_at = now() - $1::interval", [interval]);

  await aged("59 minutes");
  await Promise.all([eraseWhatIsDue(services.deps), eraseWhatIsDue(server.deps)]);
  expect(await left(server)).toEqual(["old"]);
  await aged("1 hour");
  await Promise.all([eraseWhatIsDue(server.deps), eraseWhatIsDue(server.deps)]);
  expect(await left(server)).toEqual([]);
  const { entries } = await listAudit(server.deps, {});
  expect(entries).toHaveLength(1);
});

test("a server that stops leaves the rest to the next hour", async ({ services }) => {
  const server = await keeping(services);
  for (const id of ["one", "two", "three"]) await converse(server, ADA, id);
  await age(server, RETENTION_DAYS + 1);
  const stopping = new AbortController();
  // After the first has gone.
  const feed = { ...server.deps.live.feed, tell: () => stopping.abort() };
  await server.deps.db.pool.query("delete from upkeep_tasks");

  await eraseWhatIsDue({ ...server.deps, stopping: stopping.signal, live: { ...server.deps.live, feed } });
  expect(await left(server)).not.toEqual([]);

  await runUpkeep(server);
  await expect.poll(() => left(server)).toEqual([]);
});

test("without RETENTION_DAYS nothing but the trash leaves", async ({ services }) => {
  await converse(services, ADA, "old");
  await age(services, 10_000);

  await runUpkeep(services);

  expect(await left(services)).toEqual(["old"]);
});

test("what is cached of a conversation leaves with it", async ({ services }) => {
  const server = await keeping(services);
  await converse(server, ADA, "old");
  const read = (): ReturnType<Services["call"]> => server.call(ADA, "GET", "/api/conversations/old/messages");
  await expect.poll(async () => (await read()).headers.get("x-backscroll-cache")).toBe("hit");
  await age(server, RETENTION_DAYS + 1);

  await runUpkeep(server);

  expect((await read()).status).toBe(404);
});

test("a conversation that is written to, pinned or restored while it is due stays", async ({ services }) => {
  const server = await keeping(services);
  for (const id of ["written", "pinned", "restored"]) await converse(server, ADA, id);
  await server.conversations.deleteConversation(ADA, "restored");
  await age(server, RETENTION_DAYS + 31);
  const { pool } = server.deps.db;
  const holder = await pool.connect();
  onTestFinished(() => holder.release());
  await holder.query("begin");
  await holder.query("update conversations set updated_at = now() where client_id = 'written'");
  await holder.query("update conversations set pinned_at = now() where client_id = 'pinned'");
  await holder.query("update conversations set deleted_at = null, updated_at = now() where client_id = 'restored'");

  const upkeep = runUpkeep(server);
  const waiting = async (): Promise<number> => {
    const { rows } = await pool.query("select 1 from pg_locks where not granted and pid <> pg_backend_pid()");
    return rows.length;
  };
  await expect.poll(waiting).toBeGreaterThan(0);
  await holder.query("commit");
  await upkeep;

  expect(await left(server)).toEqual(["pinned", "restored", "written"]);
});

test("many servers at once erase each conversation once, and count its usage once", async ({ services }) => {
  const servers = await Promise.all([keeping(services), keeping(services), keeping(services)]);
  const [first] = servers;
  for (let i = 0; i < 250; i += 1) await converse(first, i % 2 === 0 ? ADA : BOB, `c${i}`);
  await age(first, RETENTION_DAYS + 1);

  await runUpkeep(...servers);

  expect(await left(first)).toEqual([]);
  const { rows } = await first.deps.db.pool.query("select sum(messages)::int as messages from usage_daily");
  expect(rows).toEqual([{ messages: 250 }]);
});

test("what a server that died had marked is erased by the next one", async ({ services }) => {
  await converse(services, ADA, "marked");
  await services.deps.db.pool.query("update conversations set erasing = true, deleted_at = now()");

  const next = await keeping(services);

  await expect.poll(() => left(next)).toEqual([]);
});
