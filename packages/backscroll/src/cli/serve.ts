import { once } from "node:events";
import { findWebApp } from "../http/web.ts";
import { readdirSync, statSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import pc from "picocolors";
import { type Config, isAuthRequired, loadConfig } from "../config.ts";
import type { SettingName } from "../settings.ts";
import { create } from "../create.ts";
import { createLog } from "../create-log.ts";
import { isLoopback } from "../domain/loopback.ts";
import { hasUsableApiKey } from "../service/api-keys.ts";
import type { Deps } from "../service/deps.ts";
import { createHttpServer } from "./http-server.ts";
import { CommandError, EXIT, type Terminal } from "./terminal.ts";

/**
 * Runs the service until it is told to stop. SIGINT or SIGTERM: nothing new is taken, what runs is finished
 * within `DRAIN_TIMEOUT_MS`; a second one quits at once.
 */
export async function serve(
  terminal: Terminal,
  flags: Partial<Record<SettingName, string>>,
  version: string,
): Promise<void> {
  const startedAt = performance.now();
  const config = loadConfig(process.env, flags);
  if (!isLoopback(config.host) && !isAuthRequired(config)) {
    throw new CommandError(
      EXIT.usage,
      "HOST is not loopback, and there is no authentication: everybody who reaches the port would read everything. " +
        "Set JWT_SECRET (or JWT_JWKS_URL, JWT_ISSUER and JWT_AUDIENCE) to accept your users' tokens, or AUTH=required " +
        "to accept only keys of `backscroll key create`; or let HOST be 127.0.0.1",
    );
  }
  // Signals that come while it starts are not lost: it stops as soon as it has started.
  const stop = stopSignal(terminal);
  const logger = await createLog({ ...config, buffered: true });
  const backscroll = await create(config, { processMetrics: true, logger });
  const http = createHttpServer(backscroll.fetch, config);
  try {
    await listen(http.server, config.host, config.port);
    const { port } = http.server.address() as AddressInfo;
    const origin = `http://${config.host.includes(":") ? `[${config.host}]` : config.host}:${port}`;
    const { database, cache, responder, users } = backscroll.description;
    const readyMs = Math.round(performance.now() - startedAt);
    if (terminal.json)
      terminal.data(
        `${JSON.stringify({ url: origin, version, database, cache, responder, users, ready_ms: readyMs })}\n`,
      );
    const size = config.databaseUrl === undefined ? `, ${megabytes(join(config.dataDir, "postgres"))}` : "";
    terminal.say(`${pc.bold("Backscroll")} ${version}`);
    if (findWebApp() !== null) terminal.say(`  Web       ${pc.cyan(origin)}`);
    terminal.say(`  API       ${pc.cyan(`${origin}/api`)}`);
    terminal.say(`  Docs      ${pc.cyan(`${origin}/api/docs`)}`);
    terminal.say(`  Database  ${database}${size}`);
    terminal.say(`  Cache     ${cache}`);
    terminal.say(`  Model     ${responder}`);
    terminal.say(`  Users     ${users}`);
    if (backscroll.deps.cache.state === "unavailable")
      terminal.warn("the cache does not answer yet: reads are served from PostgreSQL meanwhile");
    await warnIfNobodyGetsIn(terminal, config, backscroll.deps);
    terminal.say(`Ready in ${readyMs} ms. Ctrl+C stops it.`);
    await stop.requested;
    terminal.say("Stopping: finishing what runs …");
    backscroll.drain();
    await http.close(config.drainTimeoutMs + TELLING_MS);
  } finally {
    await backscroll.close();
    stop.dispose();
  }
  terminal.say("Stopped. Everything is saved.");
  // What exports traces would go on trying, and keep the process.
  if (config.otelExporterOtlpEndpoint !== undefined) process.exit();
}

async function warnIfNobodyGetsIn(terminal: Terminal, config: Config, deps: Deps): Promise<void> {
  if (!isAuthRequired(config) || config.jwtSecret !== undefined || config.jwtJwksUrl !== undefined) return;
  if (await hasUsableApiKey(deps)) return;
  terminal.warn(
    "nobody can get in yet: there is no key. To make the first one: " +
      "backscroll key create --user you@example.com --scope admin",
  );
}

const ECHO_MS = 500;

function stopSignal(terminal: Terminal): { readonly requested: Promise<void>; dispose(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let askedAt: number | undefined;
  const onSignal = (): void => {
    const sinceMs = askedAt === undefined ? undefined : performance.now() - askedAt;
    if (sinceMs !== undefined) {
      // One Ctrl+C under npm arrives twice: from the terminal, and passed on by npm.
      if (sinceMs < ECHO_MS) return;
      terminal.say("Quit at once.");
      process.exit(EXIT.interrupted);
    }
    askedAt = performance.now();
    resolve();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  return {
    requested: promise,
    dispose: () => void process.off("SIGINT", onSignal).off("SIGTERM", onSignal),
  };
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") {
      throw new CommandError(EXIT.failed, `port ${port} is in use. Try: --port ${port + 1}`, { cause: error });
    }
    throw error;
  }
}

/** After the drain's timeout, for what was given up then to be saved, and told to whoever waits for it. */
const TELLING_MS = 2_000;

function megabytes(directory: string): string {
  let bytes = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return `${Math.round(bytes / 1_048_576)} MB`;
}
