import { createHash } from "node:crypto";
import pg from "pg";
import { errorMessage } from "../domain/errors.ts";
import { checkGuideTables, type GuideTables } from "./guide-inspection.ts";
import type { GuideUrl } from "./guide-url.ts";
import { describeConnection, type Queryable } from "./pool.ts";

/** Why the guide's tables cannot be read. */
export class GuideSourceError extends Error {
  override readonly name = "GuideSourceError";
  /** `unreachable`: no connection, or none any more */
  readonly kind: "unreachable" | "unusable";

  constructor(kind: GuideSourceError["kind"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** The guide's tables as they were when the snapshot was taken. */
export interface GuideSource extends Queryable {
  /** database, host and schema, for people; no password */
  readonly description: string;
  /** the same whenever these tables are opened, by whichever address; says nothing of where they are */
  readonly fingerprint: string;
  readonly tables: GuideTables;
  close(): Promise<void>;
}

/**
 * Opens the guide's tables for reading, in one transaction until it is closed: everything is read as of one moment,
 * through a pooler in transaction mode, too. It writes nothing and locks nobody's reads or writes. As while `pg_dump`
 * runs, vacuum keeps what is deleted meanwhile.
 *
 * @throws {GuideSourceError}
 */
export async function openGuide({ connectionString, schema, connectTimeoutMs }: GuideUrl): Promise<GuideSource> {
  const client = new pg.Client({
    connectionString,
    connectionTimeoutMillis: connectTimeoutMs,
    application_name: "backscroll import guide",
    keepAlive: true,
  });
  client.on("error", () => undefined); // the statement under way, or the next one, fails with it
  const run = async <Row extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<Row[]> => {
    try {
      return (await client.query<Row>(text, [...values])).rows;
    } catch (error) {
      throw toSourceError(error);
    }
  };
  let last: Promise<unknown> = Promise.resolve();
  // One connection, one statement at a time.
  const query = <Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> => {
    const next = last.then(() => run<Row>(text, values));
    last = next.catch(() => undefined);
    return next;
  };
  try {
    await client.connect().catch((error: unknown) => {
      throw new GuideSourceError("unreachable", `cannot connect to it: ${errorMessage(error)}`, { cause: error });
    });
    await query("begin isolation level repeatable read, read only");
    await query(SESSION, [schema]);
    const tables = await checkGuideTables({ query: ({ text, values }) => query(text, values) }).catch(
      (error: unknown) => {
        throw error instanceof GuideSourceError
          ? error
          : new GuideSourceError("unusable", errorMessage(error), { cause: error });
      },
    );
    const description = `${describeConnection(connectionString)}, schema ${tables.schema}`;
    return {
      tables,
      description,
      fingerprint: await fingerprintOf(query, { schema: tables.schema, description }),
      query: ({ text, values }) => query(text, values),
      close: () => client.end(),
    };
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

/** A pooler, a replica or another name of the host leads to the same: what a cluster is called by itself is asked for. */
async function fingerprintOf(
  query: <Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]) => Promise<Row[]>,
  { schema, description }: { schema: string; description: string },
): Promise<string> {
  const [may] = await query<{ may: boolean | null }>(
    "select has_function_privilege(to_regprocedure('pg_catalog.pg_control_system()'), 'execute') as may",
  );
  const [cluster] =
    may?.may === true
      ? await query<{ id: string; database: string }>(
          "select system_identifier::text as id, current_database() as database from pg_control_system()",
        )
      : [];
  const parts = cluster ? [cluster.id, cluster.database, schema] : [description];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);
}

/**
 * For this transaction only. A conversation of millions is a long statement, and while what was read is being stored, the
 * transaction is idle.
 */
const SESSION = `
  select set_config('search_path', coalesce(quote_ident($1::text), current_setting('search_path')), true),
         set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, YMD', true),
         (select count(set_config(name, '0', true)) from pg_settings
           where name in ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout'))`;

/** Connection, resources, operator's intervention: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const LOST = /^(08|53|57)|^25P0[34]$/;
/** A replica needed what the snapshot saw. */
const REPLICA_CONFLICT = "40001";

function toSourceError(error: unknown): GuideSourceError {
  const code = error instanceof pg.DatabaseError ? error.code : undefined;
  const isLost = code === undefined || LOST.test(code) || code === REPLICA_CONFLICT;
  const again = isLost ? ". What is here stays: run it again, and it goes on" : "";
  const message = `the guide's database: ${errorMessage(error)}${again}`;
  return new GuideSourceError(isLost ? "unreachable" : "unusable", message, { cause: error });
}
