import type { BackscrollApiError } from "./errors.ts";

/** A repeated DELETE that finds nothing: the try whose answer was lost has deleted it. */
export function deletedBefore(error: BackscrollApiError): void {
  if (error.code !== "conversation_not_found" && error.code !== "message_not_found") throw error;
}
