/** Every code the service answers with; what each means and its HTTP status: `/api/docs#error-<code>`. */
export const ERROR_CODES = [
  "invalid_request",
  "malformed_json",
  "invalid_cursor",
  "unsupported_media_type",
  "unauthenticated",
  "forbidden",
  "origin_not_allowed",
  "user_erased",
  "rate_limited",
  "too_many_streams",
  "request_timeout",
  "host_not_allowed",
  "route_not_found",
  "conversation_not_found",
  "session_not_found",
  "message_not_found",
  "conversation_id_conflict",
  "message_id_conflict",
  "version_conflict",
  "idempotency_key_reused",
  "conversation_busy",
  "idempotency_key_in_progress",
  "body_too_large",
  "message_too_large",
  "identity_provider_unavailable",
  "responder_failed",
  "responder_rate_limited",
  "responder_timeout",
  "responder_refused",
  "reply_interrupted",
  "database_unavailable",
  "shutting_down",
  "internal",
] as const;

export type KnownErrorCode = (typeof ERROR_CODES)[number];

/**
 * What went wrong. `unreadable_answer` is the SDK's own: the answer was not the service's, but a proxy's page, say.
 * A newer service may send codes that are not listed here.
 */
export type ErrorCode = KnownErrorCode | "unreadable_answer" | (string & {});
