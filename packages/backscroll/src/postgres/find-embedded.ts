import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const USER = "backscroll";
export const DATABASE = "backscroll";
/** The kernel's limit for a socket's path, less PostgreSQL's own file name. */
const SOCKET_DIRECTORY_BYTES_MAX = 80;

/** What is in a data folder, found without touching anything. */
export interface FoundEmbedded {
  readonly directory: string;
  /** the major version that made the cluster; null: there is none yet */
  readonly madeBy: string | null;
  /** of the server that a Backscroll runs on it now; null: none does */
  readonly connectionString: string | null;
}

export async function findEmbeddedPostgres(dataDir: string): Promise<FoundEmbedded> {
  const directory = join(resolve(dataDir), "postgres");
  const socketDirectory = socketDirectoryOf(resolve(dataDir));
  const version = join(directory, "PG_VERSION");
  return {
    directory,
    madeBy: existsSync(version) ? readFileSync(version, "utf8").trim() : null,
    connectionString: (await isAlive(join(socketDirectory, "owner"))) ? connectionTo(socketDirectory, DATABASE) : null,
  };
}

export function connectionTo(socketDirectory: string, database: string): string {
  return `postgresql://${USER}@localhost/${database}?host=${encodeURIComponent(socketDirectory)}`;
}

export function socketDirectoryOf(dataDir: string): string {
  const beside = join(dataDir, "socket");
  return Buffer.byteLength(beside) <= SOCKET_DIRECTORY_BYTES_MAX
    ? beside
    : join(tmpdir(), `backscroll-${createHash("sha256").update(dataDir).digest("hex").slice(0, 16)}`);
}

/** @returns whether somebody listens on this socket */
export function isAlive(path: string): Promise<boolean> {
  return new Promise((answer) => {
    const probe = connect(path, () => {
      probe.destroy();
      answer(true);
    });
    probe.on("error", () => answer(false));
  });
}
