/**
 * Every failure a caller can act on, with what it means. Anything else thrown is a bug.
 * `docs/errors.md` is generated from this list; the HTTP status of each lives in `http/errors.ts`.
 */
export const ERROR_CODES = {
  invalid_request: "A field, parameter or header is missing, unknown or out of range; `errors` names each.",
  malformed_json: "The body is not JSON in UTF-8; `detail` names the position.",
  invalid_cursor: "The cursor was not made by this endpoint. Start again without one.",
  unsupported_media_type: "The body's content-type is not the one this endpoint reads.",
  unauthenticated: "The request carries no valid credentials.",
  forbidden: "The credentials are valid, and do not allow this.",
  origin_not_allowed: "A page of another site may not do this with the browser's cookie. Add it to CORS_ORIGINS.",
  user_erased: "This person was erased. What is sent with credentials from before is refused.",
  rate_limited: "Too many requests. Retry after `retry-after` seconds.",
  too_many_streams: "Too many event streams of this user are open. Close one.",
  request_timeout: "The request took too long to arrive.",
  host_not_allowed: "Without authentication the service answers only to this machine's names, and to pages of it.",
  route_not_found: "No such endpoint. See /api/docs.",
  conversation_not_found: "No such conversation, or it is somebody else's, or in the trash.",
  session_not_found: "No such session, or it has expired, or it is somebody else's.",
  message_not_found: "No such message in this conversation.",
  conversation_id_conflict: "The conversation id is already used with another title or metadata, or is in the trash.",
  message_id_conflict: "The message id is already used in this conversation with another body.",
  version_conflict: "The message has another version than `expected_version`. Read it again.",
  idempotency_key_reused: "The Idempotency-Key was used with another request. Use a new key.",
  conversation_busy:
    "Another reply of this conversation is still being written. Follow it, stop it, or send when it has ended.",
  idempotency_key_in_progress: "The first request with this Idempotency-Key is still running. Try again later.",
  body_too_large: "The request body is over the limit.",
  message_too_large: "A message's content is over the limit.",
  identity_provider_unavailable:
    "The keys of whoever issues tokens cannot be read just now. Retry after `retry-after` seconds.",
  responder_failed: "The responder could not answer. The user's message is kept; retry with the same message_id.",
  responder_rate_limited: "The responder is rate limited. The user's message is kept; retry with the same message_id.",
  responder_timeout: "The responder took too long. The user's message is kept; retry with the same message_id.",
  responder_refused:
    "The responder declined to answer this. The user's message is kept; another wording may be answered.",
  reply_interrupted:
    "The server that wrote the reply died. What was written is kept; retry with the same message_id to be answered.",
  database_unavailable: "PostgreSQL does not answer. Nothing was lost; retry after `retry-after` seconds.",
  shutting_down: "The service is stopping. Retry on another server or in a moment.",
  internal: "A bug. Report it with the request_id.",
} as const satisfies Record<string, string>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** One thing wrong with a request: where, and what to change. */
export interface FieldError {
  readonly path: string;
  readonly message: string;
}

export interface ErrorDetails {
  /** each invalid field */
  readonly errors?: readonly FieldError[];
  /** seconds after which a retry makes sense */
  readonly retryAfterSeconds?: number;
}

/** A failure a caller can act on: read `code`, show `message`. */
export class BackscrollError extends Error {
  override readonly name = "BackscrollError";
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  /** @param message for the caller: what to change; never message content, never internals */
  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}

/** @returns the error for what is wrong with a request: `detail` names the first, `errors` all */
export function invalidRequest(...errors: readonly FieldError[]): BackscrollError {
  const [first] = errors;
  const others = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
  return new BackscrollError("invalid_request", `${first?.path ?? ""} ${first?.message ?? ""}${others}`.trim(), {
    errors,
  });
}

/** @returns the error's message, for a log line or a terminal; what was thrown need not be an Error */
export function errorMessage(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") {
    return error.errors.map((each) => errorMessage(each)).join("; ");
  }
  return error instanceof Error ? error.message : String(error);
}
