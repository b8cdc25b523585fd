import type { CoherentCache } from "../../src/cache/coherent-cache.ts";
import type { RecentMessages } from "../../src/cache/history-cache.ts";
import type { Schedule } from "./explorer.ts";
import { show, type Truth } from "./truth.ts";

/** A server, as the judge sees it. */
export interface Witness {
  readonly cache: Pick<CoherentCache, "dirtyCount" | "isBypassed">;
  /** it is told what others announce */
  listening: boolean;
}

/** A change that was committed. */
export interface Change {
  readonly server: Witness;
  /** index of the state it made */
  readonly state: number;
  isAnswered: boolean;
  /** the cache could not be told of it */
  isAnnounced: boolean;
  /** servers that were told beside the cache */
  readonly heardBy: Set<Witness>;
}

/** Knows what each server promised, and looks at what it shows. */
export class Judge {
  readonly #truth: Truth;
  readonly #schedule: Schedule;
  readonly #changes: Change[] = [];

  constructor(truth: Truth, schedule: Schedule) {
    this.#truth = truth;
    this.#schedule = schedule;
  }

  /** Right after its COMMIT. */
  changed(server: Witness): Change {
    const state = this.#truth.latest;
    const change: Change = { server, state, isAnswered: false, isAnnounced: false, heardBy: new Set() };
    this.#changes.push(change);
    return change;
  }

  changesOf(server: Witness): readonly Change[] {
    return this.#changes.filter((change) => change.server === server);
  }

  /**
   * A change that was acknowledged has to be shown by the server that acknowledged it; by the others, too, once it was
   * told to the cache, at the latest by a repair, or was announced to them.
   *
   * @returns index of the state that a read which begins now on this server has to show, or a newer one
   */
  promised(server: Witness): number {
    const promised = this.#changes.filter((change) => {
      if (change.heardBy.has(server)) return true;
      if (!change.isAnswered) return false;
      return change.server === server || !change.isAnnounced || !isDirty(change.server);
    });
    return Math.max(0, ...promised.map(({ state }) => state));
  }

  /** @param from index of the oldest state that may be shown */
  look(who: string, found: RecentMessages | null, { limit, from }: { limit: number; from: number }): void {
    const possible = new Set<string>();
    for (let state = from; state <= this.#truth.latest; state += 1) possible.add(this.#truth.show(state, limit));
    const shown = show(found);
    if (possible.has(shown)) return;
    this.#schedule.violate(`${who} was shown ${shown} instead of ${[...possible].join(" or ")}`);
  }

  /** What is cached is what a fill would install now; a list that lost its version to Redis may be without. */
  lookAtCache(
    { messages, version }: { messages: readonly string[]; version: number | null },
    { messageLimit, isVersionLost }: { messageLimit: number; isVersionLost: boolean },
  ): void {
    if (messages.length === 0) return;
    const snapshot = this.#truth.load(messageLimit + 1);
    const elements = snapshot ? [...snapshot.messages, ...(snapshot.whole ? ["^"] : [])] : [];
    const [cached, right] = [messages.join(" "), elements.slice(0, messageLimit + 1).join(" ")];
    if (cached !== right) this.#schedule.violate(`cached is ${cached} instead of ${right || "nothing"}`);
    if (version === snapshot?.version || (version === null && isVersionLost)) return;
    this.#schedule.violate(`cached is version ${version ?? "none"} instead of ${snapshot?.version ?? "none"}`);
  }
}

/** @returns whether the server knows of a change that the cache was not told of */
export function isDirty({ cache, listening }: Witness): boolean {
  return cache.dirtyCount > 0 || (cache.isBypassed && listening);
}
