import { LRUCache } from "lru-cache";
import type { BoundedLink } from "../../cache/redis/bounded-link.ts";
import { loadScript, runScript, type Script } from "../../cache/redis/scripts.ts";
import { BudgetWindow } from "../budget-window.ts";
import { BUDGET_WINDOW_MS, type Budgets, BUDGETS_REMEMBERED, type Spending } from "../budgets.ts";
import type { NameKey } from "./key-names.ts";

export interface RedisBudgetOptions {
  readonly windowMs?: number;
  readonly remembered?: number;
}

/**
 * One counter in Redis for each key that is being spent, which goes with its window. A server takes from it in shares,
 * so that most of what it spends it spends without asking, and remembers when nothing is left.
 */
export function createRedisBudgets(link: BoundedLink, nameKey: NameKey, options: RedisBudgetOptions = {}): Budgets {
  const { windowMs = BUDGET_WINDOW_MS, remembered = BUDGETS_REMEMBERED } = options;
  const script = loadScript("take-budget");
  const budgets = new LRUCache<string, SharedBudget>({ max: remembered });
  const make = (key: string): SharedBudget => {
    const budget = new SharedBudget({ link, script, windowMs, name: nameKey("budget", key) });
    budgets.set(key, budget);
    return budget;
  };
  return {
    spend: (key, max) => (budgets.get(key) ?? make(key)).spend(max),
    look: (key, max) => budgets.get(key)?.look(max) ?? { allowed: true, left: max, resetsInMs: windowMs },
  };
}

interface Surroundings {
  readonly link: BoundedLink;
  readonly script: Script;
  readonly windowMs: number;
  /** of the key in Redis */
  readonly name: string;
}

class SharedBudget {
  readonly #around: Surroundings;
  readonly #window = new BudgetWindow();
  /** the question that is on its way; false: there was no answer */
  #asking: Promise<boolean> | null = null;
  #waiting = 0;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  spend(max: number): Spending | Promise<Spending> {
    const spent = this.#window.spendShare();
    if (spent) return spent;
    return this.#isAlone ? this.#spendAlone(max) : this.#spendAsked(max);
  }

  look(max: number): Spending | Promise<Spending> {
    const found = this.#window.lookAtShare();
    if (found) return found;
    return this.#isAlone ? this.#window.lookAlone(max, this.#around.windowMs) : this.#lookAsked(max);
  }

  get #isAlone(): boolean {
    return this.#around.link.isAway(this.#around.name);
  }

  #spendAlone(max: number): Spending {
    return this.#window.spendAlone(max, this.#around.windowMs);
  }

  async #spendAsked(max: number): Promise<Spending> {
    for (;;) {
      // Whoever waited in vain asks nobody again: no request waits for two deadlines.
      const spent = (await this.#ask(max)) ? this.#window.spendShare() : this.#spendAlone(max);
      if (spent) return spent;
    }
  }

  async #lookAsked(max: number): Promise<Spending> {
    await this.#ask(max);
    return this.#window.lookAlone(max, this.#around.windowMs);
  }

  /** Everybody who asks meanwhile shares the question. */
  async #ask(max: number): Promise<boolean> {
    this.#waiting += 1;
    try {
      return await (this.#asking ??= this.#takeShare(max).finally(() => (this.#asking = null)));
    } finally {
      this.#waiting -= 1;
    }
  }

  async #takeShare(max: number): Promise<boolean> {
    const { link, script, windowMs, name } = this.#around;
    // Whoever comes in the same tick is counted.
    await Promise.resolve();
    // The window cannot have begun before: here it ends a little early, and never late.
    const askedAt = performance.now();
    const args = [String(max), String(windowMs), String(this.#waiting)];
    try {
      const [share, left, ttlMs] = (await runScript(link, script, [name], args)) as [number, number, number];
      this.#window.begin({ share, left, endsAt: askedAt + ttlMs });
      return true;
    } catch {
      return false;
    }
  }
}
