import type { Change } from "../change-feed.ts";
import { ChangeLog } from "../change-log.ts";
import type { Signals } from "../signals.ts";
import type { ChangeStreams } from "./change-streams.ts";
import { changesChannel } from "./owed-resyncs.ts";

/** An id that no stream has: who comes back with it is told to read everything again. */
export const NOWHERE = "0-0";
const TRY_AGAIN_MS = 1_000;

interface Surroundings {
  readonly streams: ChangeStreams;
  readonly signals: Signals;
  /** of the log: the follower of this server that is slowest may be so far behind */
  readonly entriesMax: number;
  /** how often it looks without having been told to */
  readonly tickMs: number;
}

/** A user whom somebody follows on this server: reads the user's stream once, for all of them. */
export class ListenedUser {
  followers = 0;
  readonly log: ChangeLog;
  /** resolves after the first look, whatever it found; never rejects */
  readonly looked: Promise<void>;
  readonly #userId: number;
  readonly #streams: ChangeStreams;
  /** where the stream has been read up to; null: it has to be opened */
  #readUpTo: string | null = null;
  /** the log has begun: from now on what is not read is missed */
  #begun = false;
  #last: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #tryingAgain: NodeJS.Timeout | undefined;
  readonly #closing = new AbortController();

  constructor(userId: number, { streams, signals, entriesMax, tickMs }: Surroundings) {
    this.#userId = userId;
    this.#streams = streams;
    this.log = new ChangeLog(NOWHERE, entriesMax);
    const look = (): void => void this.look();
    const stopListening = signals.listen(changesChannel(userId), look, look);
    const ticking = setInterval(() => {
      look();
      streams.keep(userId).catch(() => undefined);
    }, tickMs).unref();
    this.#closing.signal.addEventListener("abort", () => {
      stopListening();
      clearInterval(ticking);
      clearTimeout(this.#tryingAgain);
    });
    this.looked = this.look();
  }

  /** id of the newest entry in the stream, as far as it has been read */
  get cursor(): string {
    return this.#readUpTo ?? NOWHERE;
  }

  /** Brings the log up to what the stream holds now, or later. Never rejects. */
  look(): Promise<void> {
    // A look that has begun may not see what this one is for.
    return (this.#next ??= this.#last.then(() => {
      this.#next = undefined;
      return (this.#last = this.#look());
    }));
  }

  /** A change that could not be stored: at least whoever listens here hears of it. */
  tellHere(change: Change): void {
    this.log.push({ id: NOWHERE, change });
  }

  /** Resolves when it looks no more. */
  async close(): Promise<void> {
    this.#closing.abort();
    await (this.#next ?? this.#last);
  }

  async #look(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    try {
      const entries = this.#readUpTo === null ? null : await this.#streams.read(this.#userId, this.#readUpTo);
      if (entries === null) await this.#open();
      else if (entries.length > 0) {
        this.#readUpTo = entries.at(-1)?.id ?? this.#readUpTo;
        this.log.push(...entries);
      }
    } catch {
      // Redis does not answer. Nobody has missed anything yet: what is there when it does is read, or found to be gone.
      clearTimeout(this.#tryingAgain);
      this.#tryingAgain = setTimeout(() => void this.look(), TRY_AGAIN_MS).unref();
    }
    this.#begun = true;
  }

  async #open(): Promise<void> {
    this.#readUpTo = null;
    const id = await this.#streams.open(this.#userId);
    this.#readUpTo = id;
    this.log.push({ id, change: this.#begun ? { type: "resync" } : null });
  }
}
