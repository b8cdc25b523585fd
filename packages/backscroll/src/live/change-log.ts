import type { FeedEntry, ReadyEntry } from "./change-feed.ts";

/**
 * One user's newest changes, in this process, for any number of followers. A follower is a place in the list, and reads
 * at its own pace: it costs no memory, and holds back nobody.
 */
export class ChangeLog {
  readonly #entriesMax: number;
  readonly #entries: (FeedEntry | ReadyEntry)[];
  /** how many have gone from the list's beginning */
  #dropped = 0;
  /** wakes each follower that waits */
  readonly #waiting = new Set<() => void>();

  /** @param id where the log begins */
  constructor(id: string, entriesMax: number) {
    this.#entries = [{ id, change: null }];
    this.#entriesMax = entriesMax;
  }

  /** id of the newest entry */
  get id(): string {
    return this.#entries.at(-1)?.id ?? "";
  }

  /** the place after the newest entry */
  get end(): number {
    return this.#dropped + this.#entries.length;
  }

  push(...entries: readonly (FeedEntry | ReadyEntry)[]): void {
    this.#entries.push(...entries);
    const over = this.#entries.length - this.#entriesMax;
    if (over > 0) this.#dropped += this.#entries.splice(0, over).length;
    for (const wake of this.#waiting) wake();
  }

  /** @returns the place after the entry of this id; null when it is not in the list */
  placeAfter(id: string): number | null {
    const index = this.#entries.findLastIndex((entry) => entry.id === id);
    return index === -1 ? null : this.#dropped + index + 1;
  }

  /** What comes from this place on, without entries that are no news; a `resync` for what has gone from the list. */
  async *follow(from: number, signal: AbortSignal): AsyncGenerator<FeedEntry, void, undefined> {
    let wake: (() => void) | undefined;
    const onWake = (): void => wake?.();
    this.#waiting.add(onWake);
    signal.addEventListener("abort", onWake);
    try {
      for (let next = from; !signal.aborted;) {
        if (next < this.#dropped) {
          next = this.end;
          yield { id: this.id, change: { type: "resync" } };
          continue;
        }
        const entry = this.#entries[next - this.#dropped];
        if (entry) {
          next += 1;
          if (entry.change !== null) yield entry;
        } else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.#waiting.delete(onWake);
      signal.removeEventListener("abort", onWake);
    }
  }
}
