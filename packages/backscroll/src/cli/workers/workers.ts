import cluster from "node:cluster";
import type { Config } from "../../config.ts";
import { CommandError, EXIT, type Terminal } from "../terminal.ts";
import { type Orders, ORDERS_VARIABLE } from "./messages.ts";
import { type PrimaryOptions, runPrimary } from "./primary.ts";
import { obstacleToWorkers } from "./requirements.ts";
import { runWorker } from "./worker.ts";

/** Many processes on one port: this one is their primary, or one of those that it has started. */
export async function serveByWorkers(terminal: Terminal, config: Config, options: PrimaryOptions): Promise<void> {
  const orders = process.env[ORDERS_VARIABLE];
  if (orders !== undefined) {
    delete process.env[ORDERS_VARIABLE]; // of nobody whom this process starts
    return runWorker(config, JSON.parse(orders) as Orders);
  }
  checkWorkers(config);
  return runPrimary(terminal, config, options);
}

/** @throws {CommandError} saying what to set */
function checkWorkers(config: Config): void {
  const obstacle = obstacleToWorkers(config);
  if (obstacle !== null) throw new CommandError(EXIT.usage, `${obstacle.what}. ${obstacle.remedy}`);
  if (cluster.isPrimary) return;
  throw new CommandError(
    EXIT.usage,
    "WORKERS needs a process that nobody else has forked: let your process manager start one, or set WORKERS=1",
  );
}
