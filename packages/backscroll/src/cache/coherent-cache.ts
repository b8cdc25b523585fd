import type { ConversationRef } from "../domain/conversation.ts";
import { logText } from "../domain/logged-error.ts";
import type {
  CachedMessages,
  CacheMiss,
  CacheNode,
  ConversationCache,
  Extension,
  Snapshot,
} from "./conversation-cache.ts";
import { withDeadline } from "./deadline.ts";
import { DirtyConversations } from "./dirty-conversations.ts";
import { BreakerOpenError, Guard } from "./guard.ts";
import type { HistoryCache, LoadSnapshot, RecentMessages } from "./history-cache.ts";
import type { CacheMetrics, ReadSource } from "./metrics.ts";
import { SharedQueries } from "./shared-queries.ts";
import type { Epoch } from "./trust.ts";
import { Verifier } from "./verifier.ts";

export interface CoherentCacheOptions {
  readonly cache: ConversationCache;
  /** @returns the conversation's version in PostgreSQL, null when there is no such conversation */
  readonly findVersion: (at: ConversationRef) => Promise<number | null>;
  /** tells the other servers that their cache may be wrong about it; resolves once they will hear */
  readonly announce: (at: ConversationRef) => Promise<void>;
  readonly settings: CoherenceSettings;
  readonly metrics: CacheMetrics;
  readonly log: { debug(fields: object, message: string): void; warn(fields: object, message: string): void };
}

interface CoherenceSettings {
  /** how long a call to the cache may take */
  readonly deadlineMs: number;
  /** a conversation that answers is compared with PostgreSQL at most so often */
  readonly auditIntervalMs: number;
  /** dirty conversations remembered; beyond them the whole cache is dirty */
  readonly dirtyMax?: number;
  /** checked conversations remembered; others are checked again */
  readonly checkedMax?: number;
}

const DIRTY_MAX = 10_000;
const CHECKED_MAX = 100_000;
/** An acknowledgement waits so long at most for the other servers to be told. */
const ANNOUNCE_MS = 1_000;
/** Of one conversation. A larger one stays in PostgreSQL: reading it would take about as long as a call may. */
const CACHED_BYTES_MAX = 1_048_576;
/** An audit comes so much later than it is due: longer than telling the cache of a change takes. */
const AUDIT_GRACE_MS = 1_000;

/** A query under way after a miss. */
interface Flight {
  /** the lease that was held when it began */
  readonly holder: string;
  readonly incarnation: object;
  /** a change that failed while nothing was heard has not dropped the lease */
  readonly listening: object;
  readonly snapshot: Promise<Snapshot | null>;
}

/**
 * A cache that may be lost at any moment and never lies, around one that may fail: `cache-protocol.md` in code.
 *
 * On the server that acknowledged a change every later read shows it, whatever the cache does. On the others at once
 * while the cache answers, and within the audit interval of the repair when it does not.
 */
export class CoherentCache implements HistoryCache {
  readonly #options: CoherentCacheOptions;
  readonly #cache: ConversationCache;
  readonly #metrics: CacheMetrics;
  readonly #guard: Guard;
  readonly #dirty: DirtyConversations;
  readonly #verifier: Verifier;
  readonly #flights = new Map<string, Flight>();
  readonly #queriesAside = new SharedQueries<Snapshot | null>();
  readonly #tokens = { prefix: crypto.randomUUID(), count: 0 };
  /** null: announcements are being missed */
  #listening: object | null = null;

