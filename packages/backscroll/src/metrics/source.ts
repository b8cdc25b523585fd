import type { MetricObjectWithValues, MetricValue, Registry } from "prom-client";

/** One metric and what it says, as it travels between processes. */
export type Figures = MetricObjectWithValues<MetricValue<string>>;

/** Where figures come from: one process's registry, or those of several processes, added up. */
export interface MetricsSource {
  /** @param names of these metrics only, and in this order; what is not there is left out. Absent: all */
  read(names?: readonly string[]): Promise<readonly Figures[]>;
}

export function sourceOf(registry: Registry): MetricsSource {
  return {
    async read(names) {
      if (names === undefined) return registry.getMetricsAsJSON();
      const found: Figures[] = [];
      for (const name of names) {
        const metric = registry.getSingleMetric(name);
        if (metric) found.push(await metric.get());
      }
      return found;
    },
  };
}
