import { errorMessage } from "../../domain/errors.ts";
import { isLoopback } from "../../domain/loopback.ts";
import { describeConnection } from "../../postgres/pool.ts";
import { type Diagnosis, reasonOf } from "../../postgres/diagnosis.ts";
import { connectionsAtMost } from "../connections.ts";
import { type Check, fail, milliseconds, ok, unreachable, type Verdict, warn } from "./check.ts";
import type { Findings } from "./findings.ts";

const VERSION_MIN = 150_000;
const ROUND_TRIP_WARN_MS = 20;
const CLOCK_WARN_MS = 2_000;
const DEAD_ROWS_MIN = 10_000;
const OLD_TRANSACTION_S = 600;
/** PostgreSQL itself begins to warn 40,000,000 before 2,000,000,000. */
const TRANSACTION_AGE_MAX = 1_000_000_000;

/** Whether PostgreSQL is there, and fit. */
export const POSTGRES_CHECKS: readonly Check[] = [
  {
    id: "postgres",
    title: "PostgreSQL",
    examine(findings) {
      const { database, config, dataDir } = findings;
      if (database === null) return dataDir && examineEmbedded(dataDir);
      const where = dataDir
        ? `embedded, in ${dataDir.cluster.directory}`
        : describeConnection(config.databaseUrl ?? "");
      if (database.value) return ok(`${database.value.version}, ${where}, as ${database.value.role}`);
      return unreachable(`${where}: ${reasonOf(database.error)}`, fixOf(database.error, "DATABASE_URL"));
    },
  },
  {
    id: "postgres-direct",
    title: "DATABASE_DIRECT_URL",
    examine({ directDatabase }) {
      if (directDatabase === null) return null;
      const { value, error } = directDatabase;
      if (!value) return unreachable(reasonOf(error), fixOf(error, "DATABASE_DIRECT_URL"));
      if (value.pooler?.isShared !== true) return ok("a session of its own");
      return fail(
        "it leads to a pooler that shares connections, too: migrations and LISTEN need a session",
        "Let DATABASE_DIRECT_URL lead to PostgreSQL itself, or to a pool in session mode",
      );
    },
  },
  onDatabase("postgres-version", "PostgreSQL's version", ({ version, versionNumber }) =>
    versionNumber >= VERSION_MIN
      ? ok(`${version} (15 or later is needed)`)
      : fail(`${version} is too old`, "Upgrade PostgreSQL to 15 or later"),
  ),
  onDatabase("postgres-encoding", "Encoding", ({ encoding }) =>
    encoding === "UTF8"
      ? ok(encoding)
      : fail(
          `the database is ${encoding}: it cannot keep every message`,
          "Make another one and move there: createdb --encoding=UTF8 --template=template0 <name>",
        ),
  ),
  onDatabase("postgres-writable", "Writable", ({ isReadOnly }) =>
    isReadOnly
      ? fail(
          "the server takes no writes: it is a replica, or default_transaction_read_only is on",
          "Let DATABASE_URL lead to the primary",
        )
      : null,
  ),
  {
    id: "postgres-tls",
    title: "Encryption to PostgreSQL",
    examine({ database, config }) {
      const encrypted = database?.value?.isEncrypted;
      if (config.databaseUrl === undefined || encrypted === undefined || encrypted === null) return null;
      if (encrypted) return ok("TLS");
      const host = URL.parse(config.databaseUrl)?.hostname ?? "";
      if (host === "" || isLoopback(host) || /[?&]host=(?:%2F|\/)/i.test(config.databaseUrl)) return null;
      return warn(
        `the history and the password go to ${host} in the clear`,
        "Turn on ssl in PostgreSQL, and add ?sslmode=verify-full to DATABASE_URL",
      );
    },
  },
  onDatabase("postgres-rights", "Rights in PostgreSQL", examineRights),
  onDatabase("migrations", "Migrations", ({ migrations: { applied, pending, refusal } }) => {
    if (refusal !== null) {
      return fail(refusal, "Run the Backscroll version that made the database, or a later one");
    }
    if (pending.length === 0) return ok(`up to date, ${applied} applied`);
    const detail = applied === 0 ? "the database is empty" : `${pending.length} to come: ${pending.join(", ")}`;
    return warn(detail, "backscroll migrate (starting the service does it too)");
  }),
  onDatabase("indexes", "Indexes", ({ unusableIndexes, migrations }) => {
    if (migrations.applied === 0) return null;
    if (unusableIndexes.length === 0) return ok("all there and valid");
    return fail(
      `missing or invalid: ${unusableIndexes.join(", ")}: reads scan whole tables`,
      "reindex index concurrently <name>; one that is missing: create it as migrations/*.sql do",
    );
  }),
  { id: "connections", title: "Connections", examine: examineConnections },
  { id: "pooler", title: "Connection pooler", examine: examinePooler },
  onDatabase("postgres-latency", "Round trip to PostgreSQL", ({ roundTripMs }) =>
    roundTripMs < ROUND_TRIP_WARN_MS
      ? ok(milliseconds(roundTripMs))
      : warn(
          `${milliseconds(roundTripMs)}: every save and every miss waits for it`,
          "Run Backscroll in the same region as PostgreSQL, and look for load on the server",
        ),
  ),
  onDatabase("clock", "Clocks", ({ clockAheadMs }) => {
    const apart = `PostgreSQL's clock is ${milliseconds(Math.abs(clockAheadMs))} ${clockAheadMs < 0 ? "behind" : "ahead"}`;
    if (Math.abs(clockAheadMs) < CLOCK_WARN_MS) return ok(apart);
    return warn(
      `${apart}: tokens, keys and logins end too early or too late`,
      "Set both clocks by NTP (timedatectl set-ntp true)",
    );
  }),
  onDatabase("vacuum", "Vacuum", examineVacuum),
];

