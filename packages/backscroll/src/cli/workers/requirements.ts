import type { Config } from "../../config.ts";

/** Why several workers cannot serve. */
interface Obstacle {
  readonly what: string;
  readonly remedy: string;
}

/** @returns null: nothing is in the way */
export function obstacleToWorkers({
  workers,
  databaseUrl,
  cache,
}: Pick<Config, "workers" | "databaseUrl" | "cache">): Obstacle | null {
  if (workers === 1) return null;
  if (databaseUrl === undefined) {
    return {
      what: "WORKERS needs DATABASE_URL: the embedded PostgreSQL belongs to one process",
      remedy: "Set it to a PostgreSQL server of yours",
    };
  }
  if (cache !== "memory") return null;
  return {
    what: "WORKERS and CACHE=memory exclude each other: a cache in one process does not hear of another's changes in time",
    remedy: "Set REDIS_URL, or CACHE=off",
  };
}
