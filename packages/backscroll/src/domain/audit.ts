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
