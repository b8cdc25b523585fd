import type { z } from "@hono/zod-openapi";
import type { MessageJson } from "../domain/message.ts";
import { STATUS } from "./errors.ts";
import { Problem } from "./schemas.ts";
import type { ErrorCode } from "../domain/errors.ts";

/** The `content` of a request or an answer in JSON, for a route's description. */
export function json<Schema extends z.ZodType>(
  schema: Schema,
): { content: { "application/json": { schema: Schema } } } {
  return { content: { "application/json": { schema } } };
}

/** The answers of a route that fails in these ways, beside what every route may answer. */
export function problems(...codes: readonly ErrorCode[]): Record<number, { description: string; content: object }> {
  const always: readonly ErrorCode[] = ["invalid_request", "unauthenticated", "database_unavailable"];
  const byStatus = Map.groupBy(new Set([...always, ...codes]), (code) => STATUS[code]);
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
  return problems("malformed_json", "body_too_large", "unsupported_media_type", ...codes);
}

/** @returns messages as a JSON array, their text joined as PostgreSQL wrote it */
export function joinMessages(messages: readonly MessageJson[]): string {
  return `[${messages.join(",")}]`;
}

/**
 * An answer whose body is JSON text already. The route's description cannot see into it, so its type is what the
 * handler must return; `test/openapi.test.ts` holds every such answer against the description.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- it takes the type its place asks for
export function jsonText<Typed>(text: string, status = 200): Typed {
  return new Response(text, { status, headers: { "content-type": "application/json" } }) as Typed;
}
