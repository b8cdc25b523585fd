import pg from "pg";
import type { Queryable } from "./pool.ts";

/** How many connections a PostgreSQL takes. */
export interface Capacity {
  /** by whoever connects as we do: of the server, the database or the role, whichever has least left */
  readonly usable: number;
  readonly maxConnections: number;
  /** for superusers and for roles with `pg_use_reserved_connections` */
  readonly reserved: number;
  /** of those, by others, now */
  readonly inUse: number;
}

/** @throws what `pg` does when there is no connection */
export async function findCapacity(connectionString: string): Promise<Capacity> {
  const client = new pg.Client({ connectionString, application_name: "backscroll", connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    return await readCapacity({
      query: async ({ text }) => (await client.query(text)).rows,
    });
  } finally {
    await client.end();
  }
}

export async function readCapacity(db: Queryable): Promise<Capacity> {
  const [row] = await db.query<CapacityRow>({
    name: "find_capacity",
    // Of others' connections a role sees that they are there, and not what they are: so they are counted by database.
    text: `
      select current_setting('max_connections')::integer as max_connections,
             current_setting('superuser_reserved_connections')::integer
               + coalesce(current_setting('reserved_connections', true)::integer, 0) as reserved,
             (select sum(numbackends) from pg_stat_database)::integer as of_server,
             (select count(*) from pg_stat_activity where usename = current_user)::integer as of_role,
             (select numbackends from pg_stat_database where datname = current_database()) as of_database,
             (select rolconnlimit from pg_roles where rolname = current_user) as role_limit,
             (select datconnlimit from pg_database where datname = current_database()) as database_limit`,
    values: [],
  });
  if (!row) throw new Error("PostgreSQL did not say how many connections it takes");
  const { max_connections: maxConnections, reserved } = row;
  const bounds = [
    { usable: maxConnections - reserved, open: row.of_server },
    { usable: row.role_limit, open: row.of_role },
    { usable: row.database_limit, open: row.of_database },
  ].filter(({ usable }) => usable >= 0);
  const [tightest] = bounds.toSorted((a, b) => a.usable - a.open - (b.usable - b.open));
  const { usable = 0, open = 0 } = tightest ?? {};
  return { usable, maxConnections, reserved, inUse: Math.max(0, open - 1) };
}

interface CapacityRow {
  readonly max_connections: number;
  readonly reserved: number;
  readonly of_server: number;
  readonly of_role: number;
  readonly of_database: number;
  /** -1: none */
  readonly role_limit: number;
  readonly database_limit: number;
}
