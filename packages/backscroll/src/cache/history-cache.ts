import type { ConversationRef } from "../domain/conversation.ts";
import type { MessageBytes, MessageJson } from "../domain/message.ts";
import type { Extension, Snapshot } from "./conversation-cache.ts";
import type { ReadSource } from "./metrics.ts";

/** Reads the newest `length` messages, or as many as there are, from PostgreSQL. @returns null when there is no such conversation */
export type LoadSnapshot = (length: number) => Promise<Snapshot | null>;

export interface RecentMessages {
  /** newest first */
  readonly messages: readonly MessageBytes[] | readonly MessageJson[];
  /** whether the conversation has older ones */
  readonly hasMore: boolean;
  readonly source: ReadSource;
}

/** What a service needs of a cache: it may answer for PostgreSQL, and it has to be told of every change. */
export interface HistoryCache {
  /** @returns the newest messages, at most `limit`; null when there is no such conversation */
  readRecent(at: ConversationRef, limit: number, load: LoadSnapshot): Promise<RecentMessages | null>;
  /** After the COMMIT of new messages, and before anybody is told. Never rejects. */
  appended(at: ConversationRef, extension: Extension): Promise<void>;
  /** After the COMMIT of any other change, and before anybody is told. Never rejects. */
  changed(at: ConversationRef): Promise<void>;
  /** A change that may or may not have been committed. */
  uncertain(at: ConversationRef): void;
  /** for people and for `/readyz`; `off`: there is none */
  readonly state: "ok" | "unavailable" | "off";
  /** A read that is not asked of it: counted and timed like the others. */
  readAside<Result>(at: ConversationRef, read: () => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}
