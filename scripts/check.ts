import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Everything that must hold: `npm test`. The last line counts tests and checks together. */
const CHECKS: readonly (readonly [name: string, ...command: string[]])[] = [
  ["format", "oxfmt", "--check"],
  ["lint and room rules", "oxlint", "--type-aware", "--deny-warnings"],
  ["types", "npm", "run", "--silent", "types"],
  ["dead code", "knip"],
];

/** Those with a browser run one file at a time: two would take a small machine's cores from each other. */
const TESTS = [
  ["--exclude", "packages/web/**"],
  ["packages/web/", "--maxWorkers=1"],
];

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

async function run(command: readonly string[]): Promise<boolean> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { stdio: "inherit" });
  const [status] = (await once(child, "close")) as [number | null];
  return status === 0;
}

/** @param args which of them */
async function runTests(args: readonly string[]): Promise<Counts> {
  const directory = mkdtempSync(join(tmpdir(), "backscroll-report-"));
  const report = join(directory, "report.json");
  try {
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    const green = await run(["vitest", "run", ...reporters, ...args]);
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(
      readFileSync(report, "utf8"),
    ) as {
      numPassedTests: number;
      numFailedTests: number;
      numPendingTests: number;
      numTodoTests: number;
    };
    // A file that cannot be loaded, or an error outside of any test, fails no test: it counts as one.
    const failed = numFailedTests === 0 && !green ? 1 : numFailedTests;
    return { passed: numPassedTests, failed, skipped: numPendingTests + numTodoTests };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
for (const [name, ...command] of CHECKS) {
  const startedAt = performance.now();
  const green = await run(command);
  counts[green ? "passed" : "failed"] += 1;
  process.stdout.write(`${green ? "✓" : "✗"} ${name} (${Math.round(performance.now() - startedAt)} ms)\n`);
}
for (const args of TESTS) {
  const tests = await runTests(args);
  counts.passed += tests.passed;
  counts.failed += tests.failed;
  counts.skipped += tests.skipped;
}
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
process.exitCode = counts.failed === 0 ? 0 : 1;
