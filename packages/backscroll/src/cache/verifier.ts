import type { ConversationRef } from "../domain/conversation.ts";
import { logText } from "../domain/logged-error.ts";
import type { CacheMetrics } from "./metrics.ts";
import { type Epoch, Trust } from "./trust.ts";

export interface VerifierOptions {
  /** @returns the conversation's version in PostgreSQL, null when there is no such conversation */
  readonly findVersion: (at: ConversationRef) => Promise<number | null>;
  /** @returns the version of what is cached, null when nothing is. Rejects when the cache does not answer */
  readonly cachedVersion: (at: ConversationRef) => Promise<number | null>;
  /** takes it out of the cache, now or as soon as possible */
  readonly discard: (at: ConversationRef) => Promise<void>;
  /** whether nothing was lost since that epoch, and the conversation is not known to be wrong */
  readonly isStill: (at: ConversationRef, epoch: Epoch) => boolean;
  readonly auditIntervalMs: number;
  /** conversations remembered; others are checked again */
  readonly checkedMax: number;
  /** longer than telling the cache of a change takes */
  readonly graceMs: number;
  readonly metrics: CacheMetrics;
  readonly log: { debug(fields: object, message: string): void; warn(fields: object, message: string): void };
}

/** Compares what is cached with PostgreSQL: before a conversation answers for the first time, and now and then after. */
export class Verifier {
  readonly #options: VerifierOptions;
  readonly #trust: Trust;
  readonly #checks = new Map<string, Promise<"checked" | "unavailable">>();

  constructor(options: VerifierOptions) {
    this.#options = options;
    this.#trust = new Trust({ max: options.checkedMax, auditIntervalMs: options.auditIntervalMs });
  }

  /** @returns whether a hit may be answered; now and then that starts an audit beside the answer */
  isTrusted(at: ConversationRef, key: string, epoch: Epoch): boolean {
    const judged = this.#trust.judge(key, epoch);
    if (judged === "due") void this.#audit(at, epoch);
    return judged !== "unknown";
  }

  /** @param epoch as it was before the comparison, or before the lease of what was filled */
  trust(key: string, epoch: Epoch): void {
    this.#trust.record(key, epoch);
  }

  /**
   * Trusts the cached conversation when it is at PostgreSQL's version, and takes it out of the cache when not.
   *
   * @returns `unavailable`: the cache did not answer
   */
  check(at: ConversationRef, key: string, epoch: Epoch): Promise<"checked" | "unavailable"> {
    // One at a time: trust is not of a moment but of an epoch, so who waits may use another's result of the same.
    const running = this.#checks.get(key);
    if (running) return running;
    const check = this.#check(at, key, epoch).finally(() => this.#checks.delete(key));
    this.#checks.set(key, check);
    return check;
  }

  async #check(at: ConversationRef, key: string, epoch: Epoch): Promise<"checked" | "unavailable"> {
    const { cachedVersion, findVersion, discard, metrics } = this.#options;
    const [cached, stored] = await Promise.all([
      cachedVersion(at).catch(() => "unavailable" as const),
      findVersion(at),
    ]);
    if (cached === "unavailable") return cached;
    const equal = cached !== null && cached === stored;
    if (cached !== null) metrics.check(equal ? "equal" : "different");
    if (equal) this.#trust.record(key, epoch);
    else await discard(at);
    return "checked";
  }

  /** Finds what nobody could announce: somebody wrote past Backscroll. */
  async #audit(at: ConversationRef, epoch: Epoch): Promise<void> {
    const { cachedVersion, findVersion, discard, isStill, graceMs, metrics, log } = this.#options;
    const conversation = { userId: at.userId, conversationId: at.id };
    try {
      const cached = await cachedVersion(at);
      const stored = await findVersion(at);
      if (cached !== null && cached === stored) return metrics.audit("equal");
      // A change that is being told right now is none that was missed.
      await pause(graceMs);
      const later = await cachedVersion(at);
      const caughtUp = later !== null && stored !== null && later >= stored && (cached === null || cached <= stored);
      if (caughtUp) return metrics.audit("equal");
      if (!isStill(at, epoch)) return;
      if (later !== null) {
        metrics.audit("mismatch");
        log.warn(
          { ...conversation, cached: later, stored },
          "the cache was not at PostgreSQL's version: somebody wrote past Backscroll, or this is a bug",
        );
      }
      await discard(at);
    } catch (error) {
      // One of the two did not answer: a hit after the next interval tries again.
      log.debug({ ...conversation, error: logText(error) }, "an audit could not be made");
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
