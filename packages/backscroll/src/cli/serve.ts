import { once } from "node:events";
import type { AddressInfo, Server } from "node:net";
import { type Config, isAuthRequired, loadConfig } from "../config.ts";
import type { SettingName } from "../settings.ts";
import { type BackscrollInternals, create } from "../create.ts";
import { isLoopback } from "../domain/loopback.ts";
import { announceReady, introduce } from "./banner.ts";
import { warnIfConnectionsDoNotFit } from "./connections.ts";
import { createHttpServer, type HttpServer } from "./http-server.ts";
import { stopSignal } from "./stop-signal.ts";
import { CommandError, EXIT, type Terminal } from "./terminal.ts";

/**
 * Runs the service until it is told to stop. SIGINT or SIGTERM: nothing new is taken, what runs is finished
 * within `DRAIN_TIMEOUT_MS`; a second one quits at once. With `WORKERS` above 1 other processes serve, and this one
 * looks after them.
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
  if (config.workers > 1) {
    const { serveByWorkers } = await import("./workers/workers.ts");
    return serveByWorkers(terminal, config, { version, startedAt });
  }
  // Signals that come while it starts are not lost: it stops as soon as it has started.
  const stop = stopSignal(terminal);
  await warnIfConnectionsDoNotFit(terminal, config);
  const backscroll = await create(config, { processMetrics: true });
  const http = createHttpServer(backscroll.fetch, config);
  try {
    const introduction = await introduce(backscroll, config, await listen(http.server, config));
    announceReady(terminal, config, introduction, { version, readyMs: Math.round(performance.now() - startedAt) });
    await stop.requested;
    terminal.say("Stopping: finishing what runs …");
    await drain(backscroll, http);
  } finally {
    await backscroll.close();
    stop.dispose();
  }
  terminal.say("Stopped. Everything is saved.");
}

/** Takes nothing new, and finishes what runs. */
export async function drain(backscroll: BackscrollInternals, http: HttpServer): Promise<void> {
  backscroll.drain();
  await http.close(backscroll.config.drainTimeoutMs + TELLING_MS);
}

/** @returns the port */
export async function listen(server: Server, { host, port }: Pick<Config, "host" | "port">): Promise<number> {
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") {
      throw new CommandError(EXIT.failed, `port ${port} is in use. Try: --port ${port + 1}`, { cause: error });
    }
    throw error;
  }
  return (server.address() as AddressInfo).port;
}

/** After the drain's timeout, for what was given up then to be saved, and told to whoever waits for it. */
export const TELLING_MS = 2_000;
