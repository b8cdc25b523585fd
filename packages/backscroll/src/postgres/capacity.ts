import pg from "pg";
import type { Queryable } from "./pool.ts";

/** How many connections a PostgreSQL takes. */
export interface Capacity {
  /** of whoever connects as we do */
  readonly usable: number;
  readonly maxConnections: number;
  /** for superusers and for roles with `pg_use_reserved_connections` */
  readonly reserved: number;
  /** by anybody else, now */
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
  const [row] = await db.query<Omit<Capacity, "usable"> & { roleLimit: number; databaseLimit: number }>({
    name: "find_capacity",
    text: `
      select current_setting('max_connections')::integer as "maxConnections",
             current_setting('superuser_reserved_connections')::integer
               + coalesce(current_setting('reserved_connections', true)::integer, 0) as reserved,
             (select count(*) from pg_stat_activity
               where backend_type = 'client backend' and pid <> pg_backend_pid())::integer as "inUse",
             (select rolconnlimit from pg_roles where rolname = current_user) as "roleLimit",
             (select datconnlimit from pg_database where datname = current_database()) as "databaseLimit"`,
    values: [],
  });
  if (!row) throw new Error("PostgreSQL did not say how many connections it takes");
  const { maxConnections, reserved, inUse } = row;
  const limits = [row.roleLimit, row.databaseLimit].filter((limit) => limit >= 0);
  return { usable: Math.min(maxConnections - reserved, ...limits), maxConnections, reserved, inUse };
}
