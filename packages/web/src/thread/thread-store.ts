import type { FollowedChange, Message } from "backscroll-client";
import { beingSent, beingWritten, shownAs, type ThreadMessage } from "./thread-message.ts";
import type { ThreadReads } from "./thread-pages.ts";
import { type Opened, type ThreadEnd, type ThreadPhase, ThreadReader } from "./thread-reader.ts";

/** What can be listened to: which messages are shown, the state, or one message. */
export type ThreadTopic = "ids" | "state" | `message ${string}`;

const HELD_MAX = 2_000;

export interface ThreadState {
  readonly phase: ThreadPhase;
  /** why nothing could be read; only in phase `error` */
  readonly error: unknown;
  readonly older: ThreadEnd;
  readonly newer: ThreadEnd;
  /** the newest messages are not held: newer ones are read page by page, or by `openNewest` */
  readonly isDetached: boolean;
  /** the id of the reply that is being written, whoever asked for it; null: none that is known of */
  readonly runningReplyId: string | null;
}

/** Where somebody reads who is not at the end: a message, and how far its top is below the top of what is seen. */
export interface ReadingPlace {
  readonly id: string;
  readonly offsetPx: number;
}

/**
 * One conversation's thread: a part of its messages without gaps (never the whole of a long one), and after them what
 * is not stored yet: messages being sent, replies being written. Ids never change and nothing is swapped: what is
 * stored takes the place of what was shown under its id before.
 *
 * React reads it by `use-thread.ts`; `open-threads.ts` keeps one for each conversation, and tells it what changes.
 * Nothing here rejects: what could not be read stands in `state`, for `retry`.
 */
export class ThreadStore {
  readonly conversationId: string;
  /** null: at the end, following what comes */
  readingPlace: ReadingPlace | null = null;
  readonly #reader: ThreadReader;
  readonly #listeners = new Map<ThreadTopic, Set<() => void>>();
  /** not stored yet, in the order shown */
  readonly #unstored = new Map<string, ThreadMessage>();
  #shown = new Map<string, ThreadMessage>();
  #ids: readonly string[] = [];
  #state: ThreadState;
  #runningReplyId: string | null = null;

  /** @param heldMax how many messages are held at most; beyond that those away from the reader are let go */
  constructor(reads: ThreadReads, conversationId: string, heldMax = HELD_MAX) {
    this.conversationId = conversationId;
    this.#reader = new ThreadReader({ reads, conversationId, heldMax }, () => this.#update());
    this.#state = this.#readState();
  }

  /** What is shown, oldest first: the same array until that changes. */
  get ids(): readonly string[] {
    return this.#ids;
  }

  get state(): ThreadState {
    return this.#state;
  }

  /** @returns null when it is not held */
  message(id: string): ThreadMessage | null {
    return this.#shown.get(id) ?? null;
  }

  /** Nobody looks at it, and it holds nothing that is not stored: it can be forgotten. */
  get isIdle(): boolean {
    return this.#listeners.size === 0 && this.#unstored.size === 0;
  }

