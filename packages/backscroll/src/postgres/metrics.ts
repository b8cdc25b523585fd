import { Gauge, Histogram, type Registry } from "prom-client";
import type { Database, PoolOptions } from "./pool.ts";

/** @returns what a pool tells of each statement, and of the connection that it waited for */
export function createStatementMetrics(
  registry: Registry,
): Pick<Required<PoolOptions>, "onStatement" | "onConnection"> {
  const duration = new Histogram({
    name: "backscroll_postgres_query_duration_seconds",
    help: "Time of one statement on its connection, by the statement's name; what it waited for the connection is not in it",
    labelNames: ["statement", "result"],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  const wait = new Histogram({
    name: "backscroll_postgres_connection_wait_seconds",
    help: "How long a statement or transaction waited for a connection, got or not: making a new one is part of it",
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  return {
    onStatement: (statement, result, ms) => duration.observe({ statement, result }, ms / 1_000),
    onConnection: (ms) => wait.observe(ms / 1_000),
  };
}

export function registerPool(registry: Registry, { pool }: Database): void {
  const max: Gauge = new Gauge({
    name: "backscroll_postgres_connections_max",
    help: "Connections that the pool may open",
    aggregator: "sum",
    registers: [registry],
    collect: () => max.set(pool.options.max),
  });
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
