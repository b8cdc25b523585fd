/** What changed, for another client of the same user: ids and versions, no bodies. Ids as the API shows them. */
export type Change =
  | {
      readonly type: "messages_saved";
      readonly conversation_id: string;
      /** the conversation's version after it, or later */
      readonly version: number;
      readonly message_ids: readonly string[];
      /** messages at the end of the conversation left for these */
      readonly replaced?: true;
    }
  | {
      readonly type: "message_edited" | "message_deleted";
      readonly conversation_id: string;
      readonly message_id: string;
      /** the conversation's version after it, or later */
      readonly version: number;
    }
  | {
      readonly type: "conversation_created" | "conversation_updated" | "conversation_deleted" | "conversation_restored";
      readonly conversation_id: string;
    }
  /** a reply is being written: follow it with `GET /api/chat/{conversation_id}/stream` */
  | { readonly type: "reply_started" | "reply_ended"; readonly conversation_id: string; readonly message_id: string }
  /** changes were missed: read everything again */
  | { readonly type: "resync" };

export interface FeedEntry {
  /** a client that comes back names the last one it saw; opaque, `[0-9A-Za-z-]{1,64}` */
  readonly id: string;
  readonly change: Change;
}

/** Without news: its id is a cursor to come back with. */
export interface ReadyEntry {
  readonly id: string;
  readonly change: null;
}

/** Tells a user's clients, on every server, what changed. A change may be told twice, and late. */
export interface ChangeFeed {
  /** Best effort: never throws, and nobody waits for it. A change that could not be told makes a `resync`. */
  tell(userId: number, change: Change): void;
  /**
   * Follows from a cursor on: everything after it, in order, or a `resync` where that cannot be promised. The first
   * entry is always one without news (`{ type: "ready" }` on the wire). Who is too slow gets a `resync` in place of
   * what it did not take. Ends with the signal; never throws.
   *
   * @param cursor id of the last entry seen, or anything else; null: from now on
   */
  follow(
    userId: number,
    cursor: string | null,
    signal: AbortSignal,
  ): AsyncGenerator<FeedEntry | ReadyEntry, void, undefined>;
  /**
   * Forgets a user whom nobody follows any more, and ends here what goes on for them by itself. What cannot be forgotten
   * now is forgotten later. Never rejects.
   */
  forget(userId: number): Promise<void>;
  close(): Promise<void>;
}
