import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../packages/backscroll/src/postgres/embedded.ts";

/** The PostgreSQL measured: a cluster of this run, or schemas of this run in the one `DATABASE_URL` names. */
export interface BenchDatabase {
  /** of the schema everything but the index trade-off runs in */
  readonly url: string;
  readonly isEmbedded: boolean;
  /** the server's version and the settings a commit's price depends on */
  readonly description: string;
  /** Stops and starts the server, so that its buffers are empty. @returns false when it is not ours to restart */
  restart(): Promise<boolean>;
  /** @returns the connection string of a new, empty schema */
  readonly newSchema: (name: string) => Promise<string>;
  /** Removes everything the run made. */
  readonly close: () => Promise<void>;
}

export async function openBenchDatabase(): Promise<BenchDatabase> {
  const given = process.env["DATABASE_URL"];
  return given === undefined || given === "" ? openCluster() : openSchemas(given);
}

/** Every commit reaches the disk, as in production: only sizes differ from the embedded server's defaults. */
async function openCluster(): Promise<BenchDatabase> {
  const dataDir = mkdtempSync(join(tmpdir(), "backscroll-bench-"));
  const remove = (): void => rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 });
  process.once("exit", remove);
  chmodSync(dataDir, 0o755);
  let server: EmbeddedPostgres = await startEmbeddedPostgres({ dataDir });
  const schemas = schemasOf(server.connectionString);
  return {
    url: await schemas.newSchema("main"),
    isEmbedded: true,
    description: await describe(server.connectionString),
    async restart() {
      await server.stop();
      server = await startEmbeddedPostgres({ dataDir });
      return true;
    },
    newSchema: schemas.newSchema,
    async close() {
      await server.stop();
      process.off("exit", remove);
      remove();
    },
  };
}

async function openSchemas(given: string): Promise<BenchDatabase> {
  const schemas = schemasOf(given);
  return {
    url: await schemas.newSchema("main"),
    isEmbedded: false,
    description: await describe(given),
    restart: () => Promise.resolve(false),
    newSchema: schemas.newSchema,
    close: schemas.drop,
  };
}

interface Schemas {
  readonly newSchema: BenchDatabase["newSchema"];
  readonly drop: () => Promise<void>;
}

function schemasOf(server: string): Schemas {
  const made: string[] = [];
  return {
    async newSchema(name) {
      const schema = `backscroll_bench_${process.pid}_${name}`;
      await runSql(server, `create schema ${schema}`);
      made.push(schema);
      return withSettings(server, { search_path: schema });
    },
    async drop() {
      for (const schema of made) await runSql(server, `drop schema ${schema} cascade`);
    },
  };
}

async function describe(url: string): Promise<string> {
  const [row] = await runSql(
    url,
    `select current_setting('server_version') as version, current_setting('fsync') as fsync,
            current_setting('synchronous_commit') as synchronous_commit,
            current_setting('shared_buffers') as shared_buffers`,
  );
  return (
    `PostgreSQL ${String(row?.["version"])}, fsync ${String(row?.["fsync"])}, ` +
    `synchronous_commit ${String(row?.["synchronous_commit"])}, shared_buffers ${String(row?.["shared_buffers"])}`
  );
}

/** @returns the connection string with session settings beside those it has */
export function withSettings(url: string, settings: Readonly<Record<string, string>>): string {
  const changed = new URL(url);
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  const before = changed.searchParams.get("options");
  changed.searchParams.set("options", [...(before === null ? [] : [before]), ...options].join(" "));
  return changed.href.replaceAll("+", "%20");
}

/** Runs statements on a connection of their own. @returns the rows of the last one, when it is only one */
export async function runSql(
  url: string,
  text: string,
  values?: readonly unknown[],
): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(text, values && [...values]);
    return rows;
  } finally {
    await client.end();
  }
}
