import { randomBytes } from "node:crypto";
import pg from "pg";

/** What stands between a client and PostgreSQL: PgBouncer, or another one that speaks its protocol. */
export interface Pooler {
  /** several clients share a connection of the server, a transaction each; then nothing of a session lasts */
  readonly isShared: boolean;
  /** a statement prepared by name can be used again, whichever connection the next transaction gets */
  readonly keepsStatements: boolean;
}

/** A connection of somebody else's may come between: so often it is tried. */
const TRIES = 3;
/** A name that the connection has already, and one that it has never had. */
const OTHERS_STATEMENT = new Set(["42P05", "26000"]);

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

async function keepsStatements(client: pg.Client, other: pg.Client): Promise<boolean> {
  const name = `backscroll_doctor_${randomBytes(4).toString("hex")}`;
  const text = "select 1";
  try {
    for (const each of [client, other, client]) await each.query({ name, text });
    return true;
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || !OTHERS_STATEMENT.has(error.code ?? "")) throw error;
    // The connection goes back to the pool: it should not keep what was tried. It may be another one by now.
    await other.query(`deallocate ${name}`).catch(() => undefined);
    return false;
  }
}
