import type { Spending } from "./budgets.ts";

/** What this process knows of one budget's window. Times are of `performance.now()`: no clock is set back. */
export class BudgetWindow {
  /** may be spent here without asking */
  #share = 0;
  /** is there beside it: for everybody, or for this server when it is alone */
  #left = 0;
  #endsAt = Number.NEGATIVE_INFINITY;

  /** Learns what there is. */
  begin({ share, left, endsAt }: { share: number; left: number; endsAt: number }): void {
    this.#share = share;
    this.#left = left;
    this.#endsAt = endsAt;
  }

  /** @returns null when it has to be asked for */
  spendShare(): Spending | null {
    const found = this.lookAtShare();
    if (found?.allowed !== true) return found;
    this.#share -= 1;
    return { ...found, left: found.left - 1 };
  }

  /** The same without spending. */
  lookAtShare(): Spending | null {
    const resetsInMs = this.#endsAt - performance.now();
    if (resetsInMs <= 0) return null;
    if (this.#share > 0) return { allowed: true, left: this.#share + this.#left, resetsInMs };
    return this.#left === 0 ? { allowed: false, left: 0, resetsInMs } : null;
  }

  /** Spends without asking anybody: of what was left when last heard of, and after that window of a whole budget. */
  spendAlone(max: number, windowMs: number): Spending {
    const now = performance.now();
    if (this.#endsAt <= now) this.begin({ share: 0, left: max, endsAt: now + windowMs });
    const left = this.#share + this.#left;
    this.#share = 0;
    this.#left = Math.max(0, left - 1);
    return { allowed: left > 0, left: this.#left, resetsInMs: this.#endsAt - now };
  }

  /** The same without spending. */
  lookAlone(max: number, windowMs: number): Spending {
    const resetsInMs = this.#endsAt - performance.now();
    if (resetsInMs <= 0) return { allowed: true, left: max, resetsInMs: windowMs };
    const left = this.#share + this.#left;
    return { allowed: left > 0, left, resetsInMs };
  }
}
