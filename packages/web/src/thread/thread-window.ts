import type { Message } from "backscroll-client";
import {
  joinSpans,
  newerOf,
  newestOf,
  NOTHING,
  oldestOf,
  type Span,
  withMessage,
  withoutMessage,
} from "./thread-span.ts";

/** The part of a conversation that is held, whatever is read, saved, edited and deleted meanwhile. */
export class ThreadWindow {
  readonly #heldMax: number;
  #span: Span = NOTHING;
  /** Answers given before a deletion still have what it deleted. */
  readonly #deleted = new Set<string>();

  constructor(heldMax: number) {
    this.#heldMax = heldMax;
  }

  /** oldest first, with no gap between them */
  get messages(): readonly Message[] {
    return this.#span.messages;
  }

  find(id: string): Message | undefined {
    return this.messages.find((message) => message.id === id);
  }

  /** Holds this, and nothing of what was held before. */
  lay(read: Span): void {
    const known = new Map(this.messages.map((message) => [message.id, message]));
    const messages = this.#left(read).messages.map((message) => newerOf(known.get(message.id), message));
    this.#span = { ...read, messages };
  }

  /** @returns false when there may be messages between what is held and this: it was not taken in */
  join(read: Span): boolean {
    const joined = joinSpans(this.#span, this.#left(read));
    if (joined) this.#span = joined;
    return joined !== null;
  }

  /**
   * Takes in single messages: those that are held, as they are now, and those that follow the newest.
   *
   * @returns whether there is one that is newer than what could be taken in
   */
  take(messages: readonly Message[]): boolean {
    let isBeyond = false;
    for (const message of messages.toSorted((a, b) => a.seq - b.seq)) {
      const { seq, id } = message;
      const known = this.find(id);
      if (known) this.#span = withMessage(this.#span, newerOf(known, message));
      // What is missing inside was deleted.
      else if (seq > this.#span.high && !this.join({ low: seq, high: seq, messages: [message] })) isBeyond = true;
    }
    return isBeyond;
  }

  remove(id: string): void {
    this.#deleted.add(id);
    this.#span = withoutMessage(this.#span, id);
  }

  /** Takes a removal back. */
  putBack(message: Message): void {
    this.#deleted.delete(message.id);
    this.#span = withMessage(this.#span, message);
  }

  /** @returns whether older messages were let go, so that the newer ones have room */
  letGoOfOldest(): boolean {
    if (this.messages.length <= this.#heldMax) return false;
    this.#span = newestOf(this.#span, this.#heldMax);
    return true;
  }

  /** @returns whether newer messages were let go, so that the older ones have room */
  letGoOfNewest(): boolean {
    if (this.messages.length <= this.#heldMax) return false;
    this.#span = oldestOf(this.#span, this.#heldMax);
    return true;
  }

  #left(read: Span): Span {
    return { ...read, messages: read.messages.filter(({ id }) => !this.#deleted.has(id)) };
  }
}
