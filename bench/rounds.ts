/** Something measured: does its work at a concurrency for a while. */
export interface Subject {
  readonly name: string;
  /** @returns operations per second */
  readonly run: (concurrency: number, ms: number) => Promise<number>;
}

export interface RoundsOptions {
  readonly rounds: number;
  /** of one subject in one round */
  readonly roundMs: number;
  readonly concurrency: number;
}

/** What each subject reached in each round; the same index is the same round. */
export type Rates = ReadonlyMap<string, readonly number[]>;

/** The middle half of what was measured, and its middle. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** A subject in this process: every worker asks again as soon as it has its answer. */
export function inProcess(name: string, operation: (worker: number) => Promise<unknown>): Subject {
  return { name, run: (concurrency, ms) => measureRate(concurrency, ms, operation) };
}

export async function measureRate(
  concurrency: number,
  ms: number,
  operation: (worker: number) => Promise<unknown>,
): Promise<number> {
  const startedAt = performance.now();
  let done = 0;
  const work = async (worker: number): Promise<void> => {
    while (performance.now() - startedAt < ms) {
      await operation(worker);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, (_, worker) => work(worker)));
  return (done / (performance.now() - startedAt)) * 1000;
}

/**
 * Runs the subjects in turn, round after round, every second round backwards: what else the machine does meets all
 * of them alike. The first round warms up and is not kept.
 */
export async function interleave(subjects: readonly Subject[], options: RoundsOptions): Promise<Rates> {
  const rates = new Map(subjects.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round <= options.rounds; round += 1) {
    for (const subject of round % 2 === 0 ? subjects : subjects.toReversed()) {
      const rate = await subject.run(options.concurrency, options.roundMs);
      if (round > 0) rates.get(subject.name)?.push(rate);
    }
  }
  return rates;
}

/** One operation whose time is measured by itself. */
export interface Timed {
  readonly name: string;
  readonly run: () => Promise<unknown>;
}

/** Median times in milliseconds of each block of iterations; the same index is the same block. */
export type Times = ReadonlyMap<string, readonly number[]>;

const ITERATIONS_A_BLOCK = 10;

/** Runs the operations one after another, again and again, and keeps each one's median over every ten times. */
export async function alternate(operations: readonly Timed[], blocks: number): Promise<Times> {
  const times = new Map(operations.map(({ name }) => [name, [] as number[]]));
  for (let block = 0; block <= blocks; block += 1) {
    const own = new Map(operations.map(({ name }) => [name, [] as number[]]));
    for (let iteration = 0; iteration < ITERATIONS_A_BLOCK; iteration += 1) {
      for (const { name, run } of iteration % 2 === 0 ? operations : operations.toReversed()) {
        const startedAt = performance.now();
        await run();
        own.get(name)?.push(performance.now() - startedAt);
      }
    }
    if (block > 0) for (const [name, list] of own) times.get(name)?.push(median(list));
  }
  return times;
}

/** How a subject compares with another, round by round. */
export function ratio(measured: Rates | Times, subject: string, floor: string): Spread {
  const floors = measured.get(floor) ?? [];
  return spread((measured.get(subject) ?? []).map((value, round) => value / (floors[round] ?? Number.NaN)));
}

function spread(values: readonly number[]): Spread {
  return { median: quantile(values, 0.5), low: quantile(values, 0.25), high: quantile(values, 0.75) };
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** @param share 0 to 1 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}
