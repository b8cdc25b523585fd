import { BackscrollApiError, type Message } from "backscroll-client";
import {
  type Asking,
  type Opening,
  type Place,
  readAround,
  readNewer,
  readNewest,
  readOldest,
  readOlder,
  type ThreadReads,
} from "./thread-pages.ts";
import { NOTHING } from "./thread-span.ts";
import { ThreadWindow } from "./thread-window.ts";

/** `more`: there may be more beyond. `end`: nothing is beyond; what comes there is told. */
export type ThreadEnd =
  | { readonly state: "more" | "loading" | "end" }
  | { readonly state: "error"; readonly error: unknown };

/** `unknown`: nothing was read yet. `gone`: there is no such conversation, or not any more. */
export type ThreadPhase = "unknown" | "ready" | "error" | "gone";

export interface ThreadSource {
  readonly reads: ThreadReads;
  readonly conversationId: string;
  /** how many messages are held at most; beyond that those away from the reader are let go */
  readonly heldMax: number;
}

/** `superseded`: something else was opened meanwhile. */
export type Opened = "shown" | "missing" | "failed" | "superseded";

/** The service's cache answers these. */
const OPENED = 20;
const PAGE = 50;
const REREAD = 200;
const MORE: ThreadEnd = { state: "more" };
const LOADING: ThreadEnd = { state: "loading" };
const END: ThreadEnd = { state: "end" };
const ALWAYS = new AbortController().signal;

/**
 * Reads a part of a conversation and goes on from it in both directions. Whatever order answers and changes come in,
 * nothing is there twice and nothing is missing in between.
 */
export class ThreadReader {
  phase: ThreadPhase = "unknown";
  /** why nothing could be read; only in phase `error` */
  error: unknown = null;
  older: ThreadEnd = MORE;
  newer: ThreadEnd = MORE;
  /** the newest messages are not held: what is not stored yet has no place after those that are */
  isDetached = false;
  readonly #reads: ThreadReads;
  readonly #conversationId: string;
  readonly #changed: () => void;
  readonly #window: ThreadWindow;
  /** Was edited, and is not read again yet; what is not held, when it comes: its answer may be from before. */
  readonly #outdated = new Set<string>();
  /** changes were missed, and what is held could not be read again yet */
  #missedNear: { readonly id: string | null } | null = null;
  #olderFrom: Place | null = null;
  #newerFrom: Place | null = null;
  /** What was asked for one opening is nothing to the next one. */
  #laid = new AbortController();
  #opening: { readonly what: string; readonly done: Promise<Opened> } | null = null;
  #isCatchingUp = false;
  /** counts what may have put messages at the end */
  #savesTold = 0;

  /** @param changed is called after every change of what is public here */
  constructor(at: ThreadSource, changed: () => void) {
    this.#reads = at.reads;
    this.#conversationId = at.conversationId;
    this.#window = new ThreadWindow(at.heldMax);
    this.#changed = changed;
  }

  get messages(): readonly Message[] {
    return this.#window.messages;
  }

  find(id: string): Message | undefined {
    return this.#window.find(id);
  }

  /** A conversation that is only being made: there is nothing to read. */
  beginEmpty(): void {
    if (this.phase === "unknown") this.#lay({ span: NOTHING, olderFrom: null, newerFrom: null });
  }

  openNewest(limit = OPENED): Promise<Opened> {
    return this.#open("", (asking) => readNewest(asking, limit));
  }

  openOldest(): Promise<Opened> {
    return this.#open(" oldest", (asking) => readOldest(asking, PAGE));
  }

  openAround(messageId: string, limit = PAGE): Promise<Opened> {
    return this.#open(messageId, (asking) => readAround(asking, { messageId, limit }));
  }

  /** Reads again what is around the reader, after changes were missed. @param nearId null: the newest */
  async readAgain(nearId: string | null): Promise<void> {
    let opened = nearId === null ? "missing" : await this.openAround(nearId, REREAD);
    if (opened === "missing") opened = await this.openNewest(REREAD);
    this.#missedNear = opened === "failed" ? { id: nearId } : null;
  }

