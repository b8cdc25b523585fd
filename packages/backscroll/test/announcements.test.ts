import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import type { ConversationRef } from "../src/domain/conversation.ts";
import { mintId } from "../src/domain/ids.ts";
import { type AnnouncementOptions, type Announcements, openAnnouncements } from "../src/postgres/announcements.ts";
import { findDatabaseId } from "../src/postgres/installation.ts";
import { migrate } from "../src/postgres/migrate.ts";
import { type Database, openDatabase } from "../src/postgres/pool.ts";
import { newSchema } from "./services.ts";
import { temporaryDirectory } from "./service-process.ts";

interface Server extends Announcements {
  readonly db: Database;
  /** what it heard of others, in order */
  readonly heard: readonly ConversationRef[];
  /** everything `onListening` said */
  readonly listening: readonly boolean[];
  readonly errors: readonly Error[];
  /** names of the statements it sent, without heartbeats */
  readonly statements: readonly (readonly string[])[];
}

interface ServerOptions extends Partial<AnnouncementOptions> {
  /** of the pool, when it is not the listening connection's */
  readonly poolUrl?: string;
  readonly statementTimeoutMs?: number;
}

/** One server's announcements, with a pool of its own; it is listening, unless told not to wait for it. */
async function startServer(
  connectionString: string,
  { poolUrl, statementTimeoutMs = 10_000, ...options }: ServerOptions & { readonly wait?: boolean } = {},
): Promise<Server> {
  const pool = openDatabase({
    connectionString: poolUrl ?? connectionString,
    max: 4,
    connectionTimeoutMs: 1_000,
    statementTimeoutMs,
    onIdleError: () => undefined,
  });
  const statements: (readonly string[])[] = [];
  const db: Database = {
    ...pool,
    query(statement) {
      const payloads = statement.values[1] as readonly string[];
      if (!payloads[0]?.startsWith("ping")) statements.push(payloads);
      return pool.query(statement);
    },
  };
  const heard: ConversationRef[] = [];
  const listening: boolean[] = [];
  const errors: Error[] = [];
  const announcements = openAnnouncements(db, {
    connectionString,
    databaseId: options.databaseId ?? randomUUID(),
    heartbeatMs: 1_000,
    onAnnounced: (at) => heard.push(at),
    onListening: (now) => listening.push(now),
    onError: (error) => errors.push(error),
    ...options,
  });
  onTestFinished(async () => {
    await announcements.close();
    await pool.close();
  });
  if (options.wait ?? true) await expect.poll(() => listening, { timeout: 10_000 }).toEqual([true]);
  return { ...announcements, db, heard, listening, errors, statements };
}

/** The run's PostgreSQL: channels are told apart by their id, so these tests share a schema-less database. */
async function databaseUrl(): Promise<string> {
  const { databaseUrl: url, drop } = await newSchema();
  onTestFinished(drop);
  return url;
}

function conversation(): ConversationRef {
  return { userId: 7, id: mintId() };
}

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
