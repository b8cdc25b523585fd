import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { Problem } from "backscroll-client";
import type { BackscrollError, ErrorCode } from "../domain/errors.ts";

export const STATUS = {
  invalid_request: 400,
  malformed_json: 400,
  invalid_cursor: 400,
  unsupported_media_type: 415,
  unauthenticated: 401,
  forbidden: 403,
  origin_not_allowed: 403,
  user_erased: 403,
  rate_limited: 429,
  too_many_streams: 429,
  request_timeout: 408,
  session_not_found: 404,
  host_not_allowed: 403,
  route_not_found: 404,
  conversation_not_found: 404,
  message_not_found: 404,
  conversation_id_conflict: 409,
  message_id_conflict: 409,
  version_conflict: 409,
  idempotency_key_reused: 422,
  conversation_busy: 409,
  idempotency_key_in_progress: 409,
  body_too_large: 413,
  message_too_large: 413,
  identity_provider_unavailable: 503,
  responder_failed: 502,
  responder_rate_limited: 503,
  responder_timeout: 504,
  responder_refused: 502,
  reply_interrupted: 503,
  database_unavailable: 503,
  shutting_down: 503,
  internal: 500,
} as const satisfies Record<ErrorCode, ContentfulStatusCode>;

const TITLES: Record<number, string> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  408: "Request Timeout",
  409: "Conflict",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

/** SDKs repeat such answers by themselves; these stay the same until somebody does something about them. */
const NOT_BY_ITSELF: ReadonlySet<ErrorCode> = new Set(["conversation_busy", "responder_refused"]);

/** @returns the answer to a failed request, as RFC 9457 shapes it */
export function problemResponse(error: BackscrollError, requestId: string): Response {
  const status = STATUS[error.code];
  const body: Problem = {
    type: `/api/docs#error-${error.code}`,
    title: TITLES[status] ?? "Error",
    status,
    detail: error.message,
    code: error.code,
    request_id: requestId,
    ...(error.details.errors && { errors: error.details.errors }),
  };
  const headers = new Headers({ "content-type": "application/problem+json", "x-request-id": requestId });
  const { retryAfterSeconds } = error.details;
  if (retryAfterSeconds !== undefined) headers.set("retry-after", String(Math.max(1, Math.ceil(retryAfterSeconds))));
  if (error.code === "unauthenticated") headers.set("www-authenticate", "Bearer");
  // The rest of the body would only arrive late, too.
  if (error.code === "request_timeout") headers.set("connection", "close");
  if (NOT_BY_ITSELF.has(error.code)) headers.set("x-should-retry", "false");
  return new Response(JSON.stringify(body), { status, headers });
}