  constructor(options: CoherentCacheOptions) {
    const { cache, settings, metrics, log } = options;
    this.#options = options;
    this.#cache = cache;
    this.#metrics = metrics;
    this.#guard = new Guard({
      deadlineMs: settings.deadlineMs,
      metrics,
      onBreaker: ({ name }, open) => {
        log.warn({ cache: name }, open ? "the cache does not answer: bypassed" : "the cache answers again");
        if (!open) this.#dirty.retryNow();
      },
    });
    this.#dirty = new DirtyConversations({
      max: settings.dirtyMax ?? DIRTY_MAX,
      invalidate: (at) => this.#invalidate(at),
      drop: () => this.#drop(),
      onRepaired: () => metrics.repair(),
    });
    const graceMs = Math.min(AUDIT_GRACE_MS, settings.auditIntervalMs / 2);
    this.#verifier = new Verifier({
      findVersion: options.findVersion,
      cachedVersion: (at) => this.#guard.call(cache.node(at), "version", () => cache.version(at)),
      discard: (at) => this.#invalidate(at).catch(() => this.#dirty.mark(keyOf(at), at)),
      isStill: (at, epoch) => this.#isNow(at, epoch) && !this.#dirty.has(keyOf(at)),
      auditIntervalMs: settings.auditIntervalMs - graceMs,
      checkedMax: settings.checkedMax ?? CHECKED_MAX,
      graceMs,
      metrics,
      log,
    });
  }

  get state(): "ok" | "unavailable" {
    const reachable = this.#guard.unavailable.length === 0;
    return reachable && this.#listening !== null && !this.#dirty.isEverything ? "ok" : "unavailable";
  }

  get dirtyCount(): number {
    return this.#dirty.size;
  }

  get unavailableNodes(): readonly string[] {
    return this.#guard.unavailable;
  }

  get isBypassed(): boolean {
    return this.#listening === null || this.#dirty.isEverything;
  }

  async readRecent(at: ConversationRef, limit: number, load: LoadSnapshot): Promise<RecentMessages | null> {
    const startedAt = performance.now();
    const recent = await this.#readRecent(at, limit, load);
    if (recent) this.#countRead(at, recent.source, performance.now() - startedAt);
    return recent;
  }

  async #readRecent(at: ConversationRef, limit: number, load: LoadSnapshot): Promise<RecentMessages | null> {
    const key = keyOf(at);
    const found = await this.#readCached(at, key, limit);
    if (found === "unavailable") return this.#loadAside(key, limit, load);
    if (found === "absent" || found === "short") return this.#readThrough(at, key, limit, load, found);
    return { messages: found.messages, hasMore: found.hasMore, source: "hit" };
  }

  async appended(at: ConversationRef, extension: Extension): Promise<void> {
    // So that a list of them stays within the bound: nobody looks at the whole of it here.
    const bytesMax = CACHED_BYTES_MAX / this.#cache.snapshotLength;
    if (extension.messages.some((json) => Buffer.byteLength(json) > bytesMax)) return this.changed(at);
    try {
      const result = await this.#guard.call(this.#cache.node(at), "append", () => this.#cache.append(at, extension));
      this.#metrics.append(result === "dropped" ? "gap" : result);
    } catch {
      this.#metrics.append("failed");
      await this.#couldNotTell(at);
    }
  }

  async changed(at: ConversationRef): Promise<void> {
    await this.#invalidate(at).catch(() => this.#couldNotTell(at));
  }

  uncertain(at: ConversationRef): void {
    // Nobody has been promised anything: the other servers need not hear of it.
    this.#dirty.mark(keyOf(at), at);
  }

  /** Another server could not tell the cache of a change. */
  announced(at: ConversationRef): void {
    this.#metrics.announcement("heard");
    this.#dirty.mark(keyOf(at), at);
  }

  /** @param heard false: announcements of other servers may be missed from now on, or have been */
  listening(heard: boolean): void {
    this.#listening = heard ? {} : null;
  }

  /** Before the first read: a cache that is away is bypassed from the beginning. */
  async probe(): Promise<void> {
    await this.#guard.probe(this.#cache.node({ userId: 0, id: "" }));
  }

  async close(): Promise<void> {
    this.#guard.close();
    // First: a repair under way ends with it.
    await this.#cache.close();
    await this.#dirty.close();
  }

  async #readCached(
    at: ConversationRef,
    key: string,
    limit: number,
  ): Promise<CachedMessages | CacheMiss | "unavailable"> {
    const listening = this.#listening;
    if (listening === null || this.#dirty.has(key)) return "unavailable";
    const node = this.#cache.node(at);
    const epoch: Epoch = { incarnation: node.incarnation, listening };
    const found = await this.#read(at, node, limit);
    if (typeof found === "string") return found;
    // What was read before its server or an announcement was lost says nothing now.
    if (!this.#isNow(at, epoch)) return "unavailable";
    if (this.#verifier.isTrusted(at, key, epoch)) return found;
    if ((await this.#verifier.check(at, key, epoch)) === "unavailable") return "unavailable";
    // The check may have been another reader's, of an epoch before this one.
    if (!this.#verifier.isTrusted(at, key, epoch)) return "absent";
    // Read again: what was read before the comparison may be older than what was compared.
    const checked = await this.#read(at, node, limit);
    return this.#isNow(at, epoch) ? checked : "unavailable";
  }

  #read(at: ConversationRef, node: CacheNode, limit: number): Promise<CachedMessages | CacheMiss | "unavailable"> {
    return this.#guard.call(node, "read", () => this.#cache.read(at, limit)).catch(() => "unavailable" as const);
  }

  #isNow(at: ConversationRef, { incarnation, listening }: Epoch): boolean {
    return this.#listening === listening && this.#cache.node(at).incarnation === incarnation;
  }

  async #readThrough(
    at: ConversationRef,
    key: string,
    limit: number,
    load: LoadSnapshot,
    miss: CacheMiss,
  ): Promise<RecentMessages | null> {
    const { messageLimit, snapshotLength } = this.#cache;
    // More than the cache holds of a conversation.
    if (miss === "short" && limit > messageLimit) return answerFrom(await load(limit + 1), limit, "miss");
    const listening = this.#listening;
    const node = this.#cache.node(at);
    const { incarnation } = node;
    const token = `${this.#tokens.prefix}:${(this.#tokens.count += 1)}`;
    const holder = await this.#guard.call(node, "lease", () => this.#cache.lease(at, token)).catch(() => null);
    if (holder === null || listening === null || !this.#isNow(at, { incarnation, listening }))
      return this.#loadAside(key, limit, load);

    const shared = this.#flights.get(key);
    // The same lease: nothing has changed since that query began, on any server.
    const isShared = shared?.holder === holder && shared.incarnation === incarnation && shared.listening === listening;
    if (limit <= messageLimit && isShared) return answerFrom(await shared.snapshot, limit, "miss");
    const snapshot = load(Math.max(limit + 1, snapshotLength));
    this.#fly(key, { holder, incarnation, listening, snapshot });
    const loaded = await snapshot;
    if (loaded !== null && holder === token) void this.#fill(at, key, token, loaded, { incarnation, listening });
    return answerFrom(loaded, limit, "miss");
  }

  #fly(key: string, flight: Flight): void {
    this.#flights.set(key, flight);
    const land = (): void => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    flight.snapshot.then(land, land);
  }

  /** From PostgreSQL, the cache left aside. */
  async #loadAside(key: string, limit: number, load: LoadSnapshot): Promise<RecentMessages | null> {
    const { messageLimit, snapshotLength } = this.#cache;
    const snapshot = limit > messageLimit ? load(limit + 1) : this.#queriesAside.run(key, () => load(snapshotLength));
    return answerFrom(await snapshot, limit, "bypass");
  }

  async #fill(at: ConversationRef, key: string, token: string, snapshot: Snapshot, epoch: Epoch): Promise<void> {
    const newest = snapshot.messages.slice(0, this.#cache.snapshotLength);
    const bytes = newest.reduce((sum, json) => sum + Buffer.byteLength(json), 0);
    if (bytes > CACHED_BYTES_MAX) return this.#metrics.fill("too_large");
    try {
      const installed = await this.#guard.call(this.#cache.node(at), "fill", () =>
        this.#cache.fill(at, token, snapshot),
      );
      this.#metrics.fill(installed ? "installed" : "refused");
      // The epoch of the lease: a server that came back from a dump since may have brought the lease back, too.
      if (installed) this.#verifier.trust(key, epoch);
    } catch {
      this.#metrics.fill("failed"); // done or not, it is right: the lease held
    }
  }

  async #drop(): Promise<void> {
    if (this.#guard.unavailable.length > 0) throw new Error("the cache does not answer");
    // As long as it takes: a server that falls silent meanwhile is left by its connection.
    await this.#cache.drop();
  }

  async #invalidate(at: ConversationRef): Promise<void> {
    try {
      await this.#guard.call(this.#cache.node(at), "invalidate", () => this.#cache.invalidate(at));
      this.#metrics.invalidation("done");
    } catch (error) {
      if (!(error instanceof BreakerOpenError)) this.#metrics.invalidation("failed");
      throw error;
    }
  }

  /** From now on this server reads it from PostgreSQL, until it has been taken out of the cache. */
  async #couldNotTell(at: ConversationRef): Promise<void> {
    this.#dirty.mark(keyOf(at), at);
    try {
      await withDeadline(this.#options.announce(at), ANNOUNCE_MS);
      this.#metrics.announcement("sent");
    } catch (error) {
      this.#metrics.announcement("failed");
      this.#options.log.warn(
        { ...logged(at), error: logText(error) },
        "the other servers could not be told of a change that the cache missed: their audit will find it",
      );
    }
  }

  async readAside<Result>(at: ConversationRef, read: () => Promise<Result>): Promise<Result> {
    const startedAt = performance.now();
    const result = await read();
    this.#countRead(at, "bypass", performance.now() - startedAt);
    return result;
  }

  #countRead(at: ConversationRef, source: ReadSource, ms: number): void {
    this.#metrics.read(source, ms);
    this.#options.log.debug(logged(at), LOGGED_AS[source]);
  }
}

function answerFrom(snapshot: Snapshot | null, limit: number, source: ReadSource): RecentMessages | null {
  if (snapshot === null) return null;
  return { messages: snapshot.messages.slice(0, limit), hasMore: snapshot.messages.length > limit, source };
}

const LOGGED_AS = { hit: "cache HIT", miss: "cache MISS", bypass: "cache BYPASS" } as const;

function keyOf({ userId, id }: ConversationRef): string {
  return `${userId}:${id}`;
}

function logged({ userId, id }: ConversationRef): { userId: number; conversationId: string } {
  return { userId, conversationId: id };
}
