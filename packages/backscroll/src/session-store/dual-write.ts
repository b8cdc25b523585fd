import { LRUCache } from "lru-cache";

/** Where sessions are read, and so which of the two must not fail. Written are both, except with `off`: only Backscroll. */
export type SessionStoreMode = "legacy-first" | "backscroll-first" | "off";

export type Side = "legacy" | "backscroll";

/** Something that failed, and did not fail its request. */
export interface SessionStoreFailure {
  readonly side: Side;
  /** the method that was called */
  readonly operation: string;
  readonly sessionId: string;
  readonly error: unknown;
}

/** What happened since the store was made, in this process. */
export interface SessionStoreCounts {
  readonly reads: number;
  readonly writes: number;
  /** writes and comparisons that failed on the side that is not read from */
  readonly legacyFailures: number;
  readonly backscrollFailures: number;
  /** writes that the request did not wait for any longer; they went on */
  readonly late: number;
  readonly compared: number;
  readonly mismatched: number;
}

/** Somebody who has to know whether a session was written to meanwhile. */
interface Watch {
  readonly sessionId: string;
  touched: boolean;
}

/** Puts what one process does to a session into an order, and counts. Shared by all that `SessionStore.with` gives. */
export class DualWrite {
  readonly counts: { -readonly [Key in keyof SessionStoreCounts]: number } = {
    reads: 0,
    writes: 0,
    legacyFailures: 0,
    backscrollFailures: 0,
    late: 0,
    compared: 0,
    mismatched: 0,
  };
  /** sessions, by user, of which Backscroll has what the dictionary has, as far as this process knows */
  readonly inStep = new LRUCache<string, true>({ max: 10_000 });
  /**
   * Sessions, by user, that Backscroll could not clear: it does before anything else is written to them. And what becomes
   * of their conversations.
   */
  readonly owedClears = new LRUCache<string, "keep" | "trash">({ max: 10_000 });
  /** sessions, by user, that are compared beside a read at the moment */
  readonly comparing = new Set<string>();
  readonly #onFailure: (failure: SessionStoreFailure) => void;
  readonly #track: <Result>(operation: Promise<Result>) => Promise<Result>;
  /** by user and session: the last thing that waits for its turn */
  readonly #last = new Map<string, Promise<unknown>>();
  /** writes that have begun, by user and session */
  readonly #writing = new Map<string, Set<Promise<unknown>>>();
  readonly #watches = new Set<Watch>();
  readonly #running = new Set<Promise<unknown>>();

  constructor(
    onFailure: (failure: SessionStoreFailure) => void,
    track: <Result>(operation: Promise<Result>) => Promise<Result>,
  ) {
    this.#onFailure = onFailure;
    this.#track = track;
  }

  /** Runs after everything that was queued for this session before. */
  queue<Result>(sessionId: string, run: () => Promise<Result>): Promise<Result> {
    const before = this.#last.get(sessionId) ?? Promise.resolve();
    const result = before.then(run, run);
    this.#last.set(sessionId, result);
    const ended = (): void => {
      if (this.#last.get(sessionId) === result) this.#last.delete(sessionId);
    };
    result.then(ended, ended);
    return this.track(result);
  }

  /** Whether something waits for its turn, or has it. */
  isQueued(sessionId: string): boolean {
    return this.#last.has(sessionId);
  }

  /** Runs a write of a session, all of it. */
  async write(sessionId: string, run: () => Promise<void>): Promise<void> {
    this.counts.writes += 1;
    for (const watch of this.#watches) if (watch.sessionId === sessionId) watch.touched = true;
    const writing = this.#writing.get(sessionId) ?? new Set();
    this.#writing.set(sessionId, writing);
    const written = run();
    writing.add(written);
    try {
      await written;
    } finally {
      writing.delete(written);
      if (writing.size === 0) this.#writing.delete(sessionId);
    }
  }

  /**
   * Reads while nobody writes here.
   *
   * @returns null when somebody always did
   */
  async readAtRest<Result>(sessionId: string, read: () => Promise<Result>): Promise<Result | null> {
    for (let tries = 0; tries < READ_TRIES; tries += 1) {
      await Promise.allSettled([this.#last.get(sessionId), ...(this.#writing.get(sessionId) ?? [])]);
      const watch: Watch = { sessionId, touched: this.#last.has(sessionId) || this.#writing.has(sessionId) };
      this.#watches.add(watch);
      try {
        const result = await read();
        if (!watch.touched) return result;
      } finally {
        this.#watches.delete(watch);
      }
    }
    return null;
  }

  /** What must not fail its request, nor hold it up for longer than this; it goes on then. */
  async beside(
    failure: Omit<SessionStoreFailure, "error">,
    { work, deadlineMs }: { work: Promise<unknown>; deadlineMs: number },
  ): Promise<void> {
    const done = this.track(
      work.then(
        () => true,
        (error: unknown) => {
          this.failed({ ...failure, error });
          return true;
        },
      ),
    );
    const late = Promise.withResolvers<false>();
    const timer = setTimeout(() => late.resolve(false), deadlineMs);
    const inTime = await Promise.race([done, late.promise]);
    clearTimeout(timer);
    if (!inTime) this.counts.late += 1;
  }

  failed(failure: SessionStoreFailure): void {
    this.counts[failure.side === "legacy" ? "legacyFailures" : "backscrollFailures"] += 1;
    this.#onFailure(failure);
  }

  track<Result>(work: Promise<Result>): Promise<Result> {
    this.#running.add(work);
    const ended = (): boolean => this.#running.delete(work);
    work.then(ended, ended);
    return this.#track(work);
  }

  /** Resolves when nothing runs that was begun here. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }
}

/** A session that is written to without a pause is not compared. */
const READ_TRIES = 10;
