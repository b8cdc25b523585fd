import { invalidRequest } from "../domain/errors.ts";
import { toNewMessage } from "../domain/session-message.ts";
import type { NewMessage } from "../domain/message.ts";
import type { UserName } from "../domain/user.ts";
import type { ConversationService } from "../service/conversation-service.ts";
import { type Backfilled, backfillSession, isRefusal } from "./backfill.ts";
import { BackscrollSessions, type ReadSession } from "./backscroll-sessions.ts";
import type { DualWrite, SessionStoreCounts, SessionStoreMode, Side } from "./dual-write.ts";
import {
  type ContextChanges,
  type LegacySession,
  type LegacySessions,
  type SessionContext,
} from "./legacy-sessions.ts";
import { checkedMode, type SessionMessage, type SessionStoreSettings } from "./session-store-options.ts";
import { compareSession, type ParityReport, reportParity, type SessionParity } from "./parity.ts";

/** One change of a session, for both sides. */
interface Change<Message extends SessionMessage> {
  readonly legacy: (legacy: LegacySessions<Message>) => Promise<void> | void;
  readonly backscroll: () => Promise<void>;
  /** it ends the session, whose conversation stays or goes to the trash */
  readonly clears?: "keep" | "trash";
}

/**
 * In the place of `SESSIONS = {}`: sessions by id, with their messages and their context, kept in Backscroll. A session
 * ends after `SESSION_DAYS` without use; its conversation stays.
 *
 * With the old dictionary beside it (`legacy`) both are written, so that one endpoint can move at a time and move back.
 * Methods throw `BackscrollError` for the side that is read from; what fails on the other is counted, and told to
 * `onFailure`.
 */
export class SessionStore<Message extends SessionMessage = SessionMessage & Record<string, unknown>> {
  readonly #conversations: ConversationService;
  readonly #settings: SessionStoreSettings<Message>;
  readonly #dual: DualWrite;
  readonly #backscroll: BackscrollSessions<Message>;

  /** Made by `Backscroll.sessionStore`. */
  constructor(conversations: ConversationService, settings: SessionStoreSettings<Message>, dual: DualWrite) {
    this.#conversations = conversations;
    this.#settings = settings;
    this.#dual = dual;
    this.#backscroll = new BackscrollSessions(conversations, settings.user);
  }

  /** The same store for another user, or in another mode: for one endpoint. Dictionary, order and counts are shared. */
  with({ user, mode }: { user?: UserName; mode?: SessionStoreMode }): SessionStore<Message> {
    const settings = { ...this.#settings, ...(user !== undefined && { user }), ...(mode && { mode }) };
    return new SessionStore(this.#conversations, { ...settings, mode: checkedMode(settings) }, this.#dual);
  }

  /**
   * `SESSIONS.get(id)`
   *
   * @param limit only the last messages; by default all of them, as the dictionary had. 200 are one query
   * @returns undefined when there is no such session
   */
  async get(sessionId: string, { limit = Number.POSITIVE_INFINITY } = {}): Promise<ReadSession<Message> | undefined> {
    if (limit !== Number.POSITIVE_INFINITY && !(Number.isSafeInteger(limit) && limit >= 1)) {
      throw invalidRequest({ path: "limit", message: "must be a whole number from 1 on" });
    }
    this.#dual.counts.reads += 1;
    const session = await this.#read(sessionId, limit);
    this.#shadowRead(sessionId);
    return session;
  }

  /** `id in SESSIONS` */
  async has(sessionId: string): Promise<boolean> {
    const { legacy, mode } = this.#settings;
    const found = mode === "legacy-first" ? legacy?.read(sessionId) : this.#backscroll.find(sessionId);
    return (await found) !== undefined;
  }

  /** `SESSIONS[id] = {"messages": [], "context": {}}`, unless it is there. */
  async create(sessionId: string): Promise<void> {
    await this.#write("create", sessionId, {
      legacy: (legacy) => legacy.changeContext(sessionId, NO_CHANGES),
      backscroll: () => this.#backscroll.begin(sessionId),
    });
  }

