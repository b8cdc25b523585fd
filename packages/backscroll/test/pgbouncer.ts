import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { serverAccount } from "../src/postgres/embedded-binaries.ts";
import { findPgBouncer } from "./find-pgbouncer.ts";
import { freePort } from "./free-port.ts";

export interface PgBouncer {
  /** leads to the database through it */
  readonly url: string;
  stop(): Promise<void>;
}

/** It takes no `options` from its clients: the schema is set on its own connections. */
function databaseLine(directUrl: string): string {
  const { host, port, database = "", user = "", password } = new pg.Client({ connectionString: directUrl });
  const schema = /search_path=(\w+)/.exec(new URL(directUrl).searchParams.get("options") ?? "")?.[1];
  const parts = {
    host,
    port: String(port),
    dbname: database,
    user,
    ...(typeof password === "string" && password !== "" && { password }),
    ...(schema !== undefined && { connect_query: `set search_path to ${schema}` }),
  };
  return Object.entries(parts)
    .map(([name, value]) => `${name}='${value.replaceAll("'", "''")}'`)
    .join(" ");
}

/**
 * Starts one in front of a database, with few connections, so that its clients take turns with them. It refuses to run as
 * root: then it runs as PostgreSQL does.
 *
 * @param settings go before what is chosen here
 */
export async function startPgBouncer(
  directUrl: string,
  settings: Readonly<Record<string, string | number>> = {},
): Promise<PgBouncer> {
  const directory = mkdtempSync(join(tmpdir(), `backscroll-test-${process.pid}-`));
  chmodSync(directory, 0o755);
  const port = await freePort();
  const chosen = {
    listen_addr: "127.0.0.1",
    listen_port: port,
    unix_socket_dir: "",
    auth_type: "any",
    pool_mode: "transaction",
    default_pool_size: 4,
    max_client_conn: 500,
    ...settings,
  };
  const lines = Object.entries(chosen).map(([name, value]) => `${name} = ${value}`);
  const file = join(directory, "pgbouncer.ini");
  writeFileSync(file, ["[databases]", `pooled = ${databaseLine(directUrl)}`, "[pgbouncer]", ...lines, ""].join("\n"));
  const account = serverAccount();
  const child = spawn(findPgBouncer(), [file], { stdio: ["ignore", "ignore", "pipe"], cwd: directory, ...account });
  const ended = once(child, "exit");
  const ready = Promise.withResolvers<void>();
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    log += text;
    if (log.includes("process up")) ready.resolve();
  });
  child.stderr.on("end", () => ready.reject(new Error(`PgBouncer did not start: ${log}`)));
  await ready.promise;
  return {
    url: `postgresql://backscroll@127.0.0.1:${port}/pooled`,
    async stop() {
      child.kill("SIGKILL");
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
