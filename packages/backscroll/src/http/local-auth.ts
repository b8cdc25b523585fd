import { BackscrollError } from "../domain/errors.ts";
import { isLoopback } from "../domain/loopback.ts";
import { LOCAL_ISSUER, type UserName } from "../domain/user.ts";

const LOCAL_USER: UserName = { issuer: LOCAL_ISSUER, subject: "you@localhost", email: "you@localhost" };

/**
 * Without authentication everybody is `you@localhost`. The service then listens on loopback only, and answers
 * only to loopback's names: a web page whose own name was pointed here (DNS rebinding) gets nothing.
 *
 * @throws {BackscrollError} host_not_allowed
 */
export function authenticateLocally(request: Request): UserName {
  if (!isLoopback(new URL(request.url).hostname)) {
    throw new BackscrollError("host_not_allowed", "without authentication the service answers to localhost only");
  }
  // A page of another site may send what needs no preflight.
  const origin = request.headers.get("origin");
  if (origin !== null && !isLocalOrigin(origin)) {
    throw new BackscrollError(
      "host_not_allowed",
      "without authentication the service answers to pages of localhost only",
    );
  }
  return LOCAL_USER;
}

function isLocalOrigin(origin: string): boolean {
  return URL.canParse(origin) && isLoopback(new URL(origin).hostname);
}
