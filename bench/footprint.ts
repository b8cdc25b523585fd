import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { commitText, machineText, today } from "./conditions.ts";
import { measureMemory } from "./footprint/memory.ts";
import { measureStartUp } from "./footprint/start-up.ts";
import { targetTable } from "./report.ts";
import { writeResults } from "./results.ts";

/** How long the service takes to start, and how much memory it needs: `npm run bench:footprint`, some five minutes. */
const { values: flags } = parseArgs({ options: { runs: { type: "string", default: "3" } } });
const runs = Number(flags.runs);
if (!Number.isInteger(runs) || runs < 1) {
  process.stderr.write("--runs must be a whole number from 1\n");
  process.exit(2);
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
const dataDir = mkdtempSync(join(tmpdir(), "backscroll-bench-"));
process.once("exit", () => rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 }));
chmodSync(dataDir, 0o755);

const memory = await measureMemory(runs, dataDir);
const startUp = await measureStartUp(runs);
const markdown = [
  "## Start-up and memory",
  `Written by \`npm run bench:footprint\`: ${today()}, ${commitText()}; ${machineText()}; Node ${process.versions.node}.`,
  ...[startUp, memory].flatMap(({ title, text }) => [`### ${title}`, text]),
  targetTable(memory.targets ?? []),
  "",
].join("\n\n");
process.stdout.write(markdown);
writeResults("footprint", markdown);
