import { isAuthRequired, loadConfig } from "../config.ts";
import type { SettingName } from "../settings.ts";
import { isLoopback } from "../domain/loopback.ts";
import { announceReady } from "./banner.ts";
import { warnIfConnectionsDoNotFit } from "./connections.ts";
import { startServing } from "./serving.ts";
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
  try {
    const serving = await startServing(config);
    try {
      const readyMs = Math.round(performance.now() - startedAt);
      announceReady(terminal, config, serving.introduction, { version, readyMs });
      await stop.requested;
      terminal.say("Stopping: finishing what runs …");
    } finally {
      await serving.stop();
    }
  } finally {
    stop.dispose();
  }
  terminal.say("Stopped. Everything is saved.");
  // What exports traces would go on trying, and keep the process.
  if (config.otelExporterOtlpEndpoint !== undefined) process.exit();
}
