import pg from "pg";

/** What a connection string leads to: PostgreSQL itself, or something in between. */
export type Route =
  | "direct"
  /** a pooler that keeps a session, or that knows prepared statements itself */
  | "pooler"
  /** a pooler that gives each transaction another session, and knows no prepared statements */
  | "unprepared";

/** A prepared statement that is not there, or is there already: the session is not the one it was. */
export const LOST_SESSION = new Set(["26000", "42P05"]);

export const UNPREPARED_POOLER =
  "prepared statements do not survive where DATABASE_URL leads: through a pooler in transaction mode. Set PG_PREPARE=off, " +
  "and DATABASE_DIRECT_URL to the same database past the pooler";

const PROBE = { name: "backscroll_probe", text: "select pg_backend_pid() as pid" };
const TURNS = 3;

/**
 * A pooler does not hand on the number of PostgreSQL's process: who is told another one at the start than PostgreSQL
 * says later is not connected to it. Whether prepared statements survive is tried: two connections, in turn, prepare the
 * same one. Where they take turns with one session it is there already.
 *
 * @throws what `pg` does when there is no connection
 */
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
    const first = await connect();
    const { rows } = await first.query<{ pid: number }>(PROBE.text);
    if (rows[0]?.pid === (first as unknown as { readonly processID: number | null }).processID) return "direct";
    await connect();
    for (let turn = 0; turn < TURNS; turn += 1) for (const client of clients) await client.query(PROBE);
    return "pooler";
  } catch (error) {
    if (error instanceof pg.DatabaseError && LOST_SESSION.has(error.code ?? "")) return "unprepared";
    throw error;
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}
