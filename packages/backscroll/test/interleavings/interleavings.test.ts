import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startRedis } from "../redis-server.ts";
import { BOUNDS } from "./bounds.ts";
import { COUNTS } from "./counts.ts";
import { exploreScenario } from "./explore-scenario.ts";
import { GUARDS } from "./guards.ts";
import { type CodeUnderTest, type Lab, openLab, PROJECT } from "./lab.ts";
import { loadWithout, PACKAGE, takeOut } from "./load-without.ts";
import { SCENARIOS } from "./scenarios/scenarios.ts";

/** `INTERLEAVINGS=all` runs the large sets too: two minutes more. */
const isAll = process.env["INTERLEAVINGS"] === "all";

async function openTestLab(code: CodeUnderTest): Promise<Lab> {
  const { url } = await startRedis();
  const lab = await openLab(code, url);
  onTestFinished(() => lab.close());
  return lab;
}

test("no order of the steps of a few people and mishaps makes the cache lie", { timeout: 300_000 }, async () => {
  const lab = await openTestLab(PROJECT);
  const chosen = [...SCENARIOS].filter(([, { isLarge = false }]) => isAll || !isLarge);
  const counts: Record<string, number> = {};
  for (const [name, scenario] of chosen) {
    const { interleavings, failure } = await exploreScenario(lab, scenario);
    expect(failure, `${name}: ${failure?.reason}\n  ${failure?.steps.join("\n  ")}`).toBeNull();
    counts[name] = interleavings;
  }
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const lines = Object.entries(counts).map(([name, count]) => `${String(count).padStart(7)}  ${name}`);
  process.stdout.write(`${lines.join("\n")}\n${String(total).padStart(7)}  interleavings ran\n`);
  // Fewer: something is not tried any more. More: a step was added, and its orders are tried.
  expect(counts).toEqual(Object.fromEntries(chosen.map(([name]) => [name, COUNTS[name]])));
});

test.for(BOUNDS)("what no order can show, another test does: $file: $what", ({ test: [file, name] }) => {
  expect(readFileSync(join(PACKAGE, "test", file), "utf8")).toContain(`"${name}"`);
});

test("the interleavings find a guard's removal", { timeout: 60_000 }, async () => {
  const guard = GUARDS.find(({ file, guard }) => file === "lua/append.lua" && guard === "an append drops the lease");
  if (!guard) throw new Error("the guard has another name");
  const directory = mkdtempSync(join(tmpdir(), "backscroll-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const lab = await openTestLab(await loadWithout(guard, directory));
  const scenario = SCENARIOS.get("a writer and a reader of a cold conversation");
  if (!scenario) throw new Error("the scenario has another name");
  const { failure } = await exploreScenario(lab, scenario);
  expect(failure?.reason).toMatch(/was shown|cached is/);
});

test.for(GUARDS)("the mutation run can still take it out: $file: $guard", ({ file, edits }) => {
  expect(() => takeOut(readFileSync(join(PACKAGE, file), "utf8"), edits)).not.toThrow();
});
