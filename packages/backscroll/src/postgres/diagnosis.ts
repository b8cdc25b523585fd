import { Socket } from "node:net";
import pg from "pg";
import { errorMessage } from "../domain/errors.ts";
import { hasUsableApiKey } from "./api-keys.ts";
import { type Capacity, readCapacity } from "./capacity.ts";
import { checkHistory, type Migration, readMigrations } from "./migrate.ts";
import type { Queryable } from "./pool.ts";
import { findPooler, type Pooler } from "./pooler.ts";

/** A database as it is now; reading it changed nothing. */
export interface Diagnosis {
  readonly version: string;
  /** e.g. 180004 */
  readonly versionNumber: number;
  readonly role: string;
  readonly encoding: string;
  /** a replica, or set to take no writes */
  readonly isReadOnly: boolean;
  /** null behind a pooler: it would be the pooler's connection */
  readonly isEncrypted: boolean | null;
  readonly pooler: Pooler | null;
  readonly capacity: Capacity;
  readonly roundTripMs: number;
  /** how far the server's clock is ahead of this one */
  readonly clockAheadMs: number;
  readonly migrations: MigrationState;
  readonly rights: Rights;
  /** indexes that the migrations made and that are not there any more, or not usable */
  readonly unusableIndexes: readonly string[];
  readonly vacuum: Vacuum;
  /** whether any key would be accepted; null: there is no table of keys, or it may not be read */
  readonly hasUsableApiKey: boolean | null;
}

interface MigrationState {
  readonly applied: number;
  /** names of those that are still to come */
  readonly pending: readonly string[];
  /** why this Backscroll cannot use the database; null: it can */
  readonly refusal: string | null;
}

interface Rights {
  /** where the tables are, or would be made; null: nowhere */
  readonly schema: string | null;
  readonly mayCreate: boolean;
  /** tables that the role may not read and write */
  readonly closed: readonly string[];
  /** tables that the next migration could not change */
  readonly notOwned: readonly string[];
}

interface Vacuum {
  readonly isAutomatic: boolean;
  /** as PostgreSQL estimates them */
  readonly tables: readonly { readonly name: string; readonly live: number; readonly dead: number }[];
  /** of the oldest transaction in this database that the role may see; null: there is none */
  readonly oldestTransactionS: number | null;
  /** transactions since the oldest row was frozen; 2,000,000,000 are the end */
  readonly transactionAge: number;
}

const ROUND_TRIPS = 5;

/**
 * Looks at a database in a read-only transaction. Behind a pooler a second connection is opened for a moment.
 *
 * @param deadlineMs for all of it: afterwards nothing is left open, whatever the server does
 * @throws what connecting throws, or {Error} when the deadline is over
 */
export async function diagnose(connectionString: string, deadlineMs: number): Promise<Diagnosis> {
  const sockets: Socket[] = [];
  let isLate = false;
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const timer = setTimeout(() => {
    isLate = true;
    cut();
  }, deadlineMs);
  const connect = async (): Promise<pg.Client> => {
    const socket = new Socket();
    sockets.push(socket);
    const client = new pg.Client({ connectionString, application_name: "backscroll doctor", stream: () => socket });
    client.on("error", () => undefined); // the statement under way fails with it
    await client.connect();
    return client;
  };
  try {
    const client = await connect();
    return await examine(client, connect);
  } catch (error) {
    if (!isLate) throw error;
    throw new Error(`no answer within ${deadlineMs / 1_000} s`, { cause: error });
  } finally {
    clearTimeout(timer);
    cut();
  }
}

/** @returns why there is no diagnosis, with PostgreSQL's own code: that is what can be looked for */
export function reasonOf(error: unknown): string {
  const code = error instanceof pg.DatabaseError ? error.code : undefined;
  return code === undefined ? errorMessage(error) : `${errorMessage(error)} (${code})`;
}

