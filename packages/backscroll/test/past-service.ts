import pg from "pg";
import { expect, onTestFinished } from "vitest";
import { toStoredId } from "../src/domain/ids.ts";
import { resolveUser } from "../src/service/users.ts";
import { ADA, idsOf, MESSAGES, read, startCached, untilHit } from "./cache-fixture.ts";
import { createServices, newSchema, type Services } from "./services.ts";

/** Somebody who writes to the database past the service, and the conversation `c` of Ada's. */
export interface Writer {
  readonly client: pg.Client;
  readonly userId: number;
  /** the stored id */
  readonly conversationId: string;
  /** @returns the rows */
  readonly query: <Row extends object = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
  ) => Promise<Row[]>;
  /** Inserts a message as one would who knows of nothing. @returns the row */
  insert(message?: Partial<WrittenMessage>): Promise<StoredRow>;
}

interface WrittenMessage {
  readonly id: string;
  readonly role: string;
  readonly content: string;
  readonly created_at: Date | string;
  readonly conversation_id: string;
}

export interface StoredRow {
  readonly seq: string;
  readonly id: string;
  readonly content: string;
  readonly created_at: Date;
}

export interface Head {
  readonly version: number;
  readonly lastSeq: number;
  readonly messageCount: number;
  readonly updatedAt: Date;
}

/** Connects; disconnected when the test is over. */
export async function startWriter(services: Services, databaseUrl = services.databaseUrl): Promise<Writer> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  onTestFinished(() => client.end());
  const userId = await resolveUser(services.deps, ADA);
  const conversationId = toStoredId(userId, "c").id;
  const query: Writer["query"] = async <Row extends object>(text: string, values: readonly unknown[] = []) =>
    (await client.query(text, [...values])).rows as Row[];
  return {
    client,
    userId,
    conversationId,
    query,
    async insert(message = {}) {
      const row = { user_id: userId, conversation_id: conversationId, role: "user", content: "by psql", ...message };
      const names = Object.keys(row);
      const places = names.map((_, index) => `$${index + 1}`);
      const text = `insert into messages (${names.join(", ")}) values (${places.join(", ")}) returning *`;
      const [stored] = await query<StoredRow>(text, Object.values(row));
      if (!stored) throw new Error("an insert returns its row");
      return stored;
    },
  };
}

export async function headOf({ query, userId, conversationId }: Writer): Promise<Head> {
  const [row] = await query<{ version: string; last_seq: string; message_count: string; updated_at: Date }>(
    "select version, last_seq, message_count, updated_at from conversations where user_id = $1 and id = $2",
    [userId, conversationId],
  );
  if (!row) throw new Error("there is no such conversation");
  return {
    version: Number(row.version),
    lastSeq: Number(row.last_seq),
    messageCount: Number(row.message_count),
    updatedAt: row.updated_at,
  };
}

/** Every server answers from its cache, and every one what PostgreSQL has. */
export async function expectTruthFromCache(servers: readonly Services[]): Promise<void> {
  for (const server of servers) {
    await untilHit(server);
    const cached = await read(server);
    const stored = await read(server, "?consistency=strong");
    expect(cached.headers.get("x-backscroll-cache")).toBe("hit");
    expect(cached.text).toBe(stored.text);
  }
}

/** The conversation is in order: `seq` from 1 without a gap, times that never run backwards, and a head that fits. */
export async function expectInOrder(writer: Writer): Promise<void> {
  const rows = await writer.query<StoredRow>(
    "select seq, id, content, created_at from messages where user_id = $1 and conversation_id = $2 order by seq",
    [writer.userId, writer.conversationId],
  );
  expect(rows.map(({ seq }) => Number(seq))).toEqual(rows.map((_, index) => index + 1));
  const times = rows.map(({ created_at: at }) => at.getTime());
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  const head = await headOf(writer);
  expect(head).toMatchObject({ lastSeq: rows.length, messageCount: rows.length });
  expect(head.updatedAt.getTime()).toBeGreaterThanOrEqual(times.at(-1) ?? 0);
}

/** Every one of the servers shows these messages, the newest first. */
export async function expectEverybodyShows(servers: readonly Services[], ids: readonly string[]): Promise<void> {
  for (const server of servers) await expect.poll(() => idsOf(server)).toEqual(ids);
}

export async function makeConversation(services: Services, ids: readonly string[] = []): Promise<void> {
  await services.call(ADA, "POST", "/api/conversations", { id: "c" });
  for (const id of ids) await services.call(ADA, "POST", MESSAGES, { id, role: "user", content: `text of ${id}` });
}

/** Two servers with Ada's conversation `c` in their cache: nothing but an announcement makes them look again. */
export const TWO_SERVERS: readonly (readonly [
  cache: string,
  start: (ids: readonly string[]) => Promise<readonly [Services, Services]>,
])[] = [
  ["in Redis", (ids) => warm(inRedis(ids.length))],
  ["in each server's memory", (ids) => warm(inMemory(ids))],
];

async function warm(starting: Promise<readonly [Services, Services]>): Promise<readonly [Services, Services]> {
  const servers = await starting;
  for (const server of servers) await untilHit(server);
  return servers;
}

async function inRedis(n: number): Promise<readonly [Services, Services]> {
  const { services, another } = await startCached(n);
  return [services, await another()];
}

export async function inMemory(ids: readonly string[]): Promise<readonly [Services, Services]> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const start = async (): Promise<Services> => {
    const services = await createServices({ databaseUrl, cacheAuditIntervalMs: 86_400_000 });
    onTestFinished(() => services.close());
    return services;
  };
  const first = await start();
  await makeConversation(first, ids);
  return [first, await start()];
}
