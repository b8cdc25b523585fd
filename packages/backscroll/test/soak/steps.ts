/** Counts what the clients have done: faults happen when so much is done, not at a time. */
export class Steps {
  #done = 0;
  #ended = false;
  #waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  /** Resolves when so many are done, or nothing more will be. */
  reach(count: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isReached(count)) resolve();
      else this.#waiting.push({ count, resolve });
    });
  }

  oneMore(): void {
    this.#done += 1;
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  #isReached(count: number): boolean {
    return this.#ended || this.#done >= count;
  }

  #wake(): void {
    const due = this.#waiting.filter(({ count }) => this.#isReached(count));
    this.#waiting = this.#waiting.filter((waiting) => !due.includes(waiting));
    for (const { resolve } of due) resolve();
  }
}
