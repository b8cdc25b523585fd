import { wait } from "../../cache/redis/session.ts";

/** Commands that nobody waits for, until the end. */
export class InFlight {
  readonly #commands = new Set<Promise<unknown>>();

  get count(): number {
    return this.#commands.size;
  }

  /** @param command never rejects */
  add(command: Promise<unknown>): void {
    this.#commands.add(command);
    void command.finally(() => this.#commands.delete(command));
  }

  /** Resolves when all that has begun has ended, or after `ms`. */
  async ended(ms: number): Promise<void> {
    const timer = new AbortController();
    await Promise.race([Promise.allSettled(this.#commands), wait(ms, timer.signal).catch(() => undefined)]);
    timer.abort();
  }
}