async function examine(client: pg.Client, connect: () => Promise<pg.Client>): Promise<Diagnosis> {
  const pooler = await findPooler(client, connect);
  const { roundTripMs, clockAheadMs } = await measureTime(client);
  const known = await readMigrations();
  await client.query("begin transaction read only");
  // Prepared statements may be what does not work here.
  const db: Queryable = {
    query: async <Row extends pg.QueryResultRow>({ text, values }: { text: string; values: readonly unknown[] }) =>
      (await client.query<Row>(text, [...values])).rows,
  };
  const server = await findServer(db);
  const migrations = await findMigrations(db, known);
  const tables = namesIn(known, /^create table (\w+)/gm);
  const rights = await findRights(db, tables);
  const hasTables = migrations.applied > 0;
  const indexes = namesIn(
    known.slice(0, migrations.applied),
    /^create (?:unique )?index (\w+)|constraint (\w+) (?:primary key|unique)/gm,
  );
  const diagnosis: Diagnosis = {
    ...server,
    capacity: await readCapacity(db),
    isEncrypted: pooler === null ? server.isEncrypted : null,
    pooler,
    roundTripMs,
    clockAheadMs,
    migrations,
    rights,
    unusableIndexes: await listUnusableIndexes(db, indexes),
    vacuum: await findVacuum(db),
    hasUsableApiKey:
      hasTables && !rights.closed.includes("api_keys") ? await hasUsableApiKey(db).catch(missingTable) : null,
  };
  await client.query("rollback");
  return diagnosis;
}

/** The newest migration may be the one that makes it. */
function missingTable(error: unknown): null {
  if (error instanceof pg.DatabaseError && error.code === "42P01") return null;
  throw error;
}

async function measureTime(client: pg.Client): Promise<{ roundTripMs: number; clockAheadMs: number }> {
  const samples: { ms: number; aheadMs: number }[] = [];
  for (let n = 0; n < ROUND_TRIPS; n += 1) {
    const [startedAt, sentAt] = [performance.now(), Date.now()];
    const { rows } = await client.query<{ ms: number }>(
      "select extract(epoch from clock_timestamp())::float8 * 1000 as ms",
    );
    const ms = performance.now() - startedAt;
    samples.push({ ms, aheadMs: (rows[0]?.ms ?? 0) - (sentAt + ms / 2) });
  }
  const sorted = samples.toSorted((a, b) => a.ms - b.ms);
  // The fastest answer says most exactly when it was given.
  return { roundTripMs: sorted[ROUND_TRIPS >> 1]?.ms ?? 0, clockAheadMs: sorted[0]?.aheadMs ?? 0 };
}

interface ServerRow {
  readonly version: string;
  readonly version_number: number;
  readonly role: string;
  readonly encoding: string;
  readonly is_read_only: boolean;
  readonly is_encrypted: boolean;
}

async function findServer(db: Queryable): Promise<
  Pick<Diagnosis, "version" | "versionNumber" | "role" | "encoding" | "isReadOnly"> & {
    isEncrypted: boolean;
  }
> {
  const [row] = await db.query<ServerRow>({
    name: "doctor_find_server",
    text: `
      select current_setting('server_version') as version,
             current_setting('server_version_num')::int as version_number,
             current_user as role,
             pg_encoding_to_char(base.encoding) as encoding,
             pg_is_in_recovery() or current_setting('default_transaction_read_only') = 'on' as is_read_only,
             coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as is_encrypted
        from pg_database base where base.datname = current_database()`,
    values: [],
  });
  if (!row) throw new Error("the database is not in PostgreSQL's catalogue");
  return {
    version: row.version,
    versionNumber: row.version_number,
    role: row.role,
    encoding: row.encoding,
    isReadOnly: row.is_read_only,
    isEncrypted: row.is_encrypted,
  };
}

