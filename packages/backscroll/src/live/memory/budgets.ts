import { LRUCache } from "lru-cache";
import { BudgetWindow } from "../budget-window.ts";
import { BUDGET_WINDOW_MS, type Budgets, BUDGETS_REMEMBERED } from "../budgets.ts";

/** The budgets of a server that is alone. */
export function createMemoryBudgets({ windowMs = BUDGET_WINDOW_MS, remembered = BUDGETS_REMEMBERED } = {}): Budgets {
  const windows = new LRUCache<string, BudgetWindow>({ max: remembered });
  return {
    spend(key, max) {
      const known = windows.get(key);
      const window = known ?? new BudgetWindow();
      if (!known) windows.set(key, window);
      return window.spendAlone(max, windowMs);
    },
    look: (key, max) => (windows.get(key) ?? new BudgetWindow()).lookAlone(max, windowMs),
  };
}