function onDatabase(id: string, title: string, examine: (database: Diagnosis) => Verdict | null): Check {
  return { id, title, examine: ({ database }) => (database?.value ? examine(database.value) : null) };
}

function examineEmbedded({ cluster, version, whyNoVersion }: NonNullable<Findings["dataDir"]>): Verdict {
  if (version === null) return fail(whyNoVersion, "npm install --include=optional, or set DATABASE_URL");
  if (cluster.madeBy !== null && cluster.madeBy !== version.split(".", 1)[0]) {
    return fail(
      `${cluster.directory} was made by PostgreSQL ${cluster.madeBy}; this one is ${version}`,
      "Export with the Backscroll version that made it (backscroll export), and import into a new folder",
    );
  }
  const data = cluster.madeBy === null ? "made at the first start" : "there is data";
  return ok(`embedded ${version}, in ${cluster.directory} (${data}); it is not running now: backscroll starts it`);
}

function examineRights({ rights, role, migrations }: Diagnosis): Verdict {
  const { schema, mayCreate, closed, notOwned } = rights;
  if (schema === null) {
    return fail(
      "the search_path names no schema that is there",
      "create schema backscroll, or correct the search_path",
    );
  }
  if (closed.length > 0) {
    return fail(
      `${role} may not read and write ${closed.join(", ")}`,
      `grant select, insert, update, delete on all tables in schema ${schema} to ${role}`,
    );
  }
  const mustMigrate = migrations.pending.length > 0;
  if (mustMigrate && (!mayCreate || notOwned.length > 0)) {
    return fail(
      `${role} may not make the tables in schema ${schema}`,
      mayCreate ? `Run backscroll migrate as their owner` : `grant create, usage on schema ${schema} to ${role}`,
    );
  }
  if (notOwned.length > 0 || !mayCreate) {
    return warn(
      `${role} reads and writes everything, and cannot apply the migrations of a later version`,
      "Run backscroll migrate as the owner of the tables before you start a later version",
    );
  }
  return ok(`${role} reads, writes and migrates schema ${schema}`);
}

function examineConnections({ database, config }: Findings): Verdict | null {
  if (!database?.value) return null;
  const { pooler, capacity } = database.value;
  const { usable, maxConnections, inUse } = capacity;
  const needed = connectionsAtMost(config);
  if (pooler) {
    return ok(`up to ${needed} to the pooler; ${inUse} of ${maxConnections} of PostgreSQL are open now`);
  }
  const detail = `up to ${needed} here (DATABASE_POOL_MAX, and those that listen); PostgreSQL takes ${usable}, ${inUse} are open now`;
  const fix = `Lower DATABASE_POOL_MAX (all servers together stay under ${usable}), raise max_connections, or put PgBouncer between`;
  if (needed > usable) return fail(detail, fix);
  // Those of a service that runs already are among the open ones, so these may fit all the same.
  return inUse + needed > usable ? warn(detail, fix) : ok(detail);
}

