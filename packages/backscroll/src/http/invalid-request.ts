import { BackscrollError } from "../domain/errors.ts";

/** @returns the error for one thing wrong with a request */
export function invalidRequest(path: string, message: string): BackscrollError {
  return new BackscrollError("invalid_request", `${path} ${message}`, { errors: [{ path, message }] });
}
