import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { findChromium } from "./find-chromium.ts";
import { findRedisServer } from "./find-redis.ts";
import { buildWeb } from "../../../scripts/build-web.ts";
import { startEmbeddedPostgres } from "../src/postgres/embedded.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** the PostgreSQL server of this run */
    databaseUrl: string;
    /** the program that starts a Redis */
    redisServer: string;
  }
}

const PREFIX = "backscroll-test-";

/** Finds a Redis to start, and one PostgreSQL for the whole run: `DATABASE_URL`, or a cluster of our own that goes when the run ends. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await buildWeb();
  // Installed before any test has to be in time.
  findChromium();
  project.provide("redisServer", findRedisServer());
  const given = process.env["DATABASE_URL"];
  // Every test says itself what it wants of the environment.
  for (const name of ["DATABASE_URL", "MODEL", "RESPONDER_URL", "BACKSCROLL_DATA_DIR"]) delete process.env[name];
  if (given !== undefined && given !== "") {
    project.provide("databaseUrl", given);
    return async () => undefined;
  }
  removeLeftovers();
  const dataDir = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
  chmodSync(dataDir, 0o755);
  const postgres = await startEmbeddedPostgres({
    dataDir,
    settings: { fsync: "off", full_page_writes: "off", synchronous_commit: "off" },
  });
  project.provide("databaseUrl", postgres.connectionString);
  return async () => {
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
}

/** A run that was killed could not remove its cluster; its PostgreSQL has stopped by itself. */
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1]);
    if (Number.isInteger(pid) && !isAlive(pid)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
