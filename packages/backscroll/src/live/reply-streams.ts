import type { ConversationRef } from "../domain/conversation.ts";
import type { ReplyChunk, ReplyPosition } from "../domain/reply.ts";

/** Of one reply; the oldest go first. At a flush every 50 ms, over eight minutes. */
export const REPLY_STREAM_ENTRIES = 10_000;
/** At most so many a read. */
export const REPLY_ENTRIES_READ = 1_000;
/** How long a reply can be read after it was last written, and after it ended. */
export const REPLY_STREAM_TTL_MS = { running: 600_000, ended: 60_000 };

/** Names one running reply; `messageId` is the id that it will be stored under. */
export interface ReplyRef extends ConversationRef {
  readonly messageId: string;
}

/** What was said at one time. Entries that are lost show as a gap between positions. */
export interface ReplyEntry {
  /** how much was said before it */
  readonly from: ReplyPosition;
  readonly chunks: readonly ReplyChunk[];
}

interface ReplyEntries {
  readonly entries: readonly ReplyEntry[];
  /** where the next read goes on; opaque */
  readonly cursor: string;
  /** its writer has ended it: how is in PostgreSQL */
  readonly ended: boolean;
}

/**
 * Carries running replies between servers, so that any of them can replay and follow one. It may lose everything at any
 * moment: what it held is then followed from PostgreSQL, where it is at most two seconds old.
 */
export interface ReplyStreams {
  /** Adds what was said. Best effort: never throws, and nobody waits for it. */
  publish(at: ReplyRef, entry: ReplyEntry): void;
  /** Nothing follows. It can be read for a while longer. Best effort. */
  end(at: ReplyRef): void;
  /** Forgets a reply whose conversation is gone. Best effort. */
  drop(at: ReplyRef): void;
  /** Forgets every reply of a user. Never rejects: what could not be forgotten goes with its time to live. */
  forget(userId: number): Promise<void>;
  /**
   * At most `REPLY_ENTRIES_READ` entries. When what the cursor stands at is gone, it begins again at the oldest entry
   * that is there: positions tell what is repeated, and what is missing.
   *
   * @param cursor null: from the oldest entry that is there
   * @returns null when it could not be read in time; never rejects
   */
  read(at: ReplyRef, cursor: string | null): Promise<ReplyEntries | null>;
}
