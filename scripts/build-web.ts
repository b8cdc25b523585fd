import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const WEB = join(ROOT, "packages/web");
const OUTPUT = join(WEB, "dist");
const SOURCES = [
  "index.html",
  "vite.config.ts",
  "package.json",
  "public",
  "src",
  "../client/src",
  "../../package-lock.json",
];
const BUILT = join(OUTPUT, ".built");
const COMPRESSED = new Set([".css", ".html", ".js", ".svg"]);

/** Builds the web app into `packages/web/dist`, unless what is there is newer than everything it is made of. */
export async function buildWeb(): Promise<void> {
  if (modifiedMs(BUILT) > Math.max(...SOURCES.map((source) => newestMs(join(WEB, source))))) return;
  const { build } = await import("vite");
  // Vitest sets NODE_ENV, which would choose React's development build.
  const mode = { NODE_ENV: process.env["NODE_ENV"] };
  process.env["NODE_ENV"] = "production";
  try {
    await build({ root: WEB, configFile: join(WEB, "vite.config.ts"), mode: "production", logLevel: "warn" });
  } finally {
    if (mode.NODE_ENV === undefined) delete process.env["NODE_ENV"];
    else process.env["NODE_ENV"] = mode.NODE_ENV;
  }
  for (const path of filesIn(OUTPUT)) {
    if (!COMPRESSED.has(extname(path))) continue;
    const bytes = readFileSync(path);
    writeFileSync(`${path}.br`, brotliCompressSync(bytes));
    writeFileSync(`${path}.gz`, gzipSync(bytes));
  }
  writeFileSync(BUILT, "");
}

function newestMs(path: string): number {
  if (!statSync(path).isDirectory()) return modifiedMs(path);
  return Math.max(0, ...filesIn(path).map(modifiedMs));
}

function filesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function modifiedMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

if (import.meta.main) await buildWeb();
