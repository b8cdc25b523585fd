import type { ConversationRef } from "../domain/conversation.ts";

const RETRY_MS_MIN = 20;
const RETRY_MS_MAX = 1_000;
/** Repaired side by side. */
const REPAIRS_AT_ONCE = 64;

export interface DirtyOptions {
  /** marks at most; beyond them everything is dirty until the whole cache has been dropped */
  readonly max: number;
  /** takes one conversation out of the cache */
  readonly invalidate: (at: ConversationRef) => Promise<void>;
  /** takes everything out of the cache */
  readonly drop: () => Promise<void>;
  readonly onRepaired: () => void;
}

interface Mark {
  readonly at: ConversationRef;
}

/**
 * Conversations whose cache entry may be wrong, since the cache could not be told of a change. Each stays until it has
 * been taken out of the cache, after its last mark; that is tried until it succeeds.
 */
export class DirtyConversations {
  readonly #options: DirtyOptions;
  readonly #marks = new Map<string, Mark>();
  /** everything is dirty; another object for every mark since */
  #everything: object | null = null;
  #repairing: Promise<void> | undefined;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(options: DirtyOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#marks.size;
  }

  get isEverything(): boolean {
    return this.#everything !== null;
  }

  has(key: string): boolean {
    return this.#everything !== null || this.#marks.has(key);
  }

  mark(key: string, at: ConversationRef): void {
    // A mark of its own for every change: a repair that began before it does not count.
    if (this.#everything === null && (this.#marks.has(key) || this.#marks.size < this.#options.max)) {
      this.#marks.set(key, { at });
    } else {
      this.#everything = {};
      this.#marks.clear();
    }
    this.#startRepair();
  }

  /** The cache answers again. */
  retryNow(): void {
    this.#wake?.();
  }

  /** Ends the repairs; what is dirty stays so. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#wake?.();
    await this.#repairing;
  }

  get #isAny(): boolean {
    return this.#everything !== null || this.#marks.size > 0;
  }

  #startRepair(): void {
    if (this.#repairing || this.#closed || !this.#isAny) return;
    this.#repairing = this.#repair().finally(() => {
      this.#repairing = undefined;
      this.#startRepair(); // for a mark that came while the last repair ended
    });
  }

  async #repair(): Promise<void> {
    for (let waitMs = RETRY_MS_MIN; !this.#closed && this.#isAny;) {
      const repaired = this.#everything === null ? await this.#repairSome() : await this.#repairEverything();
      waitMs = repaired ? RETRY_MS_MIN : Math.min(waitMs * 2, RETRY_MS_MAX);
      if (!repaired) await this.#pause(waitMs);
    }
  }

  /** @returns whether any of them was */
  async #repairSome(): Promise<boolean> {
    const some = [...this.#marks].slice(0, REPAIRS_AT_ONCE);
    const results = await Promise.allSettled(some.map(([, { at }]) => this.#options.invalidate(at)));
    let repaired = false;
    for (const [index, [key, mark]] of some.entries()) {
      if (results[index]?.status === "rejected") {
        // To the end of the row: one that cannot be repaired keeps nobody else from it.
        if (this.#marks.get(key) === mark) {
          this.#marks.delete(key);
          this.#marks.set(key, mark);
        }
        continue;
      }
      repaired = true;
      if (this.#marks.get(key) === mark && this.#marks.delete(key)) this.#options.onRepaired();
    }
    return repaired;
  }

  async #repairEverything(): Promise<boolean> {
    const before = this.#everything;
    try {
      await this.#options.drop();
    } catch {
      return false; // tried again: the breaker has counted it
    }
    if (this.#everything !== before) return true;
    this.#everything = null;
    this.#options.onRepaired();
    return true;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
