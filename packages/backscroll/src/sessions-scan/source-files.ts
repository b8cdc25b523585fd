import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import ignore, { type Ignore } from "ignore";

/** What belongs to a package manager or a build, ignored or not. */
const NOT_SOURCE = new Set(
  (
    "node_modules bower_components .git .hg .svn .venv venv env site-packages __pycache__ .tox .nox .mypy_cache " +
    ".pytest_cache .eggs dist build out .next .nuxt .svelte-kit .turbo .yarn coverage vendor .idea .vscode"
  ).split(" "),
);

interface Rules {
  /** relative to the scanned directory, ends in `/` unless empty */
  readonly below: string;
  readonly ignore: Ignore;
}

/**
 * The files with these extensions below a directory, sorted, without what its `.gitignore` files leave out. A link is not
 * followed.
 *
 * @param problem hears of what cannot be read
 */
export async function findSourceFiles(
  directory: string,
  extensions: ReadonlySet<string>,
  problem: (file: string, what: string) => void,
): Promise<string[]> {
  const found: string[] = [];
  const visit = async (below: string, rules: readonly Rules[]): Promise<void> => {
    const own = await rulesOf(directory, below);
    const all = own ? [...rules, own] : rules;
    let entries;
    try {
      entries = await readdir(join(directory, below), { withFileTypes: true });
    } catch (error) {
      if (below === "") throw error;
      return problem(below, `cannot be read: ${(error as NodeJS.ErrnoException).code}`);
    }
    for (const entry of entries) {
      const path = below + entry.name;
      const isFolder = entry.isDirectory();
      if (isFolder ? NOT_SOURCE.has(entry.name) : !extensions.has(extname(entry.name)) || !entry.isFile()) continue;
      if (isIgnored(isFolder ? `${path}/` : path, all)) continue;
      if (isFolder) await visit(`${path}/`, all);
      else found.push(path);
    }
  };
  await visit("", []);
  return found.toSorted();
}

async function rulesOf(directory: string, below: string): Promise<Rules | null> {
  try {
    const text = await readFile(join(directory, below, ".gitignore"), "utf8");
    return { below, ignore: ignore().add(text) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    // A folder that cannot be read is told when it is listed.
    if (code === "EACCES") return null;
    throw error;
  }
}

/** The innermost file that says something has the last word, as git has it. */
function isIgnored(path: string, rules: readonly Rules[]): boolean {
  for (const { below, ignore } of rules.toReversed()) {
    const { ignored, unignored } = ignore.test(path.slice(below.length));
    if (ignored || unignored) return ignored;
  }
  return false;
}
