import { setImmediate as drained } from "node:timers/promises";

/** One thing that can happen next. */
interface Option {
  readonly label: string;
  /** @returns what came of it, for people */
  readonly take: () => Promise<string>;
}

interface Waiting {
  /** one of them will happen */
  readonly options: () => readonly Option[];
}

/** One way a step may go. */
export interface Outcome<Result> {
  /** what is special about it, for people */
  readonly label: string;
  readonly take: (settle: Settle<Result>) => Promise<string> | string;
}

interface Settle<Result> {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
}

/** The property that does not hold. */
export class Violation extends Error {
  override readonly name = "Violation";
}

/**
 * One interleaving. Whoever takes part waits at each of their steps until it is chosen; between two choices everything
 * runs until everybody waits or is done. Nothing but the choices decides what happens, so the same choices lead to
 * the same end.
 */
export class Schedule {
  readonly trace: string[] = [];
  /** the choices made so far */
  readonly choices: number[] = [];
  /** of how many, each */
  readonly widths: number[] = [];
  #waiting: Waiting[] = [];
  readonly #awaited = new Map<string, PromiseWithResolvers<void>>();
  #violation: Violation | null = null;

  get violation(): Violation | null {
    return this.#violation;
  }

  violate(reason: string): void {
    this.#violation ??= new Violation(reason);
  }

  /** Waits until this is chosen, does it, and goes on with its result. */
  step<Result>(
    label: string,
    perform: () => Promise<Result> | Result,
    describe?: (result: Result) => string,
  ): Promise<Result> {
    const outcome: Outcome<Result> = {
      label: "",
      async take({ resolve }) {
        const result = await perform();
        resolve(result);
        return describe?.(result) ?? "";
      },
    };
    return this.fork(label, () => [outcome]);
  }

  /** Waits until one of the outcomes is chosen. @param outcomes asked for before each choice */
  fork<Result>(label: string, outcomes: () => readonly Outcome<Result>[]): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const toOption = (outcome: Outcome<Result>): Option => ({
      label,
      async take() {
        const said = await outcome.take({ resolve, reject });
        return [outcome.label, said].filter((text) => text !== "").join(", ");
      },
    });
    this.#waiting.push({ options: () => outcomes().map(toOption) });
    return promise;
  }

  /** Something that can happen once, and that nobody waits for. @returns takes the possibility away */
  possibly(label: string, perform: () => Promise<void> | void): () => void {
    const option: Option = {
      label,
      async take() {
        await perform();
        return "";
      },
    };
    const waiting: Waiting = { options: () => [option] };
    this.#waiting.push(waiting);
    return () => {
      this.#waiting = this.#waiting.filter((other) => other !== waiting);
    };
  }

  /** Resolves when a step of this name is taken. */
  taken(label: string): Promise<void> {
    const awaited = this.#awaited.get(label) ?? Promise.withResolvers<void>();
    this.#awaited.set(label, awaited);
    return awaited.promise;
  }

  /** Lets everybody run up to their next step. */
  async rest(): Promise<void> {
    await drained();
  }

  /** Does what waits in the order in which it came, each the first way, until nothing does. */
  async runOut(): Promise<void> {
    await this.rest();
    while (this.#waiting.length > 0 && !this.#violation) await this.#take(0);
  }

  /** Makes the given choices, then the first of each, until nothing waits. */
  async follow(prefix: readonly number[]): Promise<void> {
    await this.rest();
    while (this.#waiting.length > 0 && !this.#violation) {
      const choice = prefix[this.choices.length] ?? 0;
      this.choices.push(choice);
      this.widths.push(await this.#take(choice));
    }
  }

  /** @returns how many options there were */
  async #take(choice: number): Promise<number> {
    const options = this.#waiting.flatMap((waiting) => waiting.options().map((option) => ({ waiting, option })));
    const chosen = options[choice];
    if (!chosen) throw new Error(`the same choices led elsewhere: no choice ${choice} after ${this.trace.join("; ")}`);
    const { waiting, option } = chosen;
    this.#waiting = this.#waiting.filter((other) => other !== waiting);
    const at = this.trace.push(option.label) - 1;
    const said = await option.take();
    this.#awaited.get(option.label)?.resolve();
    if (said !== "") this.trace[at] = `${option.label}: ${said}`;
    await this.rest();
    return options.length;
  }
}

export interface Explored {
  /** every one of them was run */
  readonly interleavings: number;
  readonly failure: Failure | null;
}

export interface Failure {
  readonly reason: string;
  readonly steps: readonly string[];
}

/** Interleavings at the same time, each with keys of its own: their commands share the way to Redis and back. */
const AT_ONCE = 64;

/**
 * Runs all interleavings, each from the beginning, depth first: for every choice made, the other options are put aside
 * as the beginnings of others. Stops at the first that fails.
 */
export async function explore(
  run: (schedule: Schedule, prefix: readonly number[]) => Promise<void>,
): Promise<Explored> {
  const beginnings: (readonly number[])[] = [[]];
  let interleavings = 0;
  while (beginnings.length > 0) {
    const some = beginnings.splice(-AT_ONCE).toReversed();
    const schedules = await Promise.all(
      some.map(async (prefix) => {
        const schedule = new Schedule();
        await run(schedule, prefix);
        return schedule;
      }),
    );
    for (const [index, schedule] of schedules.entries()) {
      interleavings += 1;
      const { violation, trace, choices, widths } = schedule;
      if (violation) return { interleavings, failure: { reason: violation.message, steps: trace } };
      for (let depth = some[index]?.length ?? 0; depth < choices.length; depth += 1) {
        for (let other = 1; other < (widths[depth] ?? 0); other += 1) {
          beginnings.push([...choices.slice(0, depth), other]);
        }
      }
    }
  }
  return { interleavings, failure: null };
}
