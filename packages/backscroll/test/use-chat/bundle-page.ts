import { fileURLToPath } from "node:url";
import { build } from "vite";

/** What a site serves, by path. */
export type Files = ReadonlyMap<string, string | Uint8Array>;

/** Builds the page as its authors would ship it. Nothing is written. */
export async function bundlePage(): Promise<Files> {
  const root = fileURLToPath(new URL("page", import.meta.url));
  const output = await build({
    root,
    configFile: false,
    logLevel: "error",
    // Vitest sets NODE_ENV, which would choose React's development build.
    oxc: { jsx: { runtime: "automatic", development: false } },
    define: { "process.env.NODE_ENV": JSON.stringify("production") },
    build: { write: false, target: "esnext", rolldownOptions: { input: `${root}/page.html` } },
  });
  if (!("output" in output)) throw new Error("vite built more than one page");
  return new Map(
    output.output.map((file) => [`/${file.fileName}`, file.type === "chunk" ? file.code : file.source] as const),
  );
}
