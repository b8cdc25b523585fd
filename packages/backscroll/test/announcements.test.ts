import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import pg from "pg";
import { expect, inject, onTestFinished, test } from "vitest";
import { cachedAs } from "../src/domain/session.ts";
import { findDatabaseId } from "../src/postgres/installation.ts";
import { migrate } from "../src/postgres/migrate.ts";
import {
  type AnnouncingServer,
  conversation,
  databaseUrl,
  listeners,
  startRelay,
  startServer,
} from "./announcements-fixture.ts";

test("what a server announces every other server hears, and itself it does not", async () => {
  const url = await databaseUrl();
  const databaseId = randomUUID();
  const [one, two, three] = [
    await startServer(url, { databaseId }),
    await startServer(url, { databaseId }),
    await startServer(url, { databaseId }),
  ];
  const [first, second] = [conversation(), { ...conversation(), userId: Number.MAX_SAFE_INTEGER }];

  await one.announce(first);
  await two.announce(second);

  await expect.poll(() => three.heard).toEqual([first, second]);
  await expect.poll(() => one.heard).toEqual([second]);
  await expect.poll(() => two.heard).toEqual([first]);
  expect([one, two, three].flatMap(({ errors }) => errors)).toEqual([]);
});

test("a session, which is cached like a conversation, is announced like one", async () => {
  const url = await databaseUrl();
  const databaseId = randomUUID();
  const [one, two] = [await startServer(url, { databaseId }), await startServer(url, { databaseId })];
  const session = cachedAs({ userId: 7, id: randomUUID() });

  await one.announce(session);

  await expect.poll(() => two.heard).toEqual([session]);
  expect([...one.errors, ...two.errors]).toEqual([]);
});

test("what the database announces, for who writes past the service, every server hears", async () => {
  const url = await databaseUrl();
  await migrate(url);
  const { db } = await startServer(url);
  const databaseId = await findDatabaseId(db);
  const servers = [await startServer(url, { databaseId }), await startServer(url, { databaseId })];
  const [at, other] = [conversation(), conversation()];

  await db.pool.query("select announce_past_service($1, $2), announce_past_service($1, $2)", [at.userId, at.id]);
  await servers[0]?.announce(other);

  await expect.poll(() => servers[1]?.heard).toEqual([at, other]);
  expect(servers[0]?.heard).toEqual([at]);
  expect(servers.flatMap(({ errors }) => errors)).toEqual([]);
});

test("1,000 announcements at once arrive once each, in few statements", async () => {
  const url = await databaseUrl();
  const databaseId = randomUUID();
  const [one, two] = [await startServer(url, { databaseId }), await startServer(url, { databaseId })];
  const all = Array.from({ length: 1_000 }, conversation);

  await one.announce(conversation());
  // In ten bursts: a statement is under way when the next one comes.
  const told: Promise<void>[] = [];
  for (let burst = 0; burst < 10; burst += 1) {
    told.push(...all.slice(burst * 100, burst * 100 + 100).map((at) => one.announce(at)));
    await Promise.race(told.slice(-1));
  }
  await Promise.all(told);

  await expect.poll(() => two.heard.length).toBe(1_001);
  expect(two.heard.slice(1)).toEqual(all);
  expect(one.statements.length).toBeLessThanOrEqual(21);
});

test("a listening connection that PostgreSQL ends is told at once and made again; what is announced then arrives", async () => {
  const url = await databaseUrl();
  const databaseId = randomUUID();
  const [one, two] = [await startServer(url, { databaseId }), await startServer(url, { databaseId })];

  for (const pid of await listeners(one, databaseId)) await one.db.pool.query("select pg_terminate_backend($1)", [pid]);

  for (const { listening } of [one, two]) await expect.poll(() => listening).toEqual([true, false, true]);
  const at = conversation();
  await one.announce(at);
  await expect.poll(() => two.heard).toEqual([at]);
  expect(two.errors).toMatchObject([{ message: expect.stringContaining("terminating connection") as string }]);
});

test("a listening connection that is dead without a word is found by the heartbeat", async () => {
  const url = await databaseUrl();
  const relay = await startRelay(url);
  const databaseId = randomUUID();
  const one = await startServer(url, { databaseId });
  const two = await startServer(relay.url, { databaseId, poolUrl: url, heartbeatMs: 200 });

  relay.forgetConnections();

  await expect.poll(() => two.listening, { timeout: 10_000 }).toEqual([true, false, true]);
  const at = conversation();
  await one.announce(at);
  await expect.poll(() => two.heard).toEqual([at]);
});

test("announcing on a connection that is dead without a word fails within the time limit, and then works again", async () => {
  const url = await databaseUrl();
  const relay = await startRelay(url);
  const databaseId = randomUUID();
  const one = await startServer(url, { databaseId, poolUrl: relay.url, statementTimeoutMs: 200 });
  const two = await startServer(url, { databaseId });
  const at = conversation();
  await one.announce(at);

  relay.forgetConnections();

  const begun = performance.now();
  await expect(one.announce(at)).rejects.toMatchObject({ code: "database_unavailable" });
  expect(performance.now() - begun).toBeLessThan(3_000);
  await expect.poll(() => one.announce(at).then(() => "announced", String), { timeout: 10_000 }).toBe("announced");
  await expect.poll(() => two.heard).toEqual([at, at]);
});