  /** @returns stops listening */
  subscribe(topic: ThreadTopic, listener: () => void): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(topic) === listeners) this.#listeners.delete(topic);
    };
  }

  /** Reads the newest messages, unless some are held. */
  async open(): Promise<void> {
    if (this.#state.phase !== "ready") await this.#reader.openNewest();
  }

  /** A conversation that is only being made, by the first message in it: there is nothing to read. */
  beginEmpty(): void {
    this.#reader.beginEmpty();
  }

  /** Goes to the end, from wherever it is. */
  async openNewest(): Promise<Opened> {
    this.readingPlace = null;
    return this.#state.phase === "ready" && !this.#state.isDetached ? "shown" : this.#reader.openNewest();
  }

  /** Goes to the beginning, from wherever it is. */
  async openOldest(): Promise<Opened> {
    const { phase, older } = this.#state;
    return phase === "ready" && older.state === "end" ? "shown" : this.#reader.openOldest();
  }

  /** Sees to it that a message is held, with what is around it. `missing`: nothing changes. */
  async openAround(messageId: string): Promise<Opened> {
    return this.#shown.has(messageId) ? "shown" : this.#reader.openAround(messageId);
  }

  /** Reads a page of older messages, if there are any and none is being read. After an error: `retry`. */
  async loadOlder(): Promise<void> {
    await this.#reader.loadOlder();
  }

  /** The same with newer ones. */
  async loadNewer(): Promise<void> {
    await this.#reader.loadNewer();
  }

  /** Tries again whatever could not be read. */
  retry(): void {
    this.#reader.retry();
  }

  /** Takes in stored messages that somebody else has read, e.g. a turn's answer. */
  upsert(messages: readonly Message[]): void {
    this.#reader.take(messages);
  }

  /**
   * Takes a message away: it was deleted, or is about to be; an unsent one was discarded; a reply came to nothing.
   *
   * @returns puts it back where it was
   */
  remove(id: string): () => void {
    const unstored = this.#unstored.get(id);
    const stored = this.#reader.find(id);
    this.#unstored.delete(id);
    // An unstored one may be stored later, by a second try.
    if (unstored === undefined) this.#reader.remove(id);
    else this.#update();
    return () => {
      if (unstored) this.#put(unstored);
      else if (stored) this.#reader.putBack(stored);
    };
  }

  /** Shows a message that is being sent, or sent again, at the end. It stays until it is there as stored. */
  addSending(id: string, content: string): void {
    this.#put(beingSent(id, content));
    if (this.#state.isDetached) void this.openNewest();
  }

  /** It could not be sent. Nothing happens if it is known to be stored. */
  markFailed(id: string, error: unknown): void {
    const message = this.#unstored.get(id);
    if (message) this.#put({ ...message, state: "failed", error });
  }

  /** Shows a reply as far as it is written: the whole text so far. Nothing happens once it is stored. */
  setReplyText(id: string, text: string): void {
    if (!this.#reader.find(id)) this.#put(beingWritten(id, text, this.#unstored.get(id)));
  }

  /** What was heard, or asked of the service: a reply is being written. null: none is. */
  setRunningReply(id: string | null): void {
    this.#runningReplyId = id;
    this.#update();
  }

  /** Takes in a change of this conversation, or a `resync`. */
  onChange(change: FollowedChange): void {
    switch (change.type) {
      case "messages_saved":
        return this.#reader.catchUp();
      case "message_edited":
        return void this.#reader.readOne(change.message_id);
      case "message_deleted":
        this.#unstored.delete(change.message_id);
        return this.#reader.remove(change.message_id);
      case "reply_started":
        return this.setRunningReply(change.message_id);
      case "reply_ended":
        return this.setRunningReply(null);
      case "conversation_deleted":
        return this.#reader.leave();
      case "ready":
        // Saved while the feed was not open yet.
        return this.#reader.catchUp();
      case "conversation_restored":
      case "resync":
        if (this.#state.phase !== "unknown") void this.#reader.readAgain(this.readingPlace?.id ?? null);
        return;
      case "conversation_created":
      case "conversation_updated":
        return;
    }
  }

  #put(message: ThreadMessage): void {
    this.#unstored.set(message.id, message);
    this.#update();
  }

  /** Works out what is shown, and tells whoever looks at what changed of it. */
  #update(): void {
    const before = this.#shown;
    this.#shown = this.#readShown();
    const ids = [...this.#shown.keys()];
    const isSame = ids.length === this.#ids.length && ids.every((id, at) => id === this.#ids[at]);
    if (!isSame) this.#ids = ids;
    const state = this.#readState();
    const isSameState = Object.entries(state).every(
      ([name, value]) => this.#state[name as keyof ThreadState] === value,
    );
    if (!isSameState) this.#state = state;
    if (!isSame) this.#tell("ids");
    if (!isSameState) this.#tell("state");
    for (const topic of this.#listeners.keys()) {
      const id = topic.slice("message ".length);
      if (topic.startsWith("message ") && before.get(id) !== this.#shown.get(id)) this.#tell(topic);
    }
  }

  #readShown(): Map<string, ThreadMessage> {
    const shown = new Map<string, ThreadMessage>();
    for (const message of this.#reader.messages) {
      const before = this.#shown.get(message.id);
      shown.set(message.id, before?.stored === message ? before : shownAs(message));
      this.#unstored.delete(message.id);
    }
    if (!this.#reader.isDetached) for (const message of this.#unstored.values()) shown.set(message.id, message);
    return shown;
  }

  #readState(): ThreadState {
    const { phase, error, older, newer, isDetached } = this.#reader;
    return { phase, error, older, newer, isDetached, runningReplyId: this.#runningReplyId };
  }

  #tell(topic: ThreadTopic): void {
    for (const listener of this.#listeners.get(topic) ?? []) listener();
  }
}
