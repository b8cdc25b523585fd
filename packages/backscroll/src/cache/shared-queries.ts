/**
 * One query at a time for each key. Who comes while one runs shares the next, which begins after it: nobody is
 * answered by a query that began before they asked.
 */
export class SharedQueries<Result> {
  readonly #turns = new Map<string, { readonly running: Promise<Result>; next: Promise<Result> | null }>();

  run(key: string, query: () => Promise<Result>): Promise<Result> {
    const turn = this.#turns.get(key);
    if (!turn) return this.#start(key, query);
    const start = (): Promise<Result> => this.#start(key, query);
    return (turn.next ??= turn.running.then(start, start));
  }

  #start(key: string, query: () => Promise<Result>): Promise<Result> {
    const turn = { running: query(), next: null };
    this.#turns.set(key, turn);
    const end = (): void => {
      if (turn.next === null) this.#turns.delete(key);
    };
    turn.running.then(end, end);
    return turn.running;
  }
}
