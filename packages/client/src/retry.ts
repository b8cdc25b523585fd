import type { BackscrollApiError, BackscrollConnectionError } from "./errors.ts";

/** What came of one attempt that did not succeed. */
export interface Failure {
  readonly error: BackscrollApiError | BackscrollConnectionError;
  readonly retryable: boolean;
  readonly retryAfterSeconds?: number | undefined;
  /** whether the service may have done what was asked */
  readonly mayHaveRun: boolean;
}

const BACKOFF_MS = 500;
const BACKOFF_MS_MAX = 8_000;
/** A caller who must wait longer than this is told so instead. */
export const RETRY_AFTER_SECONDS_MAX = 60;

/** Rejected or unanswered by what stands in front of the service, or by the service for a moment. */
export function isRetryable({ status, headers }: Response, code: string): boolean {
  if (headers.get("x-should-retry") === "false") return false;
  return [429, 502, 503, 504].includes(status) || code === "idempotency_key_in_progress";
}

/**
 * How long to wait before the next try: what the service asks for, and on top, so that many clients do not come back
 * at once, exponential backoff with full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
 *
 * @param retry 0 before the first retry
 * @returns null when another try is no use
 */
export function retryDelayMs({ retryable, retryAfterSeconds = 0 }: Failure, retry: number): number | null {
  if (!retryable || retryAfterSeconds > RETRY_AFTER_SECONDS_MAX) return null;
  return retryAfterSeconds * 1_000 + Math.random() * Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** retry);
}
