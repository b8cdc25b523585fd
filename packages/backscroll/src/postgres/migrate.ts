import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import pg from "pg";

/** Works from `src/` and from `dist/` alike: both lie beside `migrations/`. */
const MIGRATIONS = new URL("../../migrations/", import.meta.url);

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

export async function readMigrations(directory: URL = MIGRATIONS): Promise<readonly Migration[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(".sql")).toSorted();
  return Promise.all(
    names.map(async (name, index) => {
      const version = Number(/^(\d{4})_/.exec(name)?.[1]);
      if (version !== index + 1) throw new Error(`migrations are numbered 0001, 0002 …: found ${name} at ${index + 1}`);
      const sql = await readFile(new URL(name, directory), "utf8");
      return { version, name, sql, checksum: createHash("sha256").update(sql).digest("hex") };
    }),
  );
}

/**
 * Brings the database to the newest version, each migration in its own transaction. An advisory lock lets any
 * number of servers start at once: one works, the others wait and find it done. It is held by the transaction, not by
 * the session: a pooler may give each transaction another one.
 *
 * @returns the names of the migrations applied now
 * @throws {Error} when the database is newer than this code, or was made by other migrations
 */
export async function migrate(connectionString: string, migrations?: readonly Migration[]): Promise<readonly string[]> {
  const known = migrations ?? (await readMigrations());
  const client = new pg.Client({
    connectionString,
    application_name: "backscroll migrate",
    connectionTimeoutMillis: 10_000,
  });
  await client.connect();
  try {
    const done: string[] = [];
    for (;;) {
      const name = await applyNext(client, known);
      if (name === null) return done;
      done.push(name);
    }
  } finally {
    await client.end();
  }
}

/** @returns null when there is nothing left to do */
async function applyNext(client: pg.Client, known: readonly Migration[]): Promise<string | null> {
  await client.query("begin");
  // Per schema: tests migrate many schemas of one database at once.
  await client.query("select pg_advisory_xact_lock(hashtext('backscroll migrate'), hashtext(current_schema()))");
  await client.query(`
    create table if not exists schema_migrations (
      version integer not null,
      name text not null,
      checksum text not null,
      applied_at timestamptz(3) not null default statement_timestamp(),
      constraint schema_migrations_pkey primary key (version)
    )`);
  const { rows: applied } = await client.query<{ version: number; name: string; checksum: string }>(
    "select version, name, checksum from schema_migrations order by version",
  );
  checkHistory(applied, known);
  const next = known[applied.length];
  if (next) {
    await client.query(next.sql);
    await client.query("insert into schema_migrations (version, name, checksum) values ($1, $2, $3)", [
      next.version,
      next.name,
      next.checksum,
    ]);
  }
  await client.query("commit");
  return next?.name ?? null;
}

/** @throws {Error} when the database is newer than this code, or was made by other migrations */
export function checkHistory(
  applied: readonly { version: number; name: string; checksum: string }[],
  known: readonly Migration[],
): void {
  for (const [index, row] of applied.entries()) {
    const migration = known[index];
    if (migration === undefined) {
      throw new Error(
        `the database is newer than this Backscroll: it has migration ${row.name}, this version knows ` +
          `${known.length}. Install the version that made it, or a later one`,
      );
    }
    if (migration.checksum !== row.checksum) {
      throw new Error(
        `migration ${row.name} in the database differs from ${migration.name} of this Backscroll: ` +
          "a released migration never changes. Install the version that made the database, or a later one",
      );
    }
  }
}
