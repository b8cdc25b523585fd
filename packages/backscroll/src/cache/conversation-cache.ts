import type { ConversationRef } from "../domain/conversation.ts";
import type { MessageBytes, MessageJson } from "../domain/message.ts";

/** What a hit holds. */
export interface CachedMessages {
  /** newest first, at most as many as asked for; as the cache keeps them */
  readonly messages: readonly MessageBytes[] | readonly MessageJson[];
  /** whether the conversation has older ones */
  readonly hasMore: boolean;
}

/** A snapshot of a conversation: its version and newest messages, read in one statement. */
export interface Snapshot {
  readonly version: number;
  /** newest first; `snapshotLength` of them, or the whole conversation */
  readonly messages: readonly MessageJson[];
  /** the last of them is the conversation's first message, or there is none */
  readonly whole: boolean;
  /** how long nothing has changed in it: an idle conversation is kept longer */
  readonly idleMs: number;
}

/** One change that added messages. */
export interface Extension {
  readonly versionBefore: number;
  readonly version: number;
  /** in order, oldest first; 1 or more */
  readonly messages: readonly MessageJson[];
}

/** One server of the cache. */
export interface CacheNode {
  /** stays the same for one address */
  readonly name: string;
  /**
   * Compared by identity. Another one since: the server was reconnected to, restarted or failed over, and may have
   * lost or brought back anything; what was known of its conversations has to be checked again.
   */
  readonly incarnation: object;
  /** Resolves when it answers. */
  ping(): Promise<void>;
}

/** Too little to answer from: `absent`, nothing is cached; `short`, only newer messages than asked for are. */
export type CacheMiss = "absent" | "short";

/**
 * The newest messages of each conversation. It may be lost at any moment; it may never lie: a list is only
 * extended by exactly the next version, and every change drops the lease of a reader in flight, so no snapshot older
 * than the change can land. The idea is the lease of "Scaling Memcache at Facebook" (NSDI 2013).
 *
 * Every operation is atomic. Every one may fail; then it may or may not have happened.
 */
export interface ConversationCache {
  /** messages a hit can answer, unless the whole conversation is cached */
  readonly messageLimit: number;
  /** how many messages a snapshot must hold, unless the conversation is shorter: one more than a hit can answer */
  readonly snapshotLength: number;

  /** @returns the server that holds this conversation now */
  node(at: ConversationRef): CacheNode;

  read(at: ConversationRef, limit: number): Promise<CachedMessages | CacheMiss>;

  /**
   * Asks for the right to fill, **before** the snapshot is read.
   *
   * @param token unique to this attempt
   * @returns the token of the reader that has it: this one's, or another's. As long as it is the same, nothing has
   * changed since that reader got it
   */
  lease(at: ConversationRef, token: string): Promise<string>;

  /** @returns false: the lease is gone, and nothing was installed */
  fill(at: ConversationRef, token: string, snapshot: Snapshot): Promise<boolean>;

  /** After the COMMIT of new messages. @returns `dropped`: the list was not at the version before, and is gone */
  append(at: ConversationRef, extension: Extension): Promise<"extended" | "ignored" | "dropped">;

  /** After the COMMIT of any other change. */
  invalidate(at: ConversationRef): Promise<void>;

  /** @returns the version of what is cached; null when there is nothing */
  version(at: ConversationRef): Promise<number | null>;

  /** Drops everything of this database, and nothing else: all that was there when it began, and every lease. */
  drop(): Promise<void>;

  close(): Promise<void>;
}

/** The cache's server answered that it will not: it is there, and nothing has happened. */
export class CacheRefusal extends Error {
  override readonly name = "CacheRefusal";
}

/** Times are 1 ms or more. */
export interface CacheSettings {
  /** messages a hit can answer, 1 to 200: the guide's CACHE_MESSAGE_LIMIT */
  readonly messageLimit: number;
  /** how long a conversation stays after the read that cached it */
  readonly ttlMs: number;
  /** how long after a message was added */
  readonly activeTtlMs: number;
  /** how long after the read that cached it, when nothing was added for `activeTtlMs` before */
  readonly idleTtlMs: number;
  /** how long a reader may take from lease to fill */
  readonly fillDeadlineMs: number;
}

/** Behind the oldest element: that is the conversation's first message. No JSON text is this. */
const BEGINNING = "^" as MessageJson;

/** @returns the list's elements for a snapshot, newest first */
export function toElements({ messages, whole }: Snapshot, messageLimit: number): MessageJson[] {
  // One more than a hit can show: it tells whether there are more.
  return (whole ? [...messages, BEGINNING] : messages).slice(0, messageLimit + 1);
}

/** @param elements the first `limit + 1` of the list; none when there is no list */
export function fromElements(
  elements: readonly MessageBytes[] | readonly MessageJson[],
  limit: number,
): CachedMessages | CacheMiss {
  const last = elements.at(-1);
  if (last === undefined) return "absent";
  const whole = typeof last === "string" ? last === BEGINNING : last.length === 1 && last[0] === BEGINNING_BYTE;
  if (!whole && elements.length <= limit) return "short";
  const count = whole ? elements.length - 1 : elements.length;
  return { messages: elements.slice(0, Math.min(limit, count)), hasMore: count > limit };
}

const BEGINNING_BYTE = 0x5e;

/** @returns how long a conversation stays after the read that cached it */
export function fillTtlMs({ idleMs }: Snapshot, { ttlMs, activeTtlMs, idleTtlMs }: CacheSettings): number {
  return idleMs > activeTtlMs ? idleTtlMs : ttlMs;
}

/** A hit leaves a conversation at least this share of `ttlMs`, and never takes time from it. */
export const HIT_TTL_SHARE = 1 / 2;
