import type { Counters, Server } from "./server.ts";

/** From when to when a server could not rely on its Redis, or be heard. */
interface Window {
  readonly from: number;
  to: number;
}

interface Condition {
  readonly windows: Window[];
  isDead: boolean;
  /** the window that has not ended yet */
  current: Window | null;
  /** faults that the test makes on it now */
  faults: number;
  /** calls to the cache that failed, and when they were counted */
  failures: { readonly count: number; readonly at: number } | null;
}

const POLL_MS = 10;

/**
 * When each server was healthy. A fault that the test makes opens a window, and so does every call to the cache that
 * failed for another reason (a deadline missed on a busy machine): the server itself counts those. A window ends when
 * the server says that it has recovered, plus the time that the promise gives to audits.
 */
export class Health {
  readonly #conditions = new Map<string, Condition>();
  readonly #recoveries = new Set<Promise<void>>();
  readonly #auditMs: number;
  #givenUp = false;

  /** @param auditMs within it an audit finds what nobody could announce */
  constructor(auditMs: number) {
    this.#auditMs = auditMs;
  }

  /** @returns what says that the fault is over; then the server has to recover */
  begin(server: Server): () => void {
    const condition = this.#of(server.name);
    condition.faults += 1;
    this.#open(server, performance.now());
    return () => (condition.faults -= 1);
  }

  /** Ends the window of a server that has died: what it could not repair only others can find. */
  died({ name }: Server): void {
    const condition = this.#of(name);
    condition.isDead = true;
    if (condition.current) condition.current.to = performance.now() + this.#auditMs;
    condition.current = null;
  }

  /** To be asked after each answer of a server: did a call to the cache fail since the last? */
  async watch(server: Server, askedAt: number): Promise<void> {
    const condition = this.#of(server.name);
    if (condition.current) return; // whatever failed, failed in it
    const at = performance.now();
    const count = failures(await server.counters());
    const last = condition.failures ?? { count: 0, at: askedAt };
    if (count > last.count) this.#open(server, last.at);
    if (count >= last.count) condition.failures = { count, at };
  }

  /** @returns the servers that have not recovered after so long */
  async allRecovered(withinMs: number): Promise<readonly string[]> {
    const timer = setTimeout(() => (this.#givenUp = true), withinMs);
    while (this.#recoveries.size > 0) await Promise.all(this.#recoveries);
    clearTimeout(timer);
    return [...this.#conditions].filter(([, { current }]) => current !== null).map(([name]) => name);
  }

  /** Waits for nobody any more. */
  stop(): void {
    this.#givenUp = true;
  }

  /**
   * @returns from when on a change that was made in this time has to be seen on a server: at once, if both its own and
   * the other were healthy then
   */
  seenFrom(writer: string, reader: string, from: number, to: number): number {
    return [...this.#of(writer).windows, ...this.#of(reader).windows]
      .filter((window) => window.from <= to && window.to >= from)
      .reduce((latest, window) => Math.max(latest, window.to), to);
  }

  #of(name: string): Condition {
    const known = this.#conditions.get(name);
    if (known) return known;
    const condition: Condition = { windows: [], isDead: false, current: null, faults: 0, failures: null };
    this.#conditions.set(name, condition);
    return condition;
  }

  #open(server: Server, from: number): void {
    const condition = this.#of(server.name);
    if (condition.current || condition.isDead) return;
    const window: Window = { from, to: Number.POSITIVE_INFINITY };
    condition.current = window;
    condition.windows.push(window);
    const recovery = this.#recover(server, condition, window);
    this.#recoveries.add(recovery);
    void recovery.finally(() => this.#recoveries.delete(recovery));
  }

  async #recover(server: Server, condition: Condition, window: Window): Promise<void> {
    while (condition.current === window && !this.#givenUp) {
      const at = performance.now();
      const counters = condition.faults > 0 ? null : await server.counters().catch(() => null); // it has died just now
      if (counters && isWell(counters)) {
        window.to = performance.now() + this.#auditMs;
        condition.current = null;
        condition.failures = { count: failures(counters), at };
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

function failures(counters: Counters): number {
  let sum = 0;
  for (const [name, value] of counters) {
    if (/result="failed"/.test(name) && !/_bucket|_sum/.test(name)) sum += value;
  }
  return sum;
}

/** Nothing is left to repair. */
function isWell(counters: Counters): boolean {
  return ["dirty_conversations", "bypassed", "breaker_open"].every((name) => counters.get(name) === 0);
}