test("announcements that are sent and never heard: it is not listening, and says once what to do", async () => {
  // Notifications do not leave their database: as through a pooler in transaction mode, LISTEN works and nothing comes.
  const url = await databaseUrl();
  const elsewhere = `elsewhere_${randomUUID().replaceAll("-", "")}`;
  const admin = new pg.Client({ connectionString: inject("databaseUrl") });
  await admin.connect();
  await admin.query(`create database ${elsewhere}`);
  onTestFinished(async () => {
    await admin.query(`drop database ${elsewhere} with (force)`);
    await admin.end();
  });
  const elsewhereUrl = new URL(url);
  elsewhereUrl.pathname = elsewhere;

  const one = await startServer(elsewhereUrl.href, { poolUrl: url, heartbeatMs: 200, wait: false });

  await expect.poll(() => one.heartbeats.length, { timeout: 10_000 }).toBeGreaterThan(3);
  expect(one.errors.filter(({ message }) => message.includes("Set DATABASE_DIRECT_URL"))).toHaveLength(1);
  expect(one.listening).toEqual([]);
});

test("two databases, or two schemas of one, do not hear each other", async () => {
  const [mine, yours] = [await databaseUrl(), await databaseUrl()];
  const start = async (url: string): Promise<AnnouncingServer> => {
    await migrate(url);
    const { db } = await startServer(url);
    return startServer(url, { databaseId: await findDatabaseId(db) });
  };
  const [here, there, alsoThere] = [await start(mine), await start(yours), await start(yours)];
  const [first, second] = [conversation(), conversation()];

  await here.announce(first);
  await there.announce(second);

  // Notifications come in the order of their commits: the first one would have come before.
  await expect.poll(() => alsoThere.heard).toEqual([second]);
  expect(here.heard).toEqual([]);
  expect(there.heard).toEqual([]);
});

test("somebody else's NOTIFY on the channel is told, and passed over", async () => {
  const url = await databaseUrl();
  const databaseId = randomUUID();
  const [one, two] = [await startServer(url, { databaseId }), await startServer(url, { databaseId })];
  const at = conversation();
  const payloads = ["", "x", `${randomUUID()} -1:${at.id}`, `${randomUUID()} 1:x`, `${randomUUID()} 1:${at.id} `];
  for (const payload of payloads)
    await one.db.pool.query("select pg_notify($1, $2)", [`backscroll_${databaseId.replaceAll("-", "")}`, payload]);

  await one.announce(at);

  await expect.poll(() => two.heard).toEqual([at]);
  expect(two.errors).toHaveLength(payloads.length);
});

test("while there is no PostgreSQL it tries again and again, tells it once, and closes at once", async () => {
  let attempts = 0;
  const refusing = createServer((socket) => {
    attempts += 1;
    socket.destroy();
  }).listen(0, "127.0.0.1");
  await once(refusing, "listening");
  onTestFinished(() => void refusing.close());

  const url = `postgresql://nobody@127.0.0.1:${(refusing.address() as AddressInfo).port}/none`;
  const one = await startServer(url, { wait: false });

  await expect.poll(() => attempts, { timeout: 10_000 }).toBeGreaterThan(4);
  // A reset and an end are two messages.
  const messages = one.errors.map(({ message }) => message);
  expect(messages).toHaveLength(new Set(messages).size);
  expect(messages).not.toEqual([]);
  const begun = performance.now();
  await one.close();
  // It waits 800 ms for the next attempt.
  expect(performance.now() - begun).toBeLessThan(300);
  expect(one.listening).toEqual([]);
});

test("closing sends what waits and ends the connection; announcing then fails", async () => {
  const url = await databaseUrl();
  const databaseId = randomUUID();
  const [one, two] = [await startServer(url, { databaseId }), await startServer(url, { databaseId })];
  expect(await listeners(two, databaseId)).toHaveLength(2);
  const all = Array.from({ length: 100 }, conversation);

  let told = 0;
  for (const at of all) void one.announce(at).then(() => (told += 1));
  await one.close();
  await one.close();

  expect(told).toBe(100);
  await expect.poll(() => two.heard).toEqual(all);
  await expect.poll(() => listeners(two, databaseId)).toHaveLength(1);
  expect(one.listening).toEqual([true, false]);
  expect(one.errors).toEqual([]);
  await expect(one.announce(conversation())).rejects.toMatchObject({ code: "shutting_down" });
});

test.for(["as soon as it is open", "once it listens"])("a process that closes it %s ends by itself", async (when) => {
  const script = `
    import { openAnnouncements } from ${JSON.stringify(new URL("../src/postgres/announcements.ts", import.meta.url))};
    import { openDatabase } from ${JSON.stringify(new URL("../src/postgres/pool.ts", import.meta.url))};
    const connectionString = ${JSON.stringify(await databaseUrl())};
    const limits = { max: 1, connectionTimeoutMs: 5_000, statementTimeoutMs: 5_000 };
    const db = openDatabase({ connectionString, ...limits, onIdleError: console.error });
    let listening;
    const listens = new Promise((resolve) => (listening = resolve));
    const announcements = openAnnouncements(db, {
      connectionString, databaseId: "${randomUUID()}", onAnnounced() {}, onListening: listening, onError: console.error,
    });
    if (${when === "once it listens"}) await listens;
    await announcements.close();
    await db.close();`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], { stdio: "inherit" });
  onTestFinished(() => void child.kill("SIGKILL"));
  // Sooner than a heartbeat, or a socket that waits for its peer.
  const [status] = await once(child, "exit", { signal: AbortSignal.timeout(4_000) });
  expect(status).toBe(0);
});
