import { Breaker } from "./breaker.ts";
import { type CacheNode, CacheRefusal } from "./conversation-cache.ts";
import { withDeadline } from "./deadline.ts";
import type { CacheMetrics, CacheOperation } from "./metrics.ts";

/** The server is known not to answer: nothing was sent. */
export class BreakerOpenError extends Error {
  override readonly name = "BreakerOpenError";
}

export interface GuardOptions {
  /** how long a call may take */
  readonly deadlineMs: number;
  readonly metrics: CacheMetrics;
  readonly onBreaker: (node: CacheNode, open: boolean) => void;
}

/** Calls a cache's servers: no call takes longer than the deadline, and none is made while a server does not answer. */
export class Guard {
  readonly #options: GuardOptions;
  readonly #breakers = new Map<string, Breaker>();

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /** @throws when it failed, took too long, or was not made; unless it was not made, it may have happened */
  async call<Result>(node: CacheNode, operation: CacheOperation, run: () => Promise<Result>): Promise<Result> {
    const breaker = this.#breakerOf(node);
    if (breaker.isOpen) throw new BreakerOpenError(`${node.name} does not answer`);
    const { deadlineMs, metrics } = this.#options;
    const startedAt = performance.now();
    try {
      const result = await withDeadline(run(), deadlineMs);
      breaker.succeeded();
      metrics.called(operation, "ok", performance.now() - startedAt);
      return result;
    } catch (error) {
      if (error instanceof CacheRefusal) breaker.succeeded();
      else breaker.failed();
      metrics.called(operation, "failed", performance.now() - startedAt);
      throw error;
    }
  }

  /** Finds out whether a server answers before anybody has to wait for it. */
  async probe(node: CacheNode): Promise<void> {
    await withDeadline(node.ping(), this.#options.deadlineMs).catch(() => this.#breakerOf(node).open());
  }

  /** @returns the names of the servers that do not answer */
  get unavailable(): readonly string[] {
    return [...this.#breakers].filter(([, { isOpen }]) => isOpen).map(([name]) => name);
  }

  close(): void {
    for (const breaker of this.#breakers.values()) breaker.close();
  }

  #breakerOf(node: CacheNode): Breaker {
    const known = this.#breakers.get(node.name);
    if (known) return known;
    const { deadlineMs, onBreaker } = this.#options;
    const breaker = new Breaker(
      () => node.ping(),
      deadlineMs,
      (open) => onBreaker(node, open),
    );
    this.#breakers.set(node.name, breaker);
    return breaker;
  }
}