function examinePooler({ database, config }: Findings): Verdict | null {
  const pooler = database?.value?.pooler;
  if (!pooler) return null;
  if (!pooler.isShared) return ok("in session mode, as PgBouncer's pool_mode = session");
  const { pgPrepare, databaseDirectUrl, databaseUrl } = config;
  if (pgPrepare && !pooler.keepsStatements) {
    return fail(
      "in transaction mode, and it loses prepared statements: the service does not start",
      "Set PG_PREPARE=off and DATABASE_DIRECT_URL; or PgBouncer 1.21 with max_prepared_statements = 200; or pool_mode = session",
    );
  }
  if (databaseDirectUrl === undefined || databaseDirectUrl === databaseUrl) {
    return warn(
      "in transaction mode: LISTEN does not work, so the cache is left aside",
      "Set DATABASE_DIRECT_URL to PostgreSQL itself, for migrations and for LISTEN",
    );
  }
  return ok(
    pgPrepare ? "in transaction mode, with prepared statements" : "in transaction mode, without prepared statements",
  );
}

function examineVacuum({ vacuum, migrations }: Diagnosis): Verdict | null {
  const { isAutomatic, tables, oldestTransactionS, transactionAge } = vacuum;
  if (!isAutomatic) return warn("autovacuum is off: tables grow and plans age", "Set autovacuum = on in PostgreSQL");
  if (transactionAge > TRANSACTION_AGE_MAX) {
    return warn(
      `no row was frozen for ${transactionAge.toLocaleString("en")} transactions: PostgreSQL stops at 2,000,000,000`,
      "vacuum (freeze), and look for what keeps autovacuum from it: old transactions, replication slots",
    );
  }
  if (oldestTransactionS !== null && oldestTransactionS > OLD_TRANSACTION_S) {
    return warn(
      `a transaction is open for ${Math.round(oldestTransactionS / 60)} minutes: nothing is cleaned up meanwhile`,
      "select pid, application_name, state from pg_stat_activity order by xact_start; then pg_terminate_backend(pid)",
    );
  }
  const bloated = tables.filter(({ live, dead }) => dead > DEAD_ROWS_MIN && dead > live / 2);
  if (bloated.length > 0) {
    return warn(
      bloated
        .map(
          ({ name, dead, live }) =>
            `${name}: ${dead.toLocaleString("en")} dead rows, ${live.toLocaleString("en")} live`,
        )
        .join("; "),
      `vacuum (analyze) ${bloated.map(({ name }) => name).join(", ")}`,
    );
  }
  return migrations.applied === 0 ? null : ok("autovacuum is on and keeps up");
}

/** What PostgreSQL or the way to it says, and what to do. */
const FIXES: readonly (readonly [pattern: RegExp, fix: string])[] = [
  [/ECONNREFUSED|ENOENT/, "Start PostgreSQL, or correct the host and port in $"],
  [/ENOTFOUND|EAI_AGAIN/, "Correct the host name in $: it is not found"],
  [/28P01|28000/, "Correct the user and password in $, or the server's pg_hba.conf"],
  [/3D000/, "createdb the database that $ names, or correct the name"],
  [/53300/, "PostgreSQL has no connection left: lower DATABASE_POOL_MAX of its clients, or raise max_connections"],
  [/57P03/, "PostgreSQL is starting or stopping: wait and try again"],
  [/42501/, "Grant the user of $ connect on the database"],
  [/SSL|TLS|CERT/i, "Correct sslmode in $; a private certificate authority: NODE_EXTRA_CA_CERTS=/path/to/ca.pem"],
  [
    /no answer|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/,
    "Is PostgreSQL frozen, or a firewall between? Try: pg_isready -h <host> -p <port>",
  ],
];

function fixOf(error: unknown, variable: string): string {
  const text =
    error instanceof Error ? `${"code" in error ? String(error.code) : ""} ${errorMessage(error)}` : String(error);
  const fix = FIXES.find(([pattern]) => pattern.test(text))?.[1] ?? "Check that PostgreSQL runs, and $";
  return fix.replaceAll("$", variable);
}
