import { digestImported, type ImportedState, type SeqRange } from "../postgres/guide-imported.ts";
import type { Queryable } from "../postgres/pool.ts";
import type { PlacedConversation } from "./guide-run.ts";

/** One statement hashes no more than that: it has to end in time. */
const SEQS_A_STATEMENT = 20_000;

/** @returns the guide's ids of those that are here exactly as they are there: the same messages, with the same times, in order */
export async function findSame(
  db: Queryable,
  conversations: readonly (PlacedConversation & { readonly state: ImportedState })[],
): Promise<ReadonlySet<string>> {
  const candidates = conversations.filter(({ guide, state }) => guide.digest.messages === state.messages);
  const sums = candidates.map(() => ({ high: 0n, low: 0n, isInOrder: true }));
  const ranges = candidates.flatMap(({ ref, state }, index) =>
    rangesOf(state.lastSeq).map((range) => ({ index, ref, ...range })),
  );
  for (const some of statements(ranges)) {
    const digests = await digestImported(db, some);
    for (const [place, { high, low, isInOrder }] of digests.entries()) {
      const sum = sums[some[place]?.index ?? -1];
      if (!sum) throw new Error("a digest for nothing that was asked for");
      sum.high += high;
      sum.low += low;
      sum.isInOrder &&= isInOrder;
    }
  }
  const same = candidates.filter(({ guide: { digest } }, index) => {
    const sum = sums[index];
    return sum?.isInOrder === true && sum.high === digest.high && sum.low === digest.low;
  });
  return new Set(same.map(({ guide }) => guide.id));
}

function rangesOf(lastSeq: number): readonly { readonly after: number; readonly upTo: number }[] {
  return Array.from({ length: Math.ceil(lastSeq / SEQS_A_STATEMENT) }, (_, index) => ({
    after: index * SEQS_A_STATEMENT,
    upTo: Math.min(lastSeq, (index + 1) * SEQS_A_STATEMENT),
  }));
}

function* statements<Range extends SeqRange>(ranges: readonly Range[]): Generator<readonly Range[]> {
  let some: Range[] = [];
  let seqs = 0;
  for (const range of ranges) {
    const own = range.upTo - range.after;
    if (some.length > 0 && seqs + own > SEQS_A_STATEMENT) {
      yield some;
      [some, seqs] = [[], 0];
    }
    some.push(range);
    seqs += own;
  }
  if (some.length > 0) yield some;
}
