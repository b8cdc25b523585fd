import { z } from "zod";
import { BackscrollError } from "../domain/errors.ts";
import { ID_PATTERN } from "../domain/ids.ts";
import type { JsonObject } from "../domain/json.ts";
import { LIMITS } from "../domain/limits.ts";
import { MESSAGE_STATUSES, type Part, ROLES } from "../domain/message.ts";

/** The shapes of an export's items. */

const Time = z.iso.datetime().refine((time) => time >= "0001", "must be after the year 0");
/** As in `http/schemas.ts`: not `z.record`, which drops a key named `__proto__`. */
const Json = z.custom<JsonObject>((value) => typeof value === "object" && value !== null && !Array.isArray(value));
const JsonPart = Json.refine((part): part is Part => typeof part["type"] === "string", { path: ["type"] });
export const ConversationItem = z.object({
  conversation_id: z.string().regex(ID_PATTERN),
  title: z.string(),
  metadata: Json.default({}),
  pinned: z.boolean().default(false),
  archived: z.boolean().default(false),
  created_at: Time,
  deleted_at: Time.nullable().default(null),
});
export const MessageItem = z.object({
  id: z.string().regex(ID_PATTERN),
  role: z.enum(ROLES),
  content: z.string(),
  parts: z.array(JsonPart).optional(),
  status: z.enum(MESSAGE_STATUSES).default("complete"),
  model: z.string().nullable().default(null),
  tokens_used: z.int().nonnegative().nullable().default(null),
  latency_ms: z.int().nonnegative().nullable().default(null),
  metadata: Json.nullable().default(null),
  version: z.int().positive().max(LIMITS.int4Max).default(1),
  created_at: Time,
  edited_at: Time.nullable().default(null),
});
export const UserItem = z.object({ issuer: z.string(), subject: z.string(), email: z.string().nullable() });

/** @throws {BackscrollError} invalid_request */
export function parseItem<Output>(schema: z.ZodType<Output>, value: unknown): Output {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.map(({ path, message }) => ({ path: path.join("."), message }));
  throw new BackscrollError("invalid_request", errors.map(({ path, message }) => `${path}: ${message}`).join("; "), {
    errors,
  });
}
