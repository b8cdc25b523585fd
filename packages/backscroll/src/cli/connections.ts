import type { Config } from "../config.ts";
import { type Capacity, findCapacity } from "../postgres/capacity.ts";
import type { Terminal } from "./terminal.ts";

/** What a worker needs to serve at all: one statement must not keep all others waiting. */
const SHARE_MIN = 2;

/** @returns how many connections each worker's pool may have */
export function poolShare({ databasePoolMax, workers }: Pick<Config, "databasePoolMax" | "workers">): number {
  return workers === 1 ? databasePoolMax : Math.max(SHARE_MIN, Math.floor(databasePoolMax / workers));
}

/**
 * @returns how many connections this machine's service may have at most: pools, one each that listens, and those of the
 * one worker more that a rolling restart has
 */
export function connectionsAtMost(config: Pick<Config, "databasePoolMax" | "workers">): number {
  const { workers } = config;
  return (workers === 1 ? 1 : workers + 1) * (poolShare(config) + 1);
}

/** Behind a pooler it is the pooler that has the connections. */
export async function warnIfConnectionsDoNotFit(terminal: Terminal, config: Config): Promise<void> {
  const share = poolShare(config);
  if (share * config.workers > config.databasePoolMax) {
    terminal.warn(
      `${config.workers} workers have ${share} connections each, ${share * config.workers} in all: DATABASE_POOL_MAX ` +
        `(${config.databasePoolMax}) is less than two for each`,
    );
  }
  if (config.databaseUrl === undefined || config.databaseDirectUrl !== undefined) return;
  const problem = whatDoesNotFit(connectionsAtMost(config), await findCapacity(config.databaseUrl));
  if (problem !== null) terminal.warn(problem);
}

const REMEDY = "Lower DATABASE_POOL_MAX, raise PostgreSQL's max_connections, or put PgBouncer in between";

/** @returns null: nothing */
export function whatDoesNotFit(needed: number, { usable, maxConnections, reserved, inUse }: Capacity): string | null {
  const takes = `PostgreSQL takes ${usable} connections (max_connections ${maxConnections}, ${reserved} reserved)`;
  if (needed > usable - inUse) {
    return `${takes}, ${inUse} are in use, and this server may need ${needed}. ${REMEDY}`;
  }
  if (2 * needed > usable) {
    return `${takes}, and this server may need ${needed}: a second one like it would not fit. ${REMEDY}`;
  }
  return null;
}

/** Beyond that PostgreSQL has enough to do. */
const IMPORTS_AT_ONCE_MAX = 8;

/** @returns how many sessions, or conversations, are imported at the same time */
export function importsAtOnce({ databasePoolMax }: Pick<Config, "databasePoolMax">): number {
  return Math.min(IMPORTS_AT_ONCE_MAX, databasePoolMax);
}
