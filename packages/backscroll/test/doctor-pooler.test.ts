import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { serverAccount } from "../src/postgres/embedded-binaries.ts";
import { startEmbeddedPostgres } from "../src/postgres/embedded.ts";
import { SLOW, doctor } from "./doctor-fixture.ts";
import { findProgram } from "./find-program.ts";
import { freePort } from "./free-port.ts";
import { temporaryDirectory } from "./service-process.ts";

/** @returns the URL of a PgBouncer in this mode, in front of a PostgreSQL of its own; both end with the test */
async function startPooled(mode: "transaction" | "session"): Promise<{ url: string; directUrl: string }> {
  const program = findProgram({
    names: ["pgbouncer"],
    debianPackage: "pgbouncer",
    otherwise: "brew install pgbouncer",
  });
  const directory = temporaryDirectory();
  const postgres = await startEmbeddedPostgres({ dataDir: join(directory, "data") });
  onTestFinished(() => postgres.stop());
  const port = await freePort();
  const file = join(directory, "pgbouncer.ini");
  const lines = [
    "[databases]",
    `backscroll = host=${postgres.socketDirectory} user=backscroll`,
    "[pgbouncer]",
    "listen_addr = 127.0.0.1",
    `listen_port = ${port}`,
    "unix_socket_dir =",
    "auth_type = any",
    `auth_file = ${file}`,
    `pool_mode = ${mode}`,
  ];
  writeFileSync(file, lines.join("\n"));
  // It refuses to run as root.
  const child = spawn(program, [file], { ...serverAccount(), cwd: "/", stdio: "ignore" });
  const ended = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  const url = `postgresql://backscroll@127.0.0.1:${port}/backscroll`;
  const isUp = async (): Promise<boolean> => {
    const client = new pg.Client({ connectionString: url });
    client.on("error", () => undefined);
    try {
      await client.connect();
      return true;
    } catch {
      return false;
    } finally {
      await client.end();
    }
  };
  await expect.poll(isUp, { timeout: 10_000 }).toBe(true);
  return { url, directUrl: postgres.connectionString };
}

test("PgBouncer in transaction mode is found out, and told what to set", SLOW, async () => {
  const { url, directUrl } = await startPooled("transaction");
  const told = await doctor({ DATABASE_URL: url });
  expect(told.check("pooler")?.detail).toContain("in transaction mode");
  expect(told.check("pooler")?.fix).toContain("DATABASE_DIRECT_URL");
  expect(told.check("postgres-tls")).toBeUndefined();
  // Whatever was tried, the connection that was lent is as it was.
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query("select name from pg_prepared_statements where name like 'backscroll_doctor%'");
  await client.end();
  expect(rows).toEqual([]);
  expect((await doctor({ DATABASE_URL: directUrl })).check("pooler")).toBeUndefined();
});

test("PgBouncer in session mode is as good as PostgreSQL itself", SLOW, async () => {
  const { url } = await startPooled("session");
  expect((await doctor({ DATABASE_URL: url })).check("pooler")).toMatchObject({
    status: "ok",
    detail: expect.stringContaining("in session mode") as string,
  });
});
