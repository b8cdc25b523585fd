import { AsyncLocalStorage } from "node:async_hooks";
import type { Schedule } from "./explorer.ts";

/** Who is acting: what they start goes by their name. */
export interface Actor {
  readonly name: string;
  readonly schedule: Schedule;
  /** the cache could not be told of the change they made last */
  couldNotTell: boolean;
}

export const acting = new AsyncLocalStorage<Actor>();

export function actorName(): string {
  return acting.getStore()?.name ?? "somebody";
}

/** Waits for less are not of the cache's protocol. */
const PAUSE_MS_MIN = 20;
/** No deadline passes: what fails is chosen. */
const DEADLINE_MS_MIN = 1_000;

class ChosenTimer {
  readonly #cancel: () => void;

  constructor(cancel: () => void) {
    this.#cancel = cancel;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  cancel(): void {
    this.#cancel();
  }
}

/**
 * Makes the end of an actor's pause a choice like any other, and lets no deadline pass. Others' timers stay as they are.
 *
 * @returns puts it back
 */
export function chooseTimers(): () => void {
  const { setTimeout, clearTimeout } = globalThis;
  const chosen = (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): unknown => {
    const actor = acting.getStore();
    if (!actor || ms < PAUSE_MS_MIN) return setTimeout(run, ms, ...args);
    if (ms >= DEADLINE_MS_MIN) return new ChosenTimer(() => undefined);
    return new ChosenTimer(actor.schedule.possibly(`${actor.name}: a pause ends`, () => run(...args)));
  };
  const clear = (timer: unknown): void => {
    if (timer instanceof ChosenTimer) timer.cancel();
    else clearTimeout(timer as NodeJS.Timeout);
  };
  Object.assign(globalThis, { setTimeout: chosen, clearTimeout: clear });
  return () => void Object.assign(globalThis, { setTimeout, clearTimeout });
}
