import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { errorMessage } from "../domain/errors.ts";
import {
  type Account,
  installedPackage,
  makeOwnDirectory,
  reachableBinaries,
  serverAccount,
} from "./embedded-binaries.ts";
import { connectionTo, DATABASE, isAlive, socketDirectoryOf, USER } from "./find-embedded.ts";

/** A PostgreSQL of our own, reached through a Unix socket: no port, no password, no network. */
export interface EmbeddedPostgres {
  readonly connectionString: string;
  /** where its data is */
  readonly directory: string;
  /** what to give psql */
  readonly socketDirectory: string;
  /** Ends every connection and stops the server. */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /** holds the cluster; made when it is not there */
  readonly dataDir: string;
  /** server settings beyond the defaults, e.g. `{ fsync: "off" }` for tests */
  readonly settings?: Readonly<Record<string, string>>;
  /** true: when another Backscroll runs on the folder, use its server; stopping it is then its own business */
  readonly share?: boolean;
  /** each line PostgreSQL writes to its log */
  readonly onLog?: (line: string) => void;
}

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;

/**
 * Starts the cluster in `dataDir`, made on first use. Survives what a power cut or `kill -9` left: a half-made
 * cluster is made again, a dead server's files are cleaned up by PostgreSQL, a living one is waited for.
 *
 * The server hangs on a pipe to this process: however this process ends, the server stops after it.
 *
 * @throws {Error} saying what to do: another Backscroll uses the directory, or PostgreSQL could not start
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  // First: who has none need not hear of a folder that cannot be made, as in a container.
  installedPackage();
  const account = serverAccount();
  const dataDir = resolve(options.dataDir);
  makeOwnDirectory(dataDir, account);
  const native = reachableBinaries(dataDir, account);
  const cluster = join(dataDir, "postgres");
  const socketDirectory = makeSocketDirectory(dataDir, account);
  const connection = (database: string): string => connectionTo(socketDirectory, database);
  const owner = await claimOwnership(join(socketDirectory, "owner"));
  if (!owner) {
    if (!options.share) {
      throw new Error(`another Backscroll is running on ${dataDir}. Stop it, or choose another folder with --data-dir`);
    }
    return { connectionString: connection(DATABASE), directory: cluster, socketDirectory, stop: async () => undefined };
  }

  if (!existsSync(join(cluster, "PG_VERSION"))) initialise(native, cluster, account);

  const log: string[] = [];
  let stopping = false;
  let server: ChildProcess | undefined;
  let launching: Promise<void> = Promise.resolve();
  const launchServer = async (): Promise<void> => {
    await waitForOldServer(cluster);
    if (stopping) return;
    server = launch(native, account, {
      arguments: serverArguments(cluster, socketDirectory, options.settings ?? {}),
      onLine(line) {
        log.push(line);
        if (log.length > 50) log.shift();
        options.onLog?.(line);
      },
    });
    await waitUntilReady(server, connection("postgres"));
    server.once("exit", (status) => {
      if (stopping) return;
      options.onLog?.(`the server ended by itself, status ${status}: starting it again`);
      launching = launchServer().catch((error: unknown) =>
        options.onLog?.(`starting again failed: ${errorMessage(error)}`),
      );
    });
  };
  const stopAll = async (): Promise<void> => {
    stopping = true;
    await stop(server);
    await launching;
    await stop(server);
    owner.close();
  };
  try {
    await launchServer();
    await createDatabase(connection("postgres"));
  } catch (error) {
    await stopAll();
    throw new Error(
      `the embedded PostgreSQL in ${cluster} did not start: ${errorMessage(error)}\n${log.slice(-15).join("\n")}`,
      { cause: error },
    );
  }
  return { connectionString: connection(DATABASE), directory: cluster, socketDirectory, stop: stopAll };
}

/** Upper and lower case of all letters, not of ASCII's only, without a library of the system's. */
const UNICODE_CASE = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"];

/** Made aside and moved into place: a cluster is whole or not there. */
function initialise(native: string, cluster: string, account: Account | undefined): void {
  const unfinished = `${cluster}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  rmSync(cluster, { recursive: true, force: true });
  // LANG may be unset, and would make the cluster SQL_ASCII. Only the owner of the socket's folder gets in.
  const { status, stdout, stderr } = spawnSync(
    join(native, "bin", "initdb"),
    [
      "-D",
      unfinished,
      "-U",
      USER,
      "--auth=trust",
      "--encoding=UTF8",
      "--locale=C",
      ...UNICODE_CASE,
      "--no-instructions",
    ],
    { ...account, cwd: "/", encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`PostgreSQL's initdb failed in ${unfinished}:\n${stdout}${stderr}`);
  renameSync(unfinished, cluster);
}