  /**
   * `SESSIONS[id]["messages"].append(message)`; a session that is not there begins. A message with an `id` is there once,
   * however often it is sent. What one process appends is in the order of its calls.
   *
   * @param messages one, or some, in order; over 100 are saved 100 at a time
   */
  async append(sessionId: string, messages: Message | readonly Message[]): Promise<void> {
    const toAppend = Array.isArray(messages) ? (messages as readonly Message[]) : [messages as Message];
    if (toAppend.length === 0) return;
    // As they are now: a dictionary's messages may change later.
    const stored = attempt(() => toAppend.map((message) => toNewMessage(message)));
    await this.#write("append", sessionId, {
      legacy: (legacy) => legacy.append(sessionId, toAppend),
      backscroll: async () => this.#backscroll.append(sessionId, stored()),
    });
  }

  /** `SESSIONS.get(id, {}).get("context", {})` */
  async getContext(sessionId: string): Promise<SessionContext> {
    const { legacy, mode } = this.#settings;
    this.#dual.counts.reads += 1;
    const found = await (mode === "legacy-first" ? legacy?.read(sessionId) : this.#backscroll.find(sessionId));
    this.#shadowRead(sessionId);
    return found?.context ?? {};
  }

  /** `SESSIONS[id]["context"] = context`; a session that is not there begins. */
  async setContext(sessionId: string, context: object): Promise<void> {
    await this.#changeContext("setContext", sessionId, { set: context, remove: [], replace: true });
  }

  /**
   * `SESSIONS[id]["context"].update(changes)`. Updates at once, on any servers, do not lose each other's keys.
   *
   * @param remove keys that go; one in `changes` is set
   */
  async updateContext(
    sessionId: string,
    changes: object,
    { remove = [] }: { remove?: readonly string[] } = {},
  ): Promise<void> {
    await this.#changeContext("updateContext", sessionId, { set: changes, remove, replace: false });
  }

  /** `del SESSIONS[id]`, also of one that is not there. @param conversation default: what `onClear` says */
  async clear(
    sessionId: string,
    { conversation = this.#settings.onClear }: { conversation?: "keep" | "trash" } = {},
  ): Promise<void> {
    await this.#write("clear", sessionId, {
      legacy: (legacy) => legacy.delete(sessionId),
      backscroll: () => this.#backscroll.delete(sessionId, conversation),
      clears: conversation,
    });
  }

  /** `for id in SESSIONS`: the user's; of a dictionary that is read from, everybody's. */
  async *ids(): AsyncGenerator<string> {
    const { legacy, mode } = this.#settings;
    yield* legacy && mode === "legacy-first" ? legacy.ids() : this.#backscroll.ids();
  }

  /**
   * Compares a session while this process does not write to it.
   *
   * @returns null when it was written to without a pause
   * @throws {TypeError} without a dictionary
   */
  async parityOf(sessionId: string): Promise<SessionParity | null> {
    const legacy = this.#legacy();
    const read = async (): Promise<SessionParity> => {
      // At one time, or nearly: another server may write.
      const [old, ours] = await Promise.all([
        legacy.read(sessionId),
        this.#backscroll.read(sessionId, Number.POSITIVE_INFINITY),
      ]);
      return compareSession(sessionId, old, ours);
    };
    const parity = await this.#dual.readAtRest(this.#key(sessionId), read);
    if (parity) this.#dual.counts.compared += 1;
    if (parity?.same === false) this.#dual.counts.mismatched += 1;
    return parity;
  }

  /**
   * Compares every session of the dictionary, one after the other.
   *
   * @param userOf whose a session is, where the dictionary has more than this store's user's
   * @throws {TypeError} without a dictionary
   */
  async parity({ userOf }: { userOf?: (sessionId: string) => UserName } = {}): Promise<ParityReport> {
    return reportParity(this.#parities(userOf));
  }

  /**
   * Brings over what a session has in the dictionary and lacks in Backscroll: for one from before both were written, all
   * of it. The next write of a session does it by itself; this is for those that nobody writes to.
   *
   * @param replace one that has diverged begins anew in another conversation, with all that the dictionary has; the one
   * before stays in the history
   * @throws {TypeError} without a dictionary
   */
  async backfillOf(sessionId: string, { replace = false }: { replace?: boolean } = {}): Promise<Backfilled> {
    const legacy = this.#legacy();
    const key = this.#key(sessionId);
    let done: Backfilled = NOTHING;
    await this.#dual.write(key, () => {
      // Read now: what is written from here on comes after it.
      const reading = (async () => legacy.read(sessionId))();
      reading.catch(() => undefined); // it may fail before its turn comes
      return this.#dual.queue(key, async () => {
        done = await this.#backfill(sessionId, await reading, { replace });
      });
    });
    return done;
  }

  /** The same for every session of the dictionary. @param userOf as of `parity` */
  async backfill({
    userOf,
    replace = false,
  }: { userOf?: (sessionId: string) => UserName; replace?: boolean } = {}): Promise<Backfilled> {
    let all = NOTHING;
    for await (const id of this.#legacy().ids()) {
      const { sessions, copied, refused, diverged } = await this.#storeOf(id, userOf).backfillOf(id, { replace });
      all = {
        sessions: all.sessions + sessions,
        copied: all.copied + copied,
        refused: all.refused + refused,
        diverged: [...all.diverged, ...diverged],
      };
    }
    return all;
  }

  get counts(): SessionStoreCounts {
    return { ...this.#dual.counts };
  }

  /** Resolves when nothing runs any more that was left to run beside requests. */
  async settled(): Promise<void> {
    await this.#dual.settled();
  }

  async *#parities(userOf?: (sessionId: string) => UserName): AsyncGenerator<SessionParity | null> {
    for await (const id of this.#legacy().ids()) yield this.#storeOf(id, userOf).parityOf(id);
  }

  #storeOf(sessionId: string, userOf?: (sessionId: string) => UserName): SessionStore<Message> {
    return userOf ? this.with({ user: userOf(sessionId) }) : this;
  }

  async #read(sessionId: string, limit: number): Promise<ReadSession<Message> | undefined> {
    const { legacy, mode } = this.#settings;
    if (!legacy || mode !== "legacy-first") return this.#backscroll.read(sessionId, limit);
    const session = await legacy.read(sessionId);
    if (!session) return undefined;
    const hasMore = session.messages.length > limit;
    return { ...session, messages: session.messages.slice(-limit), hasMore };
  }

  async #changeContext(operation: string, sessionId: string, changes: ContextChanges): Promise<void> {
    await this.#write(operation, sessionId, {
      legacy: (legacy) => legacy.changeContext(sessionId, changes),
      backscroll: () => this.#backscroll.changeContext(sessionId, changes),
    });
  }

  /** First the side that is read from, then the other. The dictionary, when it is read from, has it at once. */
  async #write(operation: string, sessionId: string, change: Change<Message>): Promise<void> {
    const { legacy, mode, deadlineMs } = this.#settings;
    const key = this.#key(sessionId);
    const other = (side: Side, work: Promise<void>): Promise<void> =>
      this.#dual.beside({ side, operation, sessionId }, { work, deadlineMs });
    await this.#dual.write(key, async () => {
      if (!legacy || mode === "off") return this.#dual.queue(key, change.backscroll);
      const before = this.#readBefore(legacy, { operation, sessionId, change });
      const inDictionary = async (): Promise<void> => change.legacy(legacy);
      if (mode === "legacy-first") {
        const written = inDictionary();
        const after = this.#dual.queue(key, async () => {
          await written;
          await this.#writeAfter(sessionId, await before, change);
        });
        await written;
        return other("backscroll", after);
      }
      return this.#dual.queue(key, async () => {
        await this.#writeAfter(sessionId, await before, change);
        await other("legacy", inDictionary());
      });
    });
  }

  /**
   * What the dictionary has from before, for a Backscroll that has not heard of the session, or was away, or may be before
   * this write's turn comes. It is read as soon as this is called: what is written from then on has its own turn. Never
   * rejects.
   */
  async #readBefore(
    legacy: LegacySessions<Message>,
    { operation, sessionId, change }: { operation: string; sessionId: string; change: Change<Message> },
  ): Promise<LegacySession<Message> | undefined> {
    const key = this.#key(sessionId);
    // A write that is under way may still fail.
    if (change.clears || (this.#dual.inStep.has(key) && !this.#dual.isQueued(key))) return undefined;
    try {
      return await legacy.read(sessionId);
    } catch (error) {
      this.#dual.failed({ side: "legacy", operation, sessionId, error });
      return undefined;
    }
  }

  async #writeAfter(
    sessionId: string,
    before: LegacySession<Message> | undefined,
    { backscroll, clears }: Change<Message>,
  ): Promise<void> {
    const { inStep, owedClears } = this.#dual;
    const key = this.#key(sessionId);
    try {
      const owed = owedClears.get(key);
      if (owed) await this.#backscroll.delete(sessionId, owed);
      owedClears.delete(key);
      if (!inStep.has(key)) await this.#backfill(sessionId, before, { replace: false });
      await backscroll();
      inStep.set(key, true);
    } catch (error) {
      // What was refused would be again; what failed is brought over with the next write.
      if (isRefusal(error)) inStep.set(key, true);
      else inStep.delete(key);
      if (clears && this.#settings.mode === "legacy-first") owedClears.set(key, clears);
      throw error;
    }
  }

  async #backfill(
    sessionId: string,
    legacy: LegacySession<Message> | undefined,
    { replace }: { replace: boolean },
  ): Promise<Backfilled> {
    if (!legacy) return NOTHING;
    const onRefused = (error: unknown): void =>
      this.#dual.failed({ side: "backscroll", operation: "backfill", sessionId, error });
    return backfillSession(this.#backscroll, { sessionId, legacy }, { replace, onRefused });
  }

  #shadowRead(sessionId: string): void {
    const { legacy, mode, shadowReads, onMismatch } = this.#settings;
    if (!legacy || mode === "off" || Math.random() >= shadowReads) return;
    const { comparing } = this.#dual;
    const key = this.#key(sessionId);
    // Reads must not pile up comparisons behind a side that is slow.
    if (comparing.has(key) || comparing.size >= COMPARISONS_MAX) return;
    comparing.add(key);
    const comparison = (async () => {
      try {
        const parity = await this.parityOf(sessionId);
        if (parity?.same === false) onMismatch(parity);
      } catch (error) {
        const side = mode === "legacy-first" ? "backscroll" : "legacy";
        this.#dual.failed({ side, operation: "shadowRead", sessionId, error });
      } finally {
        comparing.delete(key);
      }
    })();
    void this.#dual.track(comparison);
  }

  #legacy(): LegacySessions<Message> {
    if (!this.#settings.legacy) throw new TypeError("this store has no `legacy` dictionary to compare with");
    return this.#settings.legacy;
  }

  #key(sessionId: string): string {
    const { user } = this.#settings;
    return JSON.stringify([user, sessionId]);
  }
}

const NOTHING: Backfilled = { sessions: 0, copied: 0, refused: 0, diverged: [] };
const COMPARISONS_MAX = 4;
const NO_CHANGES: ContextChanges = { set: {}, remove: [], replace: false };

/** @returns what gives the result, or throws what was thrown, later */
function attempt(run: () => readonly NewMessage[]): () => readonly NewMessage[] {
  try {
    const result = run();
    return () => result;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}
