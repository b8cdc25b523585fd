import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import pg from "pg";
import { expect, onTestFinished } from "vitest";
import type { ConversationRef } from "../src/domain/conversation.ts";
import { mintId } from "../src/domain/ids.ts";
import { type AnnouncementOptions, type Announcements, openAnnouncements } from "../src/postgres/announcements.ts";
import { type Database, openDatabase } from "../src/postgres/pool.ts";
import { newSchema } from "./services.ts";

/** One server's announcements, and what came of them. */
export interface AnnouncingServer extends Announcements {
  readonly db: Database;
  /** what it heard of others, in order */
  readonly heard: readonly ConversationRef[];
  /** everything `onListening` said */
  readonly listening: readonly boolean[];
  readonly errors: readonly Error[];
  /** payloads of each statement it sent */
  readonly statements: readonly (readonly string[])[];
  readonly heartbeats: readonly string[];
}

interface ServerOptions extends Partial<AnnouncementOptions> {
  /** of the pool, when it is not the listening connection's */
  readonly poolUrl?: string;
  readonly statementTimeoutMs?: number;
  /** false: do not wait until it is listening */
  readonly wait?: boolean;
}

/** Closed when the test is over. */
export async function startServer(
  connectionString: string,
  { poolUrl, statementTimeoutMs = 10_000, wait = true, ...options }: ServerOptions = {},
): Promise<AnnouncingServer> {
  const pool = openDatabase({
    connectionString: poolUrl ?? connectionString,
    max: 4,
    connectionTimeoutMs: 1_000,
    statementTimeoutMs,
    onIdleError: () => undefined,
  });
  const statements: (readonly string[])[] = [];
  const heartbeats: string[] = [];
  const db: Database = {
    ...pool,
    query(statement) {
      if (statement.name === "announce") {
        const payloads = statement.values[1] as readonly string[];
        if (payloads[0]?.startsWith("ping ")) heartbeats.push(payloads[0]);
        else statements.push(payloads);
      }
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
  if (wait) await expect.poll(() => listening, { timeout: 10_000 }).toEqual([true]);
  return { ...announcements, db, heard, listening, errors, statements, heartbeats };
}

/** @returns of a schema of its own */
export async function databaseUrl(): Promise<string> {
  const { databaseUrl: url, drop } = await newSchema();
  onTestFinished(drop);
  return url;
}

/** Passes everything on to PostgreSQL, until the connections it has are forgotten: then nothing, and no goodbye. */
export async function startRelay(connectionString: string): Promise<{ url: string; forgetConnections(): void }> {
  const { host, port } = new pg.Client({ connectionString });
  const sockets = new Set<Socket>();
  const relay = createServer((client) => {
    const server = connect(host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host, port });
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on("error", () => to.destroy()).on("close", () => to.destroy());
    }
  }).listen(0, "127.0.0.1");
  await once(relay, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    relay.close();
  });
  const url = new URL(connectionString);
  url.port = String((relay.address() as AddressInfo).port);
  url.searchParams.set("host", "127.0.0.1");
  return {
    url: url.href.replaceAll("+", "%20"),
    forgetConnections() {
      for (const socket of sockets) socket.unpipe().pause();
    },
  };
}

/** @returns the processes of PostgreSQL that serve this database's listening connections */
export async function listeners({ db }: AnnouncingServer, databaseId: string): Promise<number[]> {
  const { rows } = await db.pool.query<{ pid: number }>(
    "select pid from pg_stat_activity where application_name = 'backscroll announcements' and query like '%' || $1 || '%'",
    [databaseId.replaceAll("-", "")],
  );
  return rows.map(({ pid }) => pid);
}

export function conversation(): ConversationRef {
  return { userId: 7, id: mintId() };
}