  async loadOlder(): Promise<void> {
    if (this.phase !== "ready" || this.older.state !== "more") return;
    const asking = this.#asking();
    this.#show({ older: LOADING });
    try {
      const from = this.#olderFrom ?? (await this.#placeAtEdge("older", asking));
      const page = from && (await readOlder(asking, from, PAGE));
      if (asking.signal.aborted) return;
      // What does not join lies beyond messages that have been let go since.
      const isJoined = page === null || this.#window.join(page.span);
      this.#olderFrom = (isJoined && page?.next) || null;
      this.older = isJoined && this.#olderFrom === null ? END : MORE;
      if (this.#window.letGoOfNewest()) {
        this.#newerFrom = null;
        this.isDetached = true;
        // A page that is on its way finds by itself that it does not join.
        if (this.newer !== LOADING) this.newer = MORE;
      }
      this.#changed();
      this.#readOutdated();
    } catch (error) {
      this.#fail("older", error, asking);
    }
  }

  async loadNewer(): Promise<void> {
    if (this.phase !== "ready" || this.newer.state !== "more") return;
    const asking = this.#asking();
    const savesTold = this.#savesTold;
    this.#show({ newer: LOADING });
    try {
      const from = this.#newerFrom ?? (await this.#placeAtEdge("newer", asking));
      const page = from && (await readNewer(asking, from, PAGE));
      if (asking.signal.aborted) return;
      const isJoined = page === null || this.#window.join(page.span);
      this.#newerFrom = (isJoined && page?.next) || null;
      this.newer = isJoined && this.#newerFrom === null ? END : MORE;
      if (this.newer === END) this.isDetached = false;
      this.#letGoOfOldest();
      this.#changed();
      this.#readOutdated();
      if (savesTold !== this.#savesTold) void this.#readNewest();
    } catch (error) {
      this.#fail("newer", error, asking);
    }
  }

  /** Tries again whatever could not be read. */
  retry(): void {
    if (this.phase === "error") void this.openNewest();
    else if (this.#missedNear) void this.readAgain(this.#missedNear.id);
    this.#readOutdated();
    if (this.older.state === "error") {
      this.older = MORE;
      void this.loadOlder();
    }
    if (this.newer.state === "error") {
      this.newer = MORE;
      void this.loadNewer();
    }
  }

  /** Something was saved: reads what is newer than the newest, if that is held; otherwise it is met on the way there. */
  catchUp(): void {
    this.#savesTold += 1;
    void this.#readNewest();
  }

  /** Takes in messages that somebody else has read. */
  take(messages: readonly Message[]): void {
    if (this.phase !== "ready") return;
    if (this.#window.take(messages)) this.catchUp();
    this.#letGoOfOldest();
    this.#changed();
  }

  /** Reads one message again that was edited. */
  async readOne(messageId: string): Promise<void> {
    this.#outdated.add(messageId);
    if (!this.find(messageId)) return;
    try {
      const { span } = await readAround({ ...this.#asking(), signal: ALWAYS }, { messageId, limit: 1 });
      this.#outdated.delete(messageId);
      this.take(span.messages);
    } catch (error) {
      if (isCode(error, "message_not_found")) this.remove(messageId);
    }
  }

  remove(id: string): void {
    this.#outdated.delete(id);
    this.#window.remove(id);
    this.#changed();
  }

  /** Takes a removal back. */
  putBack(message: Message): void {
    this.#window.putBack(message);
    this.#changed();
  }

  /** The conversation was deleted. */
  leave(): void {
    this.#laid.abort();
    this.#window.lay(NOTHING);
    this.phase = "gone";
    this.#changed();
  }

  async #readNewest(): Promise<void> {
    if (this.#isCatchingUp || this.phase !== "ready" || this.newer.state !== "end") return;
    this.#isCatchingUp = true;
    const asking = this.#asking();
    let savesTold = this.#savesTold;
    try {
      const { span } = await readNewest(asking, OPENED);
      // Or the end was let go meanwhile.
      if (asking.signal.aborted || this.newer !== END) return;
      if (!this.#window.join(span)) this.newer = MORE;
      this.#letGoOfOldest();
      this.#changed();
      this.#readOutdated();
      // Many came at once: what lies between is read from here on.
      if (this.newer === MORE) void this.loadNewer();
    } catch (error) {
      savesTold = this.#savesTold;
      this.#fail("newer", error, asking);
    } finally {
      this.#isCatchingUp = false;
    }
    if (savesTold !== this.#savesTold) await this.#readNewest();
  }

  #open(what: string, read: (asking: Asking) => Promise<Opening>): Promise<Opened> {
    if (this.#opening?.what === what) return this.#opening.done;
    const done = this.#openNow(read).finally(() => {
      if (this.#opening?.done === done) this.#opening = null;
    });
    this.#opening = { what, done };
    return done;
  }

  async #openNow(read: (asking: Asking) => Promise<Opening>): Promise<Opened> {
    this.#laid.abort();
    this.#laid = new AbortController();
    if (this.older === LOADING) this.older = MORE;
    if (this.newer === LOADING) this.newer = MORE;
    const asking = this.#asking();
    const savesTold = this.#savesTold;
    try {
      const opening = await read(asking);
      if (asking.signal.aborted) return "superseded";
      this.#lay(opening);
      this.#readOutdated();
      if (savesTold !== this.#savesTold) void this.#readNewest();
      return "shown";
    } catch (error) {
      if (asking.signal.aborted) return "superseded";
      if (isCode(error, "message_not_found")) return "missing";
      if (isCode(error, "conversation_not_found")) this.leave();
      else if (this.phase !== "ready") this.#show({ phase: "error", error });
      return "failed";
    }
  }

  #lay({ span, olderFrom, newerFrom }: Opening): void {
    this.#window.lay(span);
    this.#olderFrom = olderFrom;
    this.#newerFrom = newerFrom;
    this.isDetached = newerFrom !== null;
    this.#show({
      phase: "ready",
      error: null,
      older: olderFrom === null ? END : MORE,
      newer: newerFrom === null ? END : MORE,
    });
  }

  #letGoOfOldest(): void {
    if (!this.#window.letGoOfOldest()) return;
    this.#olderFrom = null;
    if (this.older !== LOADING) this.older = MORE;
  }

  /** @returns where to read on from the message at that end; null: nothing is beyond it */
  async #placeAtEdge(end: "older" | "newer", asking: Asking): Promise<Place | null> {
    for (;;) {
      const edge = this.messages.at(end === "older" ? 0 : -1);
      if (!edge) return null;
      try {
        const { olderFrom, newerFrom } = await readAround(asking, { messageId: edge.id, limit: 1 });
        return end === "older" ? olderFrom : newerFrom;
      } catch (error) {
        if (!isCode(error, "message_not_found")) throw error;
        // It was deleted just now.
        this.remove(edge.id);
      }
    }
  }

  #fail(end: "older" | "newer", error: unknown, { signal }: Asking): void {
    if (signal.aborted) return;
    if (isCode(error, "conversation_not_found")) this.leave();
    else this.#show({ [end]: { state: "error", error } });
  }

  #readOutdated(): void {
    for (const id of this.#outdated) if (this.find(id)) void this.readOne(id);
  }

  #show(change: Partial<Pick<ThreadReader, "phase" | "error" | "older" | "newer">>): void {
    Object.assign(this, change);
    this.#changed();
  }

  #asking(): Asking {
    return { reads: this.#reads, conversationId: this.#conversationId, signal: this.#laid.signal };
  }
}

function isCode(error: unknown, code: BackscrollApiError["code"]): boolean {
  return error instanceof BackscrollApiError && error.code === code;
}
