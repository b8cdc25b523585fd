/** Lets many in at once, until somebody closes it. */
export class Gate {
  #inside = 0;
  /** one after the other: each closes it for itself */
  #closings: Promise<void> = Promise.resolve();
  #open: Promise<void> = Promise.resolve();
  #isOpen = true;
  #emptied: () => void = () => undefined;

  async enter(): Promise<void> {
    while (!this.#isOpen) await this.#open;
    this.#inside += 1;
  }

  leave(): void {
    this.#inside -= 1;
    if (this.#inside === 0) this.#emptied();
  }

  /** Resolves when nobody is inside and nobody can enter. @returns what opens it again */
  async close(): Promise<() => void> {
    const before = this.#closings;
    const closing = Promise.withResolvers<void>();
    this.#closings = closing.promise;
    await before;
    const opened = Promise.withResolvers<void>();
    this.#open = opened.promise;
    this.#isOpen = false;
    const emptied = Promise.withResolvers<void>();
    this.#emptied = emptied.resolve;
    if (this.#inside > 0) await emptied.promise;
    return () => {
      this.#isOpen = true;
      opened.resolve();
      closing.resolve();
    };
  }
}
