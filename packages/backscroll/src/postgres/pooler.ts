import { randomBytes } from "node:crypto";
import pg from "pg";

/** What stands between a client and PostgreSQL: PgBouncer, or another one that speaks its protocol. */
export interface Pooler {
  /** several clients share a connection of the server, a transaction each; then nothing of a session lasts */
  readonly isShared: boolean;
  /** a statement prepared by name can be used again, whichever connection the next transaction gets */
  readonly keepsStatements: boolean;
}

/** What a connection string leads to: PostgreSQL itself, or a pooler; `unprepared`: one that loses prepared statements. */
export type Route = "direct" | "pooler" | "unprepared";

/** A prepared statement that is not there, or is there already: the session is not the one it was. */
export const LOST_SESSION = new Set(["26000", "42P05"]);

export const UNPREPARED_POOLER =
  "prepared statements do not survive where DATABASE_URL leads: through a pooler in transaction mode. Set PG_PREPARE=off, " +
  "and DATABASE_DIRECT_URL to the same database past the pooler";

/** A connection of somebody else's may come between: so often it is tried. */
const TRIES = 3;

/** @throws what `pg` does when there is no connection */
export async function findRoute(connectionString: string): Promise<Route> {
  const clients: pg.Client[] = [];
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString, application_name: "backscroll", connectionTimeoutMillis: 10_000 });
    client.on("error", () => undefined); // the statement under way tells
    clients.push(client);
    await client.connect();
    return client;
  };
  try {
    const pooler = await findPooler(await connect(), connect);
    if (pooler === null) return "direct";
    return pooler.keepsStatements ? "pooler" : "unprepared";
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

/**
 * A pooler makes up the process id that a client is greeted with. One that shares connections gives the one that it
 * has just got back to whoever asks next, so that two clients that are both connected see one process of the server.
 *
 * @param connect opens another connection to the same address
 * @returns null when the client speaks with PostgreSQL itself
 */
export async function findPooler(client: pg.Client, connect: () => Promise<pg.Client>): Promise<Pooler | null> {
  const first = await backendOf(client);
  if ((client as { processID?: number | null }).processID === first) return null;
  const other = await connect();
  for (let tries = 0; tries < TRIES; tries += 1) {
    const [ours, theirs] = [await backendOf(client), await backendOf(other)];
    if (ours === theirs || ours !== first)
      return { isShared: true, keepsStatements: await keepsStatements(client, other) };
  }
  return { isShared: false, keepsStatements: true };
}

async function backendOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  return rows[0]?.pid ?? 0;
}

/** Where two clients take turns with one session, what one has prepared is there already when the other does. */
async function keepsStatements(client: pg.Client, other: pg.Client): Promise<boolean> {
  const name = `backscroll_probe_${randomBytes(4).toString("hex")}`;
  const text = "select 1";
  try {
    for (let tries = 0; tries < TRIES; tries += 1)
      for (const each of [client, other, client]) await each.query({ name, text });
    return true;
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || !LOST_SESSION.has(error.code ?? "")) throw error;
    // The connection goes back to the pool: it should not keep what was tried. It may be another one by now.
    await other.query(`deallocate ${name}`).catch(() => undefined);
    return false;
  }
}
