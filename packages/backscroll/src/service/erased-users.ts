import { LRUCache } from "lru-cache";

/** Nothing that began before a person was erased is still under way then. */
const REMEMBERED_MS = 600_000;
const REMEMBERED_MAX = 10_000;

/** Who was erased a while ago, as far as this server has heard. Numbers of users never come back. */
export class ErasedUsers {
  readonly #erased = new LRUCache<number, true>({ max: REMEMBERED_MAX, ttl: REMEMBERED_MS });
  readonly #watches = new Map<number, Set<AbortController>>();

  has(userId: number): boolean {
    return this.#erased.has(userId);
  }

  /** users for whom something goes on here that would not end by itself */
  get watched(): readonly number[] {
    return [...this.#watches.keys()];
  }

  add(userId: number): void {
    this.#erased.set(userId, true);
    const watches = this.#watches.get(userId);
    this.#watches.delete(userId);
    for (const watch of watches ?? []) watch.abort();
  }

  /** @param ended aborted when nobody watches any more @returns aborted once the person is erased */
  watch(userId: number, ended: AbortSignal): AbortSignal {
    const watch = new AbortController();
    if (this.has(userId)) watch.abort();
    if (watch.signal.aborted || ended.aborted) return watch.signal;
    const watches = this.#watches.get(userId) ?? new Set();
    this.#watches.set(userId, watches.add(watch));
    ended.addEventListener("abort", () => {
      watches.delete(watch);
      if (watches.size === 0 && this.#watches.get(userId) === watches) this.#watches.delete(userId);
    });
    return watch.signal;
  }
}