async function findMigrations(db: Queryable, known: readonly Migration[]): Promise<MigrationState> {
  const [table] = await db.query<{ exists: boolean; readable: boolean | null }>({
    name: "doctor_find_migration_table",
    text: `
      select oid is not null as exists, has_table_privilege(oid, 'select') as readable
        from to_regclass('schema_migrations') as oid`,
    values: [],
  });
  if (table?.exists !== true) return { applied: 0, pending: known.map(({ name }) => name), refusal: null };
  if (table.readable !== true) {
    return { applied: 0, pending: [], refusal: "the role may not read the table schema_migrations" };
  }
  const applied = await db.query<{ version: number; name: string; checksum: string }>({
    name: "doctor_list_migrations",
    text: "select version, name, checksum from schema_migrations order by version",
    values: [],
  });
  const state = { applied: applied.length, pending: known.slice(applied.length).map(({ name }) => name) };
  try {
    checkHistory(applied, known);
    return { ...state, refusal: null };
  } catch (error) {
    return { ...state, refusal: errorMessage(error) };
  }
}

/** @returns what the pattern's groups find, each name once */
function namesIn(migrations: readonly Migration[], pattern: RegExp): string[] {
  const found = migrations.flatMap(({ sql }) => [...sql.matchAll(pattern)].flatMap(([, ...names]) => names));
  return [...new Set(found.filter((name) => name !== undefined))];
}

async function findRights(db: Queryable, tables: readonly string[]): Promise<Rights> {
  const [schema] = await db.query<{ schema: string | null; may_create: boolean | null }>({
    name: "doctor_find_schema",
    text: "select current_schema() as schema, has_schema_privilege(current_schema(), 'create') as may_create",
    values: [],
  });
  const found = await db.query<{ name: string; is_open: boolean; is_owned: boolean }>({
    name: "doctor_find_rights",
    text: `
      select name, pg_has_role(relowner, 'usage') as is_owned,
             has_table_privilege(oid, 'select') and has_table_privilege(oid, 'insert')
               and has_table_privilege(oid, 'update') and has_table_privilege(oid, 'delete') as is_open
        from unnest($1::text[]) as name join pg_class on oid = to_regclass(name)`,
    values: [tables],
  });
  return {
    schema: schema?.schema ?? null,
    mayCreate: schema?.may_create ?? false,
    closed: found.filter(({ is_open }) => !is_open).map(({ name }) => name),
    notOwned: found.filter(({ is_owned }) => !is_owned).map(({ name }) => name),
  };
}

async function listUnusableIndexes(db: Queryable, names: readonly string[]): Promise<string[]> {
  const rows = await db.query<{ name: string }>({
    name: "doctor_list_unusable_indexes",
    text: `
      select name from unnest($1::text[]) as name left join pg_index on indexrelid = to_regclass(name)
       where indisvalid is not true order by name`,
    values: [names],
  });
  return rows.map(({ name }) => name);
}

async function findVacuum(db: Queryable): Promise<Vacuum> {
  const tables = await db.query<{ name: string; live: string; dead: string }>({
    name: "doctor_list_dead_rows",
    text: `
      select relname as name, n_live_tup as live, n_dead_tup as dead from pg_stat_user_tables
       where relid in (to_regclass('messages'), to_regclass('conversations')) order by relname`,
    values: [],
  });
  const [row] = await db.query<{ is_automatic: boolean; oldest_s: number | null; age: number }>({
    name: "doctor_find_vacuum",
    text: `
      select current_setting('autovacuum') = 'on' as is_automatic,
             (select max(extract(epoch from clock_timestamp() - xact_start))::float8 from pg_stat_activity
               where datname = current_database() and pid <> pg_backend_pid()) as oldest_s,
             age(datfrozenxid) as age
        from pg_database where datname = current_database()`,
    values: [],
  });
  return {
    isAutomatic: row?.is_automatic ?? true,
    tables: tables.map(({ name, live, dead }) => ({ name, live: Number(live), dead: Number(dead) })),
    oldestTransactionS: row?.oldest_s ?? null,
    transactionAge: row?.age ?? 0,
  };
}
