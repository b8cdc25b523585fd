import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startEmbeddedPostgres } from "../../src/postgres/embedded.ts";
import { findRedisServer } from "../find-redis.ts";
import { summaryOf, tellViolations } from "./report.ts";
import { type Report, runSeed } from "./run.ts";

// npm run test:soak -- --seeds 500 --from 1 [--processes]
const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "100" },
    from: { type: "string", default: "1" },
    /** each server a process of its own */
    processes: { type: "boolean", default: false },
    /** go on after a violation */
    all: { type: "boolean", default: false },
  },
});
const [count, from] = [Number(values.seeds), Number(values.from)];
const { processes } = values;

// Ends what was started.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
const dataDir = mkdtempSync(join(tmpdir(), `backscroll-test-${process.pid}-`));
chmodSync(dataDir, 0o755);
const postgres = await startEmbeddedPostgres({
  dataDir,
  settings: { fsync: "off", full_page_writes: "off", synchronous_commit: "off" },
});
const reports: Report[] = [];
try {
  const options = { databaseUrl: postgres.connectionString, redisServer: findRedisServer(), processes };
  for (let seed = from; seed < from + count; seed += 1) {
    const report = await runSeed(seed, options);
    reports.push(report);
    const { ms, reads, changes, violations } = report;
    process.stdout.write(
      `seed ${seed}: ${(ms / 1_000).toFixed(1)} s, ${reads} reads, ${changes} changes, ${violations.length} violations\n`,
    );
    if (violations.length === 0) continue;
    process.stdout.write(`${tellViolations(report, { processes })}\n`);
    process.exitCode = 1;
    if (!values.all) break;
  }
} finally {
  await postgres.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
process.stdout.write(`${summaryOf(reports)}\n`);
