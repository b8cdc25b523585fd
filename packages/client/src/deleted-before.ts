import type { BackscrollApiError } from "./errors.ts";

/** A repeated DELETE that finds nothing: the try whose answer was lost has deleted it. */
export function deletedBefore(error: BackscrollApiError): void {
  if (!NOT_FOUND.has(error.code)) throw error;
}

const NOT_FOUND: ReadonlySet<string> = new Set(["conversation_not_found", "message_not_found", "session_not_found"]);
