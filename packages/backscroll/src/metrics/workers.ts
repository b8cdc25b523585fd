import { Gauge, type Registry } from "prom-client";

/** @param count how many serve now */
export function registerWorkers(registry: Registry, count: () => number): void {
  const gauge: Gauge = new Gauge({
    name: "backscroll_workers",
    help: "Processes of this service that serve on this machine",
    registers: [registry],
    collect: () => gauge.set(count()),
  });
}
