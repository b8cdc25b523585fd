import { writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { expect, inject, onTestFinished, test } from "vitest";
import { startEmbeddedPostgres } from "../src/postgres/embedded.ts";
import { SLOW, doctor, emptyDatabase, migratedDatabase } from "./doctor-fixture.ts";
import { temporaryDirectory } from "./service-process.ts";
import { startTcpRelay } from "./tcp-relay.ts";

async function query(url: string, text: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

/** @returns where the run's server is, for a relay, and a URL of the same database through a port */
function throughPort(url: string, port: number): string {
  const changed = new URL(url);
  changed.searchParams.delete("host");
  changed.hostname = "127.0.0.1";
  changed.port = String(port);
  return changed.href;
}

function socketOf(url: string): { path: string } | { host: string; port: number } {
  const { host, port } = new pg.Client({ connectionString: url });
  return host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host, port };
}

test("a PostgreSQL that is not there exits 3 and says what to start", SLOW, async () => {
  const told = await doctor({ DATABASE_URL: "postgresql://ada:planted-secret@127.0.0.1:1/history" });
  expect(told.code).toBe(3);
  expect(told.check("postgres")).toMatchObject({
    status: "fail",
    detail: "history on 127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1",
    fix: "Start PostgreSQL, or correct the host and port in DATABASE_URL",
  });
  expect(told.output).not.toContain("planted-secret");
});

test("a PostgreSQL that stands still is left after its deadline", SLOW, async () => {
  const { DATABASE_URL } = await migratedDatabase();
  const relay = await startTcpRelay(socketOf(DATABASE_URL));
  onTestFinished(() => relay.close());
  const url = throughPort(DATABASE_URL, relay.port);
  expect((await doctor({ DATABASE_URL: url })).check("postgres")?.status).toBe("ok");
  relay.stall();
  const told = await doctor({ DATABASE_URL: url });
  expect(told.code).toBe(3);
  expect(told.check("postgres")).toMatchObject({
    detail: expect.stringContaining("no answer within 4 s") as string,
    fix: expect.stringContaining("pg_isready") as string,
  });
});

test("a wrong password exits 3, and neither it nor the right one is shown", SLOW, async () => {
  const dataDir = temporaryDirectory();
  const postgres = await startEmbeddedPostgres({ dataDir });
  onTestFinished(() => postgres.stop());
  await query(postgres.connectionString, "alter role backscroll password 'the-real-secret'");
  writeFileSync(join(dataDir, "postgres", "pg_hba.conf"), "local all all scram-sha-256\n");
  await query(postgres.connectionString, "select pg_reload_conf()");
  const withPassword = (password: string): string =>
    postgres.connectionString.replace("backscroll@", `backscroll:${password}@`);
  await expect.poll(() => query(postgres.connectionString, "select 1").catch(() => "refused")).toBe("refused");
  const told = await doctor({ DATABASE_URL: withPassword("planted-secret") });
  expect(told.code).toBe(3);
  expect(told.check("postgres")).toMatchObject({
    detail: expect.stringContaining("password authentication failed") as string,
    fix: expect.stringContaining("Correct the user and password in DATABASE_URL") as string,
  });
  expect(told.output).not.toContain("secret");
  expect((await doctor({ DATABASE_URL: withPassword("the-real-secret") })).check("postgres")?.status).toBe("ok");
});

test("a database that is not there is named, with how it is made", SLOW, async () => {
  const url = inject("databaseUrl").replace(/\/[^/?]+(\?|$)/, "/nowhere$1");
  const told = await doctor({ DATABASE_URL: url });
  expect(told.code).toBe(3);
  expect(told.check("postgres")).toMatchObject({ fix: expect.stringContaining("createdb") as string });
});

test("an empty database is a warning, and is empty afterwards", SLOW, async () => {
  const database = await emptyDatabase();
  const told = await doctor(database);
  expect(told.code).toBe(0);
  expect(told.check("migrations")).toMatchObject({
    status: "warn",
    detail: "the database is empty",
    fix: expect.stringContaining("backscroll migrate") as string,
  });
  const tables = await query(database.DATABASE_URL, "select from pg_tables where schemaname = current_schema()");
  expect(tables).toHaveLength(0);
});

test("migrations that are still to come are named", SLOW, async () => {
  const database = await migratedDatabase();
  await query(
    database.DATABASE_URL,
    "delete from schema_migrations where version >= 4; drop table upkeep_tasks, api_keys cascade",
  );
  const told = await doctor(database);
  expect(told.code).toBe(0);
  expect(told.check("migrations")?.detail).toContain("3 to come: 0004_");
});

test("a database that is newer than this version is refused", SLOW, async () => {
  const database = await migratedDatabase();
  await query(
    database.DATABASE_URL,
    "insert into schema_migrations (version, name, checksum) values (9999, '9999_later.sql', 'x')",
  );
  const told = await doctor(database);
  expect(told.code).toBe(1);
  expect(told.check("migrations")).toMatchObject({
    status: "fail",
    detail: expect.stringContaining("newer than this Backscroll: it has migration 9999_later.sql") as string,
  });
});

test("an index that somebody dropped is missed, whichever it is", SLOW, async () => {
  const database = await migratedDatabase();
  const names = await query(
    database.DATABASE_URL,
    "select indexname as name from pg_indexes where schemaname = current_schema() and tablename <> 'schema_migrations'",
  );
  await query(
    database.DATABASE_URL,
    `do $$ declare each record; begin
       for each in select conrelid::regclass as t, conname as c from pg_constraint
                    where connamespace = current_schema()::regnamespace and contype = 'f'
       loop execute format('alter table %s drop constraint %I', each.t, each.c); end loop;
       for each in select conrelid::regclass as t, conname as c from pg_constraint
                    where connamespace = current_schema()::regnamespace and contype in ('p', 'u')
                      and conrelid <> 'schema_migrations'::regclass
       loop execute format('alter table %s drop constraint %I', each.t, each.c); end loop;
       for each in select indexname as c from pg_indexes
                    where schemaname = current_schema() and tablename <> 'schema_migrations'
       loop execute format('drop index %I', each.c); end loop;
     end $$`,
  );
  const told = await doctor(database);
  expect(told.code).toBe(1);
  const missed = /missing or invalid: (.*): reads/.exec(told.check("indexes")?.detail ?? "")?.[1]?.split(", ");
  expect(missed?.toSorted()).toEqual(names.map(({ name }) => String(name)).toSorted());
});

test("a role without rights is told what to grant", SLOW, async () => {
  const database = await migratedDatabase();
  const role = `doctor_${process.pid}_${Date.now()}`;
  await query(database.DATABASE_URL, `create role ${role} login`);
  onTestFinished(async () => void (await query(inject("databaseUrl"), `drop role ${role}`)));
  const [row] = await query(database.DATABASE_URL, "select current_schema() as schema");
  const schema = String(row?.["schema"]);
  await query(database.DATABASE_URL, `grant usage on schema ${schema} to ${role}`);
  const DATABASE_URL = database.DATABASE_URL.replace(/\/\/[^@/]+@/, `//${role}@`);
  onTestFinished(async () => void (await query(database.DATABASE_URL, `drop owned by ${role}`)));

  const closed = await doctor({ DATABASE_URL });
  expect(closed.code).toBe(1);
  expect(closed.check("migrations")).toMatchObject({ status: "fail" });
  expect(closed.check("postgres-rights")?.fix).toBe(
    `grant select, insert, update, delete on all tables in schema ${schema} to ${role}`,
  );
  await query(database.DATABASE_URL, closed.check("postgres-rights")?.fix ?? "");
  const open = await doctor({ DATABASE_URL });
  expect(open.code).toBe(0);
  expect(open.check("postgres-rights")).toMatchObject({
    status: "warn",
    fix: expect.stringContaining("as the owner") as string,
  });
});

test("a pool that PostgreSQL cannot serve is counted before it is felt", SLOW, async () => {
  const database = await migratedDatabase();
  const told = await doctor({ ...database, DATABASE_POOL_MAX: "900" });
  expect(told.code).toBe(1);
  expect(told.check("connections")).toMatchObject({
    status: "fail",
    detail: expect.stringContaining("up to 901 here") as string,
    fix: expect.stringContaining("DATABASE_POOL_MAX") as string,
  });
});

test("a server that takes no writes is no server to write to", SLOW, async () => {
  const { DATABASE_URL } = await migratedDatabase();
  const told = await doctor({
    DATABASE_URL: DATABASE_URL.replace("search_path", "default_transaction_read_only=on%20-c%20search_path"),
  });
  expect(told.code).toBe(1);
  expect(told.check("postgres-writable")?.status).toBe("fail");
});
