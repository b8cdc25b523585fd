import type { StreamSlot } from "./stream-slots.ts";

/** The slots that are open in this process, by user. */
export class HeldSlots {
  readonly #byUser = new Map<number, Set<string>>();

  count(userId: number): number {
    return this.#byUser.get(userId)?.size ?? 0;
  }

  has(userId: number, name: string): boolean {
    return this.#byUser.get(userId)?.has(name) ?? false;
  }

  /** @param onRelease called when it is given back, once */
  hold(userId: number, name: string, onRelease: () => void = () => undefined): StreamSlot {
    const names = this.#byUser.get(userId) ?? new Set();
    this.#byUser.set(userId, names.add(name));
    return {
      release: () => {
        if (!names.delete(name)) return;
        if (names.size === 0) this.#byUser.delete(userId);
        onRelease();
      },
    };
  }

  /** the names of every user's slots */
  get users(): readonly (readonly [userId: number, names: readonly string[]])[] {
    return [...this.#byUser].map(([userId, names]) => [userId, [...names]] as const);
  }
}
