import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import pc from "picocolors";
import { type Config, isAuthRequired } from "../config.ts";
import type { BackscrollInternals } from "../create.ts";
import { findWebApp } from "../http/web.ts";
import { hasUsableApiKey } from "../service/api-keys.ts";
import type { Terminal } from "./terminal.ts";

/** What a service says of itself when it is ready. */
export interface Introduction {
  readonly port: number;
  readonly description: BackscrollInternals["description"];
  readonly warnings: readonly string[];
}

export async function introduce(
  { description, deps }: BackscrollInternals,
  config: Config,
  port: number,
): Promise<Introduction> {
  const warnings: string[] = [];
  if (deps.cache.state === "unavailable")
    warnings.push("the cache does not answer yet: reads are served from PostgreSQL meanwhile");
  const keysOnly = isAuthRequired(config) && config.jwtSecret === undefined && config.jwtJwksUrl === undefined;
  if (keysOnly && !(await hasUsableApiKey(deps))) {
    warnings.push(
      "nobody can get in yet: there is no key. To make the first one: " +
        "backscroll key create --user you@example.com --scope admin",
    );
  }
  return { port, description, warnings };
}

export interface BannerOptions {
  readonly version: string;
  readonly readyMs: number;
}

export function announceReady(
  terminal: Terminal,
  config: Config,
  { port, description, warnings }: Introduction,
  { version, readyMs }: BannerOptions,
): void {
  const origin = `http://${config.host.includes(":") ? `[${config.host}]` : config.host}:${port}`;
  const { database, cache, responder, users } = description;
  const { workers } = config;
  if (terminal.json) {
    const ready = { url: origin, version, database, cache, responder, users, workers, ready_ms: readyMs };
    terminal.data(`${JSON.stringify({ ...ready, pid: process.pid })}\n`);
  }
  const size = config.databaseUrl === undefined ? `, ${megabytes(join(config.dataDir, "postgres"))}` : "";
  terminal.say(`${pc.bold("Backscroll")} ${version}`);
  if (findWebApp() !== null) terminal.say(`  Web       ${pc.cyan(origin)}`);
  terminal.say(`  API       ${pc.cyan(`${origin}/api`)}`);
  terminal.say(`  Docs      ${pc.cyan(`${origin}/api/docs`)}`);
  terminal.say(`  Database  ${database}${size}`);
  terminal.say(`  Cache     ${cache}`);
  terminal.say(`  Model     ${responder}`);
  terminal.say(`  Users     ${users}`);
  if (workers > 1) terminal.say(`  Workers   ${workers}; kill -HUP ${process.pid} restarts them one by one`);
  for (const warning of warnings) terminal.warn(warning);
  terminal.say(`Ready in ${readyMs} ms. Ctrl+C stops it.`);
}

function megabytes(directory: string): string {
  let bytes = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return `${Math.round(bytes / 1_048_576)} MB`;
}
