import { cpSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Guard } from "./guards.ts";
import type { CodeUnderTest } from "./lab.ts";

export const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));

/** Loads a copy of the cache's modules and scripts without a guard. @param directory of its own, and outside the project */
export async function loadWithout({ file, edits }: Guard, directory: string): Promise<CodeUnderTest> {
  for (const part of ["src/cache", "src/domain", "lua", "package.json"]) {
    cpSync(join(PACKAGE, part), join(directory, part), { recursive: true });
  }
  symlinkSync(join(PACKAGE, "../../node_modules"), join(directory, "node_modules"));
  writeFileSync(join(directory, file), takeOut(readFileSync(join(directory, file), "utf8"), edits));
  const load = (path: string): Promise<unknown> => import(pathToFileURL(join(directory, "src/cache", path)).href);
  const modules = await Promise.all(["coherent-cache.ts", "redis/redis-cache.ts", "redis/scripts.ts"].map(load));
  return Object.assign({}, ...modules) as CodeUnderTest;
}

/** @throws when a text is not there exactly once: the source has changed, and the list of guards has not */
export function takeOut(source: string, edits: Guard["edits"]): string {
  return edits.reduce((text, [guard, without]) => {
    const [before, after, ...more] = text.split(guard);
    if (before === undefined || after === undefined || more.length > 0) throw new Error(`not there once: ${guard}`);
    return `${before}${without}${after}`;
  }, source);
}
