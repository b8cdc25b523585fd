import { type Buckets, histogramQuantile } from "../../metrics/quantile.ts";
import { bucketsBy, parseMetrics, type Sample, sumOf } from "../metrics-text.ts";
import type { Target } from "./target.ts";

/** What the service itself counted while it was measured. */
export interface ServiceFigures {
  readonly reads: { readonly hit: number; readonly miss: number; readonly bypass: number };
  /** by time in all, the longest first */
  readonly statements: readonly StatementFigures[];
}

interface StatementFigures {
  readonly statement: string;
  readonly count: number;
  readonly averageMs: number;
  /** estimated from a histogram's buckets; null: it took longer than all of them */
  readonly p95Ms: number | null;
}

const QUERIES = "backscroll_postgres_query_duration_seconds";
const READS = "backscroll_cache_reads_total";
const STATEMENTS_MAX = 8;

/** @returns null when the service does not show its metrics to us */
export async function readMetrics(target: Target, token: string | undefined): Promise<readonly Sample[] | null> {
  const authorization = token === undefined ? undefined : `Bearer ${token}`;
  const answer = await target.ask({ method: "GET", path: "/metrics", authorization });
  return answer.status === 200 ? parseMetrics(answer.text) : null;
}

/** @returns what grew from the one to the other */
export function figuresBetween(before: readonly Sample[], after: readonly Sample[]): ServiceFigures {
  const grown = (name: string, labels: Record<string, string>): number =>
    (sumOf(after, name, labels) ?? 0) - (sumOf(before, name, labels) ?? 0);
  const earlier = bucketsBy(before, QUERIES, "statement");
  const statements = [...bucketsBy(after, QUERIES, "statement")].flatMap(([statement, buckets]) => {
    const count = grown(`${QUERIES}_count`, { statement });
    if (count === 0) return [];
    const seconds = grown(`${QUERIES}_sum`, { statement });
    const p95 = histogramQuantile(0.95, difference(buckets, earlier.get(statement)));
    return [{ statement, count, averageMs: (seconds / count) * 1_000, p95Ms: p95 === null ? null : p95 * 1_000 }];
  });
  return {
    reads: {
      hit: grown(READS, { result: "hit" }),
      miss: grown(READS, { result: "miss" }),
      bypass: grown(READS, { result: "bypass" }),
    },
    statements: statements.toSorted((a, b) => b.count * b.averageMs - a.count * a.averageMs).slice(0, STATEMENTS_MAX),
  };
}

function difference({ bounds, atMost }: Buckets, earlier: Buckets | undefined): Buckets {
  return { bounds, atMost: atMost.map((count, index) => count - (earlier?.atMost[index] ?? 0)) };
}
