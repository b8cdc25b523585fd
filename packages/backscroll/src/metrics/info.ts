import { Gauge, type Registry } from "prom-client";

/** Says at `/metrics` which version runs: during an upgrade, which servers have it already. */
export function registerInfo(registry: Registry, version: string): void {
  const info = new Gauge({
    name: "backscroll_info",
    help: "Always 1; the label says which version runs",
    labelNames: ["version"],
    aggregator: "first",
    registers: [registry],
  });
  info.set({ version }, 1);
}
