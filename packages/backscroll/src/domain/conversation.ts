import type { JsonObject } from "./json.ts";

export const DEFAULT_TITLE = "New Conversation";

export interface Conversation {
  /** as its author wrote it, or a UUIDv7 minted here */
  readonly id: string;
  readonly title: string;
  readonly messageCount: number;
  /** the beginning of the newest message; null when there is none */
  readonly lastMessagePreview: string | null;
  readonly pinned: boolean;
  readonly archived: boolean;
  readonly metadata: JsonObject;
  readonly createdAt: Date;
  /** moves with every message saved, edited or deleted; not with a rename or a pin */
  readonly updatedAt: Date;
  /** when it went to the trash; null when it is not there */
  readonly deletedAt: Date | null;
}

export interface NewConversation {
  /** `[A-Za-z0-9_.:-]{1,128}`; it makes the creation exactly-once */
  readonly id?: string | undefined;
  readonly title?: string | undefined;
  readonly metadata?: JsonObject | undefined;
}

export interface ConversationChanges {
  readonly title?: string | undefined;
  readonly pinned?: boolean | undefined;
  readonly archived?: boolean | undefined;
  readonly metadata?: JsonObject | undefined;
}

/** Names one conversation of one user; `id` is the stored UUID, see `ids.ts`. */
export interface ConversationRef {
  readonly userId: number;
  readonly id: string;
}

/** A range of days' use; `day` is `YYYY-MM-DD` in UTC. */
export interface UsageDay {
  readonly day: string;
  readonly role: string;
  readonly model: string | null;
  readonly messages: number;
  readonly tokensUsed: number;
}
