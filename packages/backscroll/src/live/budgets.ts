/** What a budget says to one request. */
export interface Spending {
  readonly allowed: boolean;
  /** how many more, as far as this server knows: others may have spent some of them */
  readonly left: number;
  /** ms until the window ends and everything is there again */
  readonly resetsInMs: number;
}

/**
 * How many of something may happen in a window of time. A window begins with the first, so that those of different
 * keys do not end together. All servers on one Redis share it; while that is away each server has the whole budget.
 */
export interface Budgets {
  /**
   * Spends one, if one is left. Answers at once, without a promise, where this server knows enough by itself.
   * Never rejects.
   *
   * @param key what is counted, and of whom
   * @param max how many there are in a window; the same at every call
   */
  spend(key: string, max: number): Spending | Promise<Spending>;
  /**
   * @returns what `spend` would find, spending nothing. Of a key that this server has never spent it asks nobody:
   * there is one left, as far as it knows
   */
  look(key: string, max: number): Spending | Promise<Spending>;
}

export const BUDGET_WINDOW_MS = 60_000;
/** Windows that a server keeps in mind: some 15 MB of them. One that is forgotten begins again, or is asked for. */
export const BUDGETS_REMEMBERED = 50_000;
