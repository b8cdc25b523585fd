import { cors } from "hono/cors";
import type { MiddlewareHandler } from "hono";
import type { Variables } from "./context.ts";

/** What a page may send beside what needs no leave. */
const REQUEST_HEADERS = [
  "accept",
  "authorization",
  "content-type",
  "idempotency-key",
  "last-event-id",
  "x-api-key",
  "x-backscroll-user",
  "x-request-id",
  // The AI SDK's and tracing's.
  "user-agent",
  "traceparent",
  "tracestate",
];

/** What a page may read beside what needs no leave. */
const ANSWER_HEADERS = [
  "content-disposition",
  "idempotency-replayed",
  "ratelimit",
  "ratelimit-policy",
  "retry-after",
  "www-authenticate",
  "x-backscroll-cache",
  "x-request-id",
  "x-should-retry",
  "x-vercel-ai-ui-message-stream",
];

const PREFLIGHT_SECONDS = 600;

/**
 * Lets pages of these origins, and of no others, call the API and read its answers, with the browser's cookie too.
 * Preflights carry no credentials: they are answered here, before anybody asks for some.
 */
export function crossOrigin(origins: readonly string[]): MiddlewareHandler<{ Variables: Variables }> {
  const allow = cors({
    origin: [...origins],
    credentials: true,
    allowMethods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
    allowHeaders: REQUEST_HEADERS,
    exposeHeaders: ANSWER_HEADERS,
    maxAge: PREFLIGHT_SECONDS,
  });
  return (c, next) => {
    if (c.req.header("origin") !== undefined) return allow(c, next);
    // A cache on the way must not give an answer that was made for no page to one.
    c.set("securityHeaders", { ...c.var.securityHeaders, vary: "Origin" });
    return next();
  };
}
