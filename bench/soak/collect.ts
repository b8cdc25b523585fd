import cluster from "node:cluster";
import { appendFileSync } from "node:fs";

// Loaded into every process of a soak's service: SIGUSR2 has V8 collect its garbage, and what is left is written down.

/** What a process has after a collection, in bytes. */
export interface Kept {
  readonly rss: number;
  readonly heap: number;
}

process.on("SIGUSR2", () => {
  for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill("SIGUSR2");
  // All of it, and what is free goes back to the system, as far as V8 can tell.
  globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
  const { rss, heapUsed: heap } = process.memoryUsage();
  const file = process.env["SOAK_KEPT_FILE"];
  if (file === undefined) throw new Error("SOAK_KEPT_FILE names no file");
  appendFileSync(file, `${JSON.stringify({ rss, heap } satisfies Kept)}\n`);
});
