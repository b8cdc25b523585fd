import { ResponderError } from "./responder.ts";

/**
 * What an aborted request throws: our deadline (`AbortSignal.timeout`, whose reason is a `TimeoutError`)
 * is a failure of the responder; anybody else's abort is theirs, and comes back as it was given.
 *
 * @param who for the message, e.g. the responder's description
 */
export function abortFailure(signal: AbortSignal, who: string): unknown {
  const reason: unknown = signal.reason;
  if (!(reason instanceof DOMException) || reason.name !== "TimeoutError") return reason;
  return new ResponderError("timeout", `${who} did not answer in time`);
}

/**
 * Reads a `retry-after` header: seconds, or a date ([RFC 9110, 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)).
 *
 * @returns whole seconds from now, at least 0; undefined when there is none or it is neither
 */
function parseRetryAfter(header: string | null | undefined): number | undefined {
  if (header === null || header === undefined || header.trim() === "") return undefined;
  const seconds = /^\s*\d+(\.\d+)?\s*$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : undefined;
}

/** A 429, with what it said about when to come back. */
export function rateLimited(message: string, retryAfter: string | null | undefined): ResponderError {
  const retryAfterSeconds = parseRetryAfter(retryAfter);
  return new ResponderError("rate_limited", message, retryAfterSeconds === undefined ? {} : { retryAfterSeconds });
}

export function refused(who: string, said = ""): ResponderError {
  return new ResponderError("refused", `${who} refused to answer${said}`);
}

/**
 * The connection's own failure. Only its code is told: messages of this kind name addresses and paths,
 * and what a `cause` carries along (a provider's holds the whole request) ends in the log.
 *
 * @param what happened, without a full stop, e.g. "cannot reach http://127.0.0.1:8787"
 */
export function connectionFailure(error: unknown, what: string): ResponderError {
  const code = errorCode(error);
  // the limits of fetch itself (300 s without a byte), hit when no shorter deadline was set
  const timedOut = code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT" || code === "ETIMEDOUT";
  return new ResponderError(timedOut ? "timeout" : "failed", code === undefined ? what : `${what} (${code})`);
}

/** @returns e.g. ECONNREFUSED, of the error or of what caused it; undefined when none of them has one */
function errorCode(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if ("code" in at && typeof at.code === "string" && /^[A-Z][A-Z0-9_]{1,63}$/.test(at.code)) return at.code;
  }
  return undefined;
}
