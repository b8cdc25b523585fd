import { Gauge, Histogram, type Registry } from "prom-client";
import type { Database, PoolOptions } from "./pool.ts";

/** @returns what a pool tells of each statement */
export function createStatementMetrics(registry: Registry): NonNullable<PoolOptions["onStatement"]> {
  const duration = new Histogram({
    name: "backscroll_postgres_query_duration_seconds",
    help: "Time of one statement on its connection, by the statement's name; what it waited for the connection is not in it",
    labelNames: ["statement", "result"],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  return (statement, result, ms) => duration.observe({ statement, result }, ms / 1_000);
}

export function registerPool(registry: Registry, { pool }: Database): void {
  const connections: Gauge = new Gauge({
    name: "backscroll_postgres_connections",
    help: "Connections of the pool; waiting: requests that have none yet",
    labelNames: ["state"],
    registers: [registry],
    collect() {
      connections.set({ state: "idle" }, pool.idleCount);
      connections.set({ state: "busy" }, pool.totalCount - pool.idleCount);
      connections.set({ state: "waiting" }, pool.waitingCount);
    },
  });
}
