import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { serverAccount } from "../src/postgres/embedded-binaries.ts";
import { findProgram } from "./find-program.ts";
import { freePort } from "./free-port.ts";
import { temporaryDirectory } from "./service-process.ts";

const BIN = "/usr/lib/postgresql/15/bin";

/** PostgreSQL 15, the oldest that is supported, with the tools that npm's binaries do not bring. */
export interface DebianPostgres {
  readonly databaseUrl: string;
  /** @returns everything that is there, as SQL text */
  dump(): string;
}

/** Installed first where that is possible: give it five minutes. */
export function findDebianPostgres(): void {
  findProgram({
    names: [`${BIN}/postgres`],
    debianPackage: "postgresql-15",
    otherwise: `have PostgreSQL 15 in ${BIN}`,
  });
}

/** Starts a server of the test's own; it ends with the test. */
export async function startDebianPostgres(): Promise<DebianPostgres> {
  const account = serverAccount();
  const directory = join(temporaryDirectory(), "postgres");
  mkdirSync(directory);
  if (account) chownSync(directory, account.uid, account.gid);
  const port = await freePort();
  const options = { cwd: directory, ...account };
  const data = join(directory, "data");
  run([`${BIN}/initdb`, "-D", data, "-U", "postgres", "--encoding=UTF8", "--locale=C", "--no-sync"], options);
  const settings = ["listen_addresses=127.0.0.1", `unix_socket_directories=${directory}`, "fsync=off"];
  const server = spawn(`${BIN}/postgres`, ["-D", data, "-p", String(port), ...settings.flatMap((one) => ["-c", one])], {
    stdio: ["ignore", "ignore", "pipe"],
    ...options,
  });
  const ended = once(server, "exit");
  onTestFinished(async () => {
    // Immediate shutdown: its clients may be there still.
    server.kill("SIGQUIT");
    await ended;
  });
  await isReady(server.stderr);
  const databaseUrl = `postgresql://postgres@127.0.0.1:${port}/postgres`;
  return { databaseUrl, dump: () => run([`${BIN}/pg_dump`, databaseUrl], options) };
}

async function isReady(log: NodeJS.ReadableStream): Promise<void> {
  let said = "";
  const ready = Promise.withResolvers<void>();
  log.setEncoding("utf8").on("data", (text: string) => {
    said += text;
    if (said.includes("ready to accept connections")) ready.resolve();
  });
  log.on("end", () => ready.reject(new Error(`PostgreSQL did not start: ${said}`)));
  await ready.promise;
}

function run([command = "", ...args]: readonly string[], options: object): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: "utf8",
    maxBuffer: 1_073_741_824,
    ...options,
  });
  if (status !== 0) throw new Error(`${command} failed: ${error?.message ?? stderr}`);
  return stdout;
}
