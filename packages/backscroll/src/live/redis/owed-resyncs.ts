import type { Signals } from "../signals.ts";
import type { ChangeStreams } from "./change-streams.ts";

/** The channel of a signal to look at one user's changes; without a user, at everybody's. */
export function changesChannel(userId?: number): string {
  return userId === undefined ? "changes" : `changes:${userId}`;
}

const SWEEP_MS = 1_000;
/**
 * What was told so shortly before a connection was lost may be lost with it: a replica that takes over is behind, and
 * an append-only file is synced once a second.
 */
const RECENT_MS = 5_000;
const USERS_MAX = 10_000;
const BATCH = 100;

/**
 * Whose changes could not be told, or may have been lost since. Their streams are dropped as soon as Redis answers:
 * then every cursor is one of which nothing is known, and every listener is told to read again.
 */
export class OwedResyncs {
  readonly #streams: ChangeStreams;
  readonly #signals: Signals;
  /** null: everybody */
  #owed: Set<number> | null = new Set();
  /** told of at an incarnation of their server: in the last while, and in the one before */
  #recent = new Map<number, object>();
  #before = new Map<number, object>();
  #rotatedAt = performance.now();
  #settling = false;
  readonly #timer: NodeJS.Timeout;

  constructor(streams: ChangeStreams, signals: Signals) {
    this.#streams = streams;
    this.#signals = signals;
    this.#timer = setInterval(() => void this.#sweep(), SWEEP_MS).unref();
  }

  owe(userId: number): void {
    this.#owed?.add(userId);
    if (this.#owed && this.#owed.size > USERS_MAX) this.#owed = null;
  }

  /** @param incarnation of the server, before it was told */
  told(userId: number, incarnation: object): void {
    if (this.#recent.size >= USERS_MAX) this.#rotate();
    this.#recent.set(userId, incarnation);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #rotate(): void {
    // Those that leave are looked at a last time.
    this.#oweLost(this.#before);
    this.#before = this.#recent;
    this.#recent = new Map();
    this.#rotatedAt = performance.now();
  }

  #oweLost(told: Map<number, object>): void {
    for (const [userId, incarnation] of told) {
      if (this.#streams.incarnation(userId) === incarnation) continue;
      told.delete(userId);
      this.owe(userId);
    }
  }

  async #sweep(): Promise<void> {
    this.#oweLost(this.#recent);
    if (performance.now() - this.#rotatedAt > RECENT_MS) this.#rotate();
    else this.#oweLost(this.#before);
    if (this.#settling) return;
    this.#settling = true;
    await (this.#owed ? this.#settle(this.#owed) : this.#settleEverybody());
    this.#settling = false;
  }

  async #settle(owed: Set<number>): Promise<void> {
    const users = [...owed];
    for (let next = 0; next < users.length; next += BATCH) {
      const dropped = await Promise.all(users.slice(next, next + BATCH).map((userId) => this.#drop(owed, userId)));
      // Redis does not answer: it is tried again.
      if (!dropped.includes(true)) return;
    }
  }

  async #drop(owed: Set<number>, userId: number): Promise<boolean> {
    // Before the command: who is owed one again meanwhile stays owed.
    owed.delete(userId);
    try {
      await this.#streams.drop(userId);
    } catch {
      this.owe(userId);
      return false;
    }
    this.#signals.send(changesChannel(userId), "");
    return true;
  }

  async #settleEverybody(): Promise<void> {
    this.#owed = new Set();
    try {
      await this.#streams.dropAll();
    } catch {
      this.#owed = null;
      return;
    }
    this.#signals.send(changesChannel(), "");
  }
}