function makeSocketDirectory(dataDir: string, account: Account | undefined): string {
  const directory = socketDirectoryOf(dataDir);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const ours = account?.uid ?? process.getuid?.();
  if (account) chownSync(directory, account.uid, account.gid);
  if (statSync(directory).uid !== ours) throw new Error(`${directory} belongs to somebody else: remove it`);
  return directory;
}

/**
 * One Backscroll a directory: the owner listens on a socket there for as long as it lives, however it ends.
 *
 * @returns null when another one is alive
 */
async function claimOwnership(path: string): Promise<Server | null> {
  if (existsSync(path)) {
    if (await isAlive(path)) return null;
    rmSync(path, { force: true });
  }
  const server = createServer((socket) => socket.destroy());
  server.unref();
  return new Promise((done, fail) => {
    server.once("error", (error: NodeJS.ErrnoException) => (error.code === "EADDRINUSE" ? done(null) : fail(error)));
    server.listen(path, () => done(server));
  });
}

function serverArguments(
  cluster: string,
  socketDirectory: string,
  settings: Readonly<Record<string, string>>,
): string[] {
  const all = {
    listen_addresses: "",
    unix_socket_directories: socketDirectory,
    unix_socket_permissions: "0700",
    max_connections: "200",
    shared_buffers: "128MB",
    // What a statement runs into is told to whoever sent it. Here it would quote rows, which no log of ours does.
    log_min_messages: "log",
    log_min_error_statement: "panic",
    log_error_verbosity: "terse",
    log_parameter_max_length: "0",
    log_parameter_max_length_on_error: "0",
    ...settings,
  };
  return ["-D", cluster, ...Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
}

/**
 * A shell stands between us and the server. It reads a pipe that only we hold: when we are gone, killed or
 * not, the read ends and the server gets SIGINT, its "fast" shutdown. Its own session keeps a Ctrl+C in the
 * terminal from stopping the database before the requests in flight are answered.
 */
const GUARD = `"$@" 3<&- & server=$!
(read -r _ <&3; while kill -INT $server 2>/dev/null; do sleep 0.2; done) & reader=$!
exec 3<&-
wait $server; status=$?
kill $reader 2>/dev/null
exit $status`;

function launch(
  native: string,
  account: Account | undefined,
  { arguments: args, onLine }: { arguments: string[]; onLine: (line: string) => void },
): ChildProcess {
  const child = spawn("/bin/sh", ["-c", GUARD, "sh", join(native, "bin", "postgres"), ...args], {
    ...account,
    cwd: "/",
    detached: true,
    stdio: ["ignore", "ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_MESSAGES: "C", TZ: "UTC" },
  });
  let rest = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  });
  // The pipe breaks when the server ends; that is reported by the exit.
  child.stdio[3]?.on("error", () => undefined);
  return child;
}

async function waitUntilReady(server: ChildProcess, connectionString: string): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    if (server.exitCode !== null) throw new Error(`it exited with status ${server.exitCode}`);
    const client = new pg.Client({ connectionString });
    client.on("error", () => undefined); // a server that is only starting closes connections; the next try tells
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await delay(20);
    }
  }
}

async function createDatabase(connectionString: string): Promise<void> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    const { rowCount } = await client.query("select from pg_database where datname = $1", [DATABASE]);
    if (rowCount === 0) await client.query(`create database ${DATABASE}`);
  } finally {
    await client.end();
  }
}

async function stop(server: ChildProcess | undefined): Promise<void> {
  if (!server || server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, "exit");
  server.stdio[3]?.destroy();
  await ended;
}

/**
 * After `kill -9` of its Backscroll an old server is still ending; one that ended without cleaning up left its
 * lock file, which PostgreSQL would take for a living one's if another process got its number since.
 */
async function waitForOldServer(cluster: string): Promise<void> {
  const lockFile = join(cluster, "postmaster.pid");
  const deadline = Date.now() + STOP_TIMEOUT_MS;
  while (existsSync(lockFile)) {
    const pid = Number(readFileSync(lockFile, "utf8").split("\n", 1)[0]);
    if (!mayServe(pid, cluster)) {
      rmSync(lockFile, { force: true });
      return;
    }
    if (Date.now() > deadline) {
      throw new Error(`an older PostgreSQL (process ${pid}) still holds ${cluster}. Stop it with: kill -INT ${pid}`);
    }
    await delay(20);
  }
}

/** @returns false only when it is certain: there is no such process, or it is another program */
function mayServe(pid: number, cluster: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
  }
  // A slim image may have no ps.
  const { stdout, error } = spawnSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8" });
  if (!error) return stdout.includes(cluster);
  const commandLine = `/proc/${pid}/cmdline`;
  return !existsSync(commandLine) || readFileSync(commandLine, "utf8").includes(cluster);
}
