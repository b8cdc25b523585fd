import pg from "pg";
import { BackscrollError, errorMessage } from "../domain/errors.ts";
import { NO_TRACER, type Tracer } from "../tracing/tracer.ts";
import { cancelStatement } from "./cancel.ts";
import { LOST_SESSION, UNPREPARED_POOLER } from "./pooler.ts";

/** A statement: text with `$n` only, prepared once a connection under its name where the pool does. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Something that runs statements: the pool, or one transaction. */
export interface Queryable {
  /** @throws {BackscrollError} database_unavailable when PostgreSQL does not answer */
  query<Row extends pg.QueryResultRow>(statement: Statement): Promise<readonly Row[]>;
}

export interface PoolOptions {
  readonly connectionString: string;
  /** connections at most, 1 or more */
  readonly max: number;
  /** how long a statement waits for a connection */
  readonly connectionTimeoutMs: number;
  /** how long PostgreSQL works on one statement */
  readonly statementTimeoutMs: number;
  /** false: behind a pooler that gives each transaction another session; see `docs/workers.md`. By default true */
  readonly prepare?: boolean;
  /** false: something in between takes no `statement_timeout` at the start, as PgBouncer. By default true */
  readonly direct?: boolean;
  /** told of connections lost while idle: the pool replaces them by itself */
  readonly onIdleError: (error: Error) => void;
  /** told of each statement when it is done */
  readonly onStatement?: OnStatement;
  /** told how long a statement or transaction waited for its connection, got or not */
  readonly onConnection?: OnConnection;
  readonly tracer?: Tracer;
}

type OnStatement = (name: string, result: "ok" | "failed", ms: number) => void;
type OnConnection = (ms: number) => void;
type Trace = <Result>(name: string, run: () => Promise<Result>) => Promise<Result>;

export interface Database extends Queryable {
  /** Runs `work` in one transaction, rolled back when it throws. */
  transaction<Result>(work: (db: Queryable) => Promise<Result>): Promise<Result>;
  /** Waits for statements under way, then disconnects. */
  close(): Promise<void>;
  /** the server's version, host and database, for people; no password */
  readonly description: string;
  readonly pool: pg.Pool;
}

/** Opens no connection yet. */
export function openDatabase(options: PoolOptions): Database {
  const { prepare = true, direct = true } = options;
  const pool = new pg.Pool({
    connectionString: options.connectionString,
    max: options.max,
    connectionTimeoutMillis: options.connectionTimeoutMs,
    ...(direct && { statement_timeout: options.statementTimeoutMs }),
    // A server that is frozen or unreachable does not time out by itself.
    query_timeout: options.statementTimeoutMs + 1_000,
    keepAlive: true,
    idleTimeoutMillis: 60_000,
    application_name: "backscroll",
  });
  pool.on("error", options.onIdleError);
  const { onStatement = () => undefined, onConnection = () => undefined } = options;
  const trace = traceStatements(options);
  const way: Way = {
    connect: connectTo(pool, onConnection, trace),
    onStatement,
    trace,
    prepare,
    cancelAfterMs: direct ? null : options.statementTimeoutMs,
  };
  return {
    pool,
    description: describeConnection(options.connectionString),
    query: (statement) => runInPool(statement, way),
    async transaction(work) {
      const client = await way.connect().catch(rethrowTranslated);
      client.on("error", reportedByStatement);
      let broken: Error | undefined;
      try {
        await client.query("begin").catch(rethrowTranslated);
        const result = await work({ query: (statement) => run(client, statement, way) });
        await way.trace("commit", () => client.query("commit")).catch(rethrowTranslated);
        return result;
      } catch (error) {
        await client.query("rollback").catch((rollbackError: Error) => {
          broken = rollbackError; // a connection that cannot roll back is thrown away
        });
        throw error;
      } finally {
        client.off("error", reportedByStatement);
        client.release(broken);
      }
    },
    close: () => pool.end(),
  };
}

const CONNECTING = "wait for a connection";

/** Only who waits is traced: for another's to be free, or for a new one. */
function connectTo(pool: pg.Pool, onConnection: OnConnection, trace: Trace): Way["connect"] {
  return async () => {
    const startedAt = performance.now();
    try {
      return await (pool.idleCount > 0 ? pool.connect() : trace(CONNECTING, () => pool.connect()));
    } finally {
      onConnection(performance.now() - startedAt);
    }
  };
}

/** By a statement's name, and never its parameters: https://opentelemetry.io/docs/specs/semconv/database/postgresql/ */
function traceStatements({ tracer = NO_TRACER, connectionString }: PoolOptions): Trace {
  if (tracer === NO_TRACER) return (_, run) => run();
  const { host, port, database } = new pg.Client({ connectionString });
  const server = { "db.system.name": "postgresql", "db.namespace": database ?? "", "server.address": host };
  const attributes = host.startsWith("/") ? server : { ...server, "server.port": port };
  return (name, run) => {
    const summary = name === CONNECTING ? {} : { "db.query.summary": name };
    return tracer.span(name, { kind: "client", attributes: { ...attributes, ...summary } }, run);
  };
}

/** Errors of statements that were never sent. */
const changedNothing = new WeakSet<Error>();

