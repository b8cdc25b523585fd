import { spawn } from "node:child_process";
import { once } from "node:events";
import { type SerializedError, startVitest } from "vitest/node";

/** Everything that must hold: `npm test`. The last line counts tests and checks together. */
const CHECKS: readonly (readonly [name: string, ...command: string[]])[] = [
  ["format", "oxfmt", "--check"],
  ["lint and room rules", "oxlint", "--type-aware", "--deny-warnings"],
  ["types", "npm", "run", "--silent", "types"],
  ["dead code", "knip"],
];

/** What has passed or not, tests and checks together. */
const counts = { passed: 0, failed: 0, skipped: 0 };

/** What failed, told once more below all that passed: the end of a long output is what is kept and read. */
const failures: string[] = [];

/**
 * @param what the check, or the file and name of the test
 * @param errors as vitest tells them
 */
function fail(what: string, errors: readonly SerializedError[]): void {
  counts.failed += 1;
  failures.push([what, ...errors.map(({ message, stack }) => stack ?? message)].join("\n"));
}

async function run(command: readonly string[]): Promise<boolean> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { stdio: "inherit" });
  const [status] = (await once(child, "close")) as [number | null];
  return status === 0;
}

/**
 * @param filters of files; none: all of them
 * @param options of vitest
 */
async function runTests(filters: string[], options: { exclude?: string[]; maxWorkers?: number }): Promise<void> {
  process.exitCode = 0;
  const vitest = await startVitest("test", filters, { watch: false, ...options });
  const failedBefore = counts.failed;
  for (const module of vitest.state.getTestModules()) {
    for (const test of module.children.allTests()) {
      const { state, errors = [] } = test.result();
      if (state === "failed") fail(`${module.relativeModuleId}: ${test.fullName}`, errors);
      else counts[state === "passed" ? "passed" : "skipped"] += 1;
    }
    for (const suite of module.children.allSuites())
      if (suite.errors().length > 0) fail(`${module.relativeModuleId}: ${suite.fullName}`, suite.errors());
    if (module.errors().length > 0) fail(module.relativeModuleId, module.errors());
  }
  const outside = vitest.state.getUnhandledErrors() as SerializedError[];
  if (outside.length > 0) fail("outside of any test", outside);
  // No file that matched, a worker that did not come up: red, and nothing of the above.
  if (process.exitCode !== 0 && counts.failed === failedBefore)
    fail(`vitest ${filters.join(" ")}: see its own output above`, []);
}

for (const [name, ...command] of CHECKS) {
  const startedAt = performance.now();
  const green = await run(command);
  if (green) counts.passed += 1;
  else fail(`${name}: see its own output above`, []);
  process.stdout.write(`${green ? "✓" : "✗"} ${name} (${Math.round(performance.now() - startedAt)} ms)\n`);
}
await runTests([], { exclude: ["packages/web/**"] });
// Those with a browser run one file at a time: two would take a small machine's cores from each other.
await runTests(["packages/web/"], { maxWorkers: 1 });

for (const failure of failures) process.stdout.write(`\n✗ ${failure}\n`);
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
// Not left to what still holds the process: its verdict is the last line.
process.exit(counts.failed === 0 ? 0 : 1);
