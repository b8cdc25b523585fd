/** What is written down of who did what. */
export const AUDIT_ACTIONS = [
  "conversation_trashed",
  "conversation_deleted",
  "message_deleted",
  "conversation_exported",
  "person_exported",
  "everything_exported",
  "person_erased",
  /** once for each key, person and day */
  "acted_for",
] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

/** One thing that somebody did. */
export interface AuditEntry {
  readonly id: string;
  readonly at: Date;
  readonly action: AuditAction;
  /** null: the service itself, or its operator at the command line */
  readonly actor: AuditedUser | null;
  /** the API key that was used, if any */
  readonly actorKeyId: string | null;
  /** whose history it was; null: everybody's */
  readonly subject: AuditedUser | null;
  /** null: it was about no conversation, or its owner was erased */
  readonly conversationId: string | null;
}

/** `user` null: was erased; nobody can tell who it was. */
interface AuditedUser {
  readonly user: string | null;
}
