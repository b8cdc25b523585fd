import type { Buckets } from "../metrics/quantile.ts";

/** One line of `/metrics`. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

type Labels = Readonly<Record<string, string>>;

/** @see https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
export function parseMetrics(text: string): readonly Sample[] {
  return text.split("\n").flatMap((line) => {
    const [, name, labels = "", value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
    if (name === undefined) return [];
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [key, text]);
    return [
      { name, labels: Object.fromEntries(pairs) as Labels, value: Number((value ?? "").replace("Inf", "Infinity")) },
    ];
  });
}

/** @returns the sum of a metric's series with these labels; null when there is none */
export function sumOf(samples: readonly Sample[], name: string, labels: Labels = {}): number | null {
  const found = samples.filter((sample) => sample.name === name && hasLabels(sample, labels));
  return found.length === 0 ? null : found.reduce((sum, { value }) => sum + value, 0);
}

/** @returns a histogram's buckets by this label, all other labels added up */
export function bucketsBy(samples: readonly Sample[], name: string, label: string): ReadonlyMap<string, Buckets> {
  const counts = new Map<string, Map<number, number>>();
  for (const { labels, value } of samples.filter((sample) => sample.name === `${name}_bucket`)) {
    const key = labels[label] ?? "";
    const bound = Number((labels["le"] ?? "").replace("Inf", "Infinity"));
    const own = counts.get(key) ?? new Map<number, number>();
    counts.set(key, own.set(bound, (own.get(bound) ?? 0) + value));
  }
  return new Map(
    [...counts].map(([key, own]) => {
      const sorted = [...own].toSorted(([a], [b]) => a - b);
      return [key, { bounds: sorted.map(([bound]) => bound), atMost: Float64Array.from(sorted, ([, count]) => count) }];
    }),
  );
}

function hasLabels({ labels }: Sample, wanted: Labels): boolean {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value);
}