/** @returns whether the server is as good as before: it has refused this statement */
function isRefusal(error: unknown): boolean {
  return error instanceof pg.DatabaseError || (error instanceof BackscrollError && error.code === "user_erased");
}

/** @returns whether a statement that failed so may have been committed all the same */
export function mayHaveCommitted(error: unknown): boolean {
  // What PostgreSQL refuses, it has rolled back; what means that it goes away is translated.
  return !(isRefusal(error) || (error instanceof Error && changedNothing.has(error)));
}

/** How statements are sent. */
interface Way {
  readonly connect: () => Promise<pg.PoolClient>;
  readonly onStatement: OnStatement;
  readonly trace: Trace;
  readonly prepare: boolean;
  /** null: PostgreSQL itself ends what takes too long */
  readonly cancelAfterMs: number | null;
}

async function run<Row extends pg.QueryResultRow>(
  on: pg.PoolClient,
  { name, text, values }: Statement,
  { onStatement, trace, prepare, cancelAfterMs }: Way,
): Promise<readonly Row[]> {
  const startedAt = performance.now();
  const timer = cancelAfterMs === null ? undefined : setTimeout(cancelStatement, cancelAfterMs, on);
  try {
    const named = { ...(prepare && { name }), text, values: values as unknown[] };
    const { rows } = await trace(name, () => on.query<Row>(named));
    onStatement(name, "ok", performance.now() - startedAt);
    return rows;
  } catch (error) {
    onStatement(name, "failed", performance.now() - startedAt);
    throw translate(error);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * `pool.query` throws the connection away after any error. A statement that PostgreSQL refuses (a retried save
 * runs into its own id) leaves it as good as new: only a broken one goes.
 */
async function runInPool<Row extends pg.QueryResultRow>(statement: Statement, way: Way): Promise<readonly Row[]> {
  const client = await way.connect().catch((error: unknown) => {
    const translated = translate(error);
    if (translated instanceof Error) changedNothing.add(translated);
    throw translated;
  });
  client.on("error", reportedByStatement);
  let broken = false;
  try {
    return await run<Row>(client, statement, way);
  } catch (error) {
    broken = !isRefusal(error);
    throw error;
  } finally {
    client.off("error", reportedByStatement);
    client.release(broken);
  }
}

/** A lost connection fails the statement under way, which tells; the event itself would end the process. */
function reportedByStatement(): void {}

function rethrowTranslated(error: unknown): never {
  throw translate(error);
}

/** Classes of SQLSTATE that mean "not now": https://www.postgresql.org/docs/current/errcodes-appendix.html */
const UNAVAILABLE_SQLSTATES = [/^08/, /^53/, /^57/, /^58/, /^25006$/, /^55P03$/];
const UNAVAILABLE_SYSTEM_ERRORS = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOENT",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EAI_AGAIN",
]);
/** `pg` reports these without a code. */
const UNAVAILABLE_MESSAGES =
  /connection terminated|timeout exceeded when trying to connect|not queryable|after calling end on the pool|connection ended|query read timeout/i;

/** How the constraints that point at `users` are named. */
const REFERS_TO_USER = /_user_id_fkey$/;

function translate(error: unknown): unknown {
  if (error instanceof pg.DatabaseError && LOST_SESSION.has(error.code ?? "")) {
    return new BackscrollError(
      "database_unavailable",
      "PostgreSQL does not answer",
      {},
      { cause: new Error(UNPREPARED_POOLER, { cause: error }) },
    );
  }
  if (error instanceof pg.DatabaseError && error.code === "23503" && REFERS_TO_USER.test(error.constraint ?? "")) {
    // The request knew its user before.
    return new BackscrollError("user_erased", "this person was erased just now", {}, { cause: error });
  }
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
  const unavailable =
    error instanceof pg.DatabaseError
      ? UNAVAILABLE_SQLSTATES.some((pattern) => pattern.test(code ?? ""))
      : code === undefined
        ? UNAVAILABLE_MESSAGES.test(errorMessage(error))
        : UNAVAILABLE_SYSTEM_ERRORS.has(code);
  if (!unavailable) return error;
  return new BackscrollError(
    "database_unavailable",
    "PostgreSQL does not answer",
    { retryAfterSeconds: 1 },
    { cause: error },
  );
}

/** Somebody else was in the way: https://www.postgresql.org/docs/current/mvcc-serialization-failure-handling.html */
const IN_THE_WAY = new Set(["40001", "40P01"]);

/** @returns whether a statement failed because somebody else was in the way, and nothing of it has happened */
export function isInTheWay(error: unknown): boolean {
  return error instanceof pg.DatabaseError && IN_THE_WAY.has(error.code ?? "");
}

/** @returns whether a statement that failed so may succeed when it is sent again */
export function isPassing(error: unknown): boolean {
  return isInTheWay(error) || (error instanceof BackscrollError && error.code === "database_unavailable");
}

/** @returns whether a statement failed because this unique constraint holds */
export function violates(error: unknown, constraint: string): boolean {
  return error instanceof pg.DatabaseError && error.code === "23505" && error.constraint === constraint;
}

/** @returns the database, host and port, for people; no password */
export function describeConnection(connectionString: string): string {
  const { host, port, database } = new pg.Client({ connectionString });
  return host.startsWith("/") ? `${database} on ${host}` : `${database} on ${host}:${port}`;
}
