import { AggregatorRegistry, type Registry } from "prom-client";
import { type Figures, type MetricsSource, sourceOf } from "./source.ts";

/** A process's figures by the metric's name. */
type Known = Map<string, Figures>;

/**
 * The metrics of several processes as those of one: counters and histograms are added up, gauges as their `aggregator`
 * says. Counters never fall: what a process counted stays counted when it has left, and one that does not answer, or was
 * killed, counts as what it said last.
 */
export class MergedMetrics implements MetricsSource {
  readonly #own: MetricsSource;
  readonly #known = new Map<MetricsSource, Known>();
  /** counters and histograms of those that have left */
  #left: readonly Figures[] = [];
  readonly #underWay = new Map<string, Promise<readonly Figures[]>>();

  /** @param own of the process that merges */
  constructor(own: Registry) {
    this.#own = sourceOf(own);
  }

  /** @param source of one process; it has to answer or reject in time */
  add(source: MetricsSource): void {
    this.#known.set(source, new Map());
  }

  /** What a process says by itself, as the last thing before it leaves. */
  told(source: MetricsSource, figures: readonly Figures[]): void {
    const known = this.#known.get(source);
    for (const metric of figures) known?.set(metric.name, metric);
  }

  remove(source: MetricsSource): void {
    const known = this.#known.get(source) ?? [];
    const lasting = [...known.values()].filter(({ type }) => isLasting(String(type)));
    this.#known.delete(source);
    this.#left = aggregate([this.#left, lasting]);
  }

  /** Asks all of them at once; those who ask for the same meanwhile share the answer. */
  read(names?: readonly string[]): Promise<readonly Figures[]> {
    const key = names?.join(" ") ?? "";
    const underWay = this.#underWay.get(key);
    if (underWay) return underWay;
    const reading = this.#read(names).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, reading);
    return reading;
  }

  /** @returns all of it, as Prometheus reads it */
  async exposition(): Promise<string> {
    return toRegistry([await this.read()]).metrics();
  }

  async #read(names?: readonly string[]): Promise<readonly Figures[]> {
    const asked = [...this.#known.keys()].map(async (source) => {
      const figures = await source.read(names).catch(() => null); // what it said last counts on
      if (figures) this.told(source, figures);
    });
    const [own] = await Promise.all([this.#own.read(names), ...asked]);
    const wanted = names && new Set(names);
    const all = [own, this.#left, ...[...this.#known.values()].map((known) => [...known.values()])];
    return aggregate(wanted ? all.map((figures) => figures.filter(({ name }) => wanted.has(name))) : all);
  }
}

function isLasting(type: string): boolean {
  return type === "counter" || type === "histogram";
}

function aggregate(figures: readonly (readonly Figures[])[]): readonly Figures[] {
  return toRegistry(figures)
    .getMetricsAsArray()
    .map((metric) => (metric as unknown as { get: () => Figures }).get());
}

/** prom-client leaves out when a process started: that of the whole is when the first did. */
const OLDEST = "process_start_time_seconds";

function toRegistry(figures: readonly (readonly Figures[])[]): Registry {
  const told = figures.map((metrics) =>
    metrics.map((metric) => (metric.name === OLDEST ? { ...metric, aggregator: "min" as const } : metric)),
  );
  return AggregatorRegistry.aggregate(told);
}
