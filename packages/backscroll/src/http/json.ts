import type { z } from "@hono/zod-openapi";
import { loggedError } from "../domain/logged-error.ts";
import type { MessageBytes, MessageJson } from "../domain/message.ts";
import { STATUS } from "./errors.ts";
import { rateLimitHeaders } from "./limits.ts";
import { Problem } from "./schemas.ts";
import type { Context } from "./context.ts";
import type { ErrorCode } from "../domain/errors.ts";

/** The `content` of a request or an answer in JSON, for a route's description. */
export function json<Schema extends z.ZodType>(
  schema: Schema,
): { content: { "application/json": { schema: Schema } } } {
  return { content: { "application/json": { schema } } };
}

/** Whoever asks, and whatever for. */
const ALWAYS: readonly ErrorCode[] = [
  "invalid_request",
  "unauthenticated",
  "forbidden",
  "host_not_allowed",
  "origin_not_allowed",
  "user_erased",
  "rate_limited",
  "database_unavailable",
  "identity_provider_unavailable",
];

/** The answers of a route that fails in these ways, beside what every route may answer. */
export function problems(...codes: readonly ErrorCode[]): Record<number, { description: string; content: object }> {
  const byStatus = Map.groupBy(new Set([...ALWAYS, ...codes]), (code) => STATUS[code]);
  return Object.fromEntries(
    [...byStatus].map(([status, own]) => [
      status,
      {
        description: own.map((code) => `\`${code}\``).join(", "),
        content: { "application/problem+json": { schema: Problem } },
      },
    ]),
  );
}

/** The same for a route that reads a body. */
export function bodyProblems(...codes: readonly ErrorCode[]): Record<number, { description: string; content: object }> {
  return problems("malformed_json", "body_too_large", "request_timeout", "unsupported_media_type", ...codes);
}

/** @returns JSON text that holds messages as an array between the two others, joined as PostgreSQL wrote them */
export function jsonAround(
  before: string,
  messages: readonly MessageJson[] | readonly MessageBytes[],
  after: string,
): string {
  const [first] = messages;
  if (first === undefined || typeof first === "string")
    return `${before}${joinMessages(messages as readonly MessageJson[])}${after}`;
  const pieces: Uint8Array[] = [Buffer.from(`${before}[`)];
  for (const message of messages as readonly MessageBytes[]) {
    if (pieces.length > 1) pieces.push(COMMA);
    pieces.push(message);
  }
  pieces.push(Buffer.from(`]${after}`));
  // As a string it leaves with its head in one piece.
  return Buffer.concat(pieces).toString();
}

const COMMA = Buffer.from(",");

/** @returns messages as a JSON array, their text joined as PostgreSQL wrote it */
export function joinMessages(messages: readonly MessageJson[]): string {
  return `[${messages.join(",")}]`;
}

/**
 * An answer whose body is JSON text already. The route's description cannot see into it, so its type is what the
 * handler must return; `test/openapi.test.ts` holds every such answer against the description.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- it takes the type its place asks for
export function jsonText<Typed>(
  c: Context,
  text: string,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): Typed {
  // All at once: adding one to a response that is made costs a sixth of a cached read.
  c.set("hasCommonHeaders", true);
  return new Response(text, {
    status,
    headers: { "content-type": "application/json", ...commonHeaders(c), ...headers },
  }) as Typed;
}

/** @returns what writes into the log why an answer broke off that had begun */
export function logBroken({ var: { deps, requestId } }: Context): (error: unknown) => void {
  return (error) => deps.log.error({ requestId, err: loggedError(error) }, "an answer broke off");
}

/** What every answer carries. */
export function commonHeaders(c: Context): Record<string, string> {
  const rateLimit = c.get("rateLimit");
  return {
    ...c.get("securityHeaders"),
    "x-request-id": c.get("requestId"),
    "cache-control": "no-store",
    ...(rateLimit && rateLimitHeaders(rateLimit)),
  };
}
