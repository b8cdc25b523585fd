import { BOUNDS } from "./bounds.ts";
import { COUNTS } from "./counts.ts";
import type { Failure } from "./explorer.ts";
import type { Guard } from "./guards.ts";

/** What goes wrong without a guard. */
export interface Caught {
  readonly guard: Guard;
  readonly scenario: string;
  readonly failure: Failure;
}

/** @returns docs/cache-mutations.md */
export function toMarkdown(found: readonly Caught[]): string {
  const total = Object.values(COUNTS).reduce((sum, count) => sum + count, 0);
  const guards = found.map(({ guard: { file, guard }, scenario, failure: { steps, reason } }) => [
    code(file),
    guard,
    scenario,
    steps.join(" → "),
    reason,
  ]);
  const bounds = BOUNDS.map(({ file, what, without, test: [testFile, name] }) => [
    code(file),
    what,
    without,
    `${code(testFile)}: ${name}`,
  ]);
  return [
    "<!-- npm run test:mutations writes this file. -->",
    "",
    "# What each guard of the cache is for",
    "",
    `${Object.keys(COUNTS).length} sets of a few writers, readers and mishaps have ${thousands(total)} orders of their steps. With the`,
    "cache as it is, none of them shows anybody anything that PostgreSQL did not say (`packages/backscroll/test/interleavings`,",
    "over the real scripts in a real Redis). Below, one guard at a time was taken out of a copy of the sources, and this is an",
    "order of steps that then went wrong.",
    "",
    "`begins` is the moment a read is asked for; `is answered` that of a change being acknowledged: whoever begins after",
    "it has to be shown it. A and B are two servers. A call that `fails` fails for its caller.",
    "",
    table(["file", "without", "of", "this order of steps goes wrong", "in that"], guards),
    "",
    "## Not a matter of order",
    "",
    "These bound time, memory or work. Without them the cache says the same.",
    "",
    table(["file", "what", "without it", "test"], bounds),
    "",
  ].join("\n");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function code(text: string): string {
  return `\`${text}\``;
}

function thousands(count: number): string {
  return count.toLocaleString("en-US");
}
