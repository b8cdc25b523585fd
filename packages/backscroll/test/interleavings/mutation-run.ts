import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findRedisServer } from "../find-redis.ts";
import { exploreScenario } from "./explore-scenario.ts";
import { type Guard, GUARDS } from "./guards.ts";
import { openLab } from "./lab.ts";
import { loadWithout, PACKAGE } from "./load-without.ts";
import { type Caught, toMarkdown } from "./mutation-report.ts";
import { SCENARIOS } from "./scenarios/scenarios.ts";
import { freePort } from "../free-port.ts";

/**
 * Takes out one guard after the other, and looks for an interleaving that then goes wrong. Writes
 * docs/cache-mutations.md; fails when there is a guard without one.
 *
 * @param pattern a part of the names of the guards to try; then nothing is written
 */
async function main(pattern: string | undefined): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "backscroll-mutations-"));
  const { child, url } = await startRedis(directory);
  try {
    const guards = GUARDS.filter(({ guard, file }) => pattern === undefined || `${file}: ${guard}`.includes(pattern));
    const results: (Caught | null)[] = [];
    for (const [index, guard] of guards.entries()) {
      const caught = await findFailure(guard, join(directory, String(index)), url);
      process.stdout.write(`${guard.file}: ${guard.guard}\n  ${caught ? describe(caught) : "NOT CAUGHT"}\n`);
      results.push(caught);
    }
    const found = results.filter((caught) => caught !== null);
    if (found.length < results.length) process.exitCode = 1;
    else if (pattern === undefined) writeFileSync(join(PACKAGE, "../../docs/cache-mutations.md"), toMarkdown(found));
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @returns null when nothing goes wrong without it */
async function findFailure(guard: Guard, directory: string, url: string): Promise<Caught | null> {
  const lab = await openLab(await loadWithout(guard, directory), url);
  try {
    for (const [scenario, plan] of SCENARIOS) {
      const { failure } = await exploreScenario(lab, plan);
      if (failure) return { guard, scenario, failure };
    }
    return null;
  } finally {
    lab.close();
  }
}

function describe({ scenario, failure: { steps, reason } }: Caught): string {
  return [`${scenario}:`, ...steps, `→ ${reason}`].join("\n  ");
}

async function startRedis(directory: string): Promise<{ child: ChildProcess; url: string }> {
  const port = await freePort();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory, "--save", ""];
  const child = spawn(findRedisServer(), args, { stdio: ["ignore", "pipe", "inherit"] });
  for await (const chunk of child.stdout) if (String(chunk).includes("Ready to accept connections")) break;
  child.stdout.resume();
  return { child, url: `redis://127.0.0.1:${port}` };
}

await main(process.argv[2]);
