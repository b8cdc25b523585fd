import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, chownSync, mkdirSync } from "node:fs";
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
  /** belongs to the server's account; the cluster is in its `data` */
  readonly directory: string;
  /** @returns everything that is there, as SQL text */
  dump(): string;
  /** Runs a shell command as the server's account, in the folder, the server's programs on the PATH. @returns what it prints */
  shell(command: string): string;
  /** Stops the server, and starts it again once `meanwhile` is done, on whatever is in `data` then. */
  restart(meanwhile: () => void): Promise<void>;
}

/** Installed first where that is possible: give it five minutes. */
export function findDebianPostgres(): void {
  findProgram({
    names: [`${BIN}/postgres`],
    debianPackage: "postgresql-15",
    otherwise: `have PostgreSQL 15 in ${BIN}`,
  });
}

/**
 * Starts a server of the test's own; it ends with the test.
 *
 * @param settings lines of its configuration, e.g. `archive_mode = on`; `%directory%` stands for its folder
 */
export async function startDebianPostgres(settings: readonly string[] = []): Promise<DebianPostgres> {
  const account = serverAccount();
  const directory = join(temporaryDirectory(), "postgres");
  mkdirSync(directory);
  if (account) chownSync(directory, account.uid, account.gid);
  const port = await freePort();
  const options = { cwd: directory, ...account };
  const data = join(directory, "data");
  run([`${BIN}/initdb`, "-D", data, "-U", "postgres", "--encoding=UTF8", "--locale=C", "--no-sync"], options);
  const own = [`port = ${port}`, "listen_addresses = '127.0.0.1'", `unix_socket_directories = '${directory}'`];
  const lines = [...own, "fsync = off", ...settings].map((line) => line.replaceAll("%directory%", directory));
  appendFileSync(join(data, "postgresql.conf"), `${lines.join("\n")}\n`);
  let server = await startServer(data, options);
  onTestFinished(async () => {
    // Immediate shutdown: its clients may be there still.
    server.child.kill("SIGQUIT");
    await server.ended;
  });
  const databaseUrl = `postgresql://postgres@127.0.0.1:${port}/postgres`;
  return {
    databaseUrl,
    directory,
    dump: () => run([`${BIN}/pg_dump`, databaseUrl], options),
    shell: (command) => run(["/bin/sh", "-ec", `PATH=${BIN}:$PATH; ${command}`], options),
    async restart(meanwhile) {
      // Fast shutdown: what is committed is archived.
      server.child.kill("SIGINT");
      await server.ended;
      meanwhile();
      server = await startServer(data, options);
    },
  };
}

interface Server {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
}

async function startServer(data: string, options: object): Promise<Server> {
  const child = spawn(`${BIN}/postgres`, ["-D", data], { stdio: ["ignore", "ignore", "pipe"], ...options });
  const ended = once(child, "exit");
  await isReady(child.stderr);
  return { child, ended };
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
