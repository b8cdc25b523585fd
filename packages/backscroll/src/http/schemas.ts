import { z } from "@hono/zod-openapi";
import { ID_PATTERN } from "../domain/ids.ts";
import type { JsonObject as JsonObjectType } from "../domain/json.ts";
import { LIMITS } from "../domain/limits.ts";
import { MESSAGE_FIELDS, MESSAGE_STATUSES, ROLES } from "../domain/message.ts";
import { ERROR_CODES, type ErrorCode } from "../domain/errors.ts";

/** Schemas of the wire. Text, sizes and ids in bodies are checked once more by the service, for every caller. */

export const ID_MESSAGE = "must be 1 to 128 of A-Z a-z 0-9 _ . : -";
export const Id = z.string().regex(ID_PATTERN, ID_MESSAGE);
const Time = z.iso.datetime({ offset: true }).openapi({ example: "2026-01-31T12:00:00.000Z" });

/** Not `z.record` or `z.object`: they drop a key named `__proto__`, and what was sent is stored as it is. */
function isObject(value: unknown): value is JsonObjectType {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
const JsonObject = z
  .custom<JsonObjectType>(isObject, "must be an object")
  .openapi({ type: "object", additionalProperties: true });
const NullableJsonObject = z
  .custom<JsonObjectType | null>((value) => value === null || isObject(value), "must be an object or null")
  .openapi({ type: ["object", "null"], additionalProperties: true });
const Part = z
  .custom<JsonObjectType & { readonly type: string }>(isObject, "must be an object")
  .refine((part) => typeof part.type === "string", { path: ["type"], message: "must be a string" })
  .openapi("Part", {
    description: "What is not plain text, as its provider wrote it.",
    type: "object",
    required: ["type"],
    properties: { type: { type: "string" } },
    additionalProperties: true,
  });

export const Message = z
  .object({
    id: z.string(),
    conversation_id: z.string(),
    seq: z.int().openapi({ description: "1, 2, 3 … in the order stored" }),
    role: z.enum(ROLES),
    content: z.string(),
    parts: z.array(Part).optional(),
    status: z.enum(MESSAGE_STATUSES),
    model: z.string().nullable(),
    tokens_used: z.int().nullable(),
    latency_ms: z.int().nullable(),
    metadata: NullableJsonObject,
    version: z.int().openapi({ description: "1, and one more with every edit" }),
    created_at: Time,
    edited_at: Time.nullable(),
  })
  .openapi("Message");

export const NewMessage = z
  .strictObject({
    role: z.enum(ROLES),
    content: z.string(),
    parts: z.array(Part).nullish(),
    id: Id.optional().openapi({ description: "Makes the save exactly-once." }),
    model: z.string().nullish(),
    tokens_used: z.int().min(0).max(LIMITS.int4Max).nullish(),
    latency_ms: z.int().min(0).max(LIMITS.int4Max).nullish(),
    metadata: NullableJsonObject.optional(),
  })
  .openapi("NewMessage");

const ConversationCreatedShape = { conversation_id: z.string(), title: z.string(), created_at: Time };
export const ConversationCreated = z.object(ConversationCreatedShape).openapi("ConversationCreated");

const ConversationSummaryShape = {
  conversation_id: z.string(),
  title: z.string(),
  message_count: z.int(),
  last_message_preview: z.string().nullable(),
  pinned: z.boolean(),
  archived: z.boolean(),
  created_at: Time,
  updated_at: Time,
};
export const ConversationSummary = z.object(ConversationSummaryShape).openapi("ConversationSummary");
export const Conversation = z.object({ ...ConversationSummaryShape, metadata: JsonObject }).openapi("Conversation");
export const DeletedConversation = z
  .object({ ...ConversationSummaryShape, deleted_at: Time })
  .openapi("DeletedConversation");

const title = z.string().min(1).max(LIMITS.titleCharsMax);
export const NewConversation = z
  .strictObject({ title: title.optional(), id: Id.optional(), metadata: JsonObject.optional() })
  .openapi("NewConversation");
export const ConversationChanges = z
  .strictObject({
    title: title.optional(),
    pinned: z.boolean().optional(),
    archived: z.boolean().optional(),
    metadata: JsonObject.optional(),
  })
  .refine((changes) => Object.keys(changes).length > 0, "names nothing to change")
  .openapi("ConversationChanges");
export const MessageEdit = z
  .strictObject({ content: z.string(), expected_version: z.int().min(1).max(LIMITS.int4Max).optional() })
  .openapi("MessageEdit");

const PaginationShape = {
  total: z.int(),
  page: z.int(),
  page_size: z.int(),
  total_pages: z.int(),
  has_next: z.boolean(),
  has_prev: z.boolean(),
};
export const Pagination = z.object(PaginationShape).openapi("Pagination");
export const PageAndCursorPagination = z
  .object({ ...PaginationShape, next_cursor: z.string().nullable() })
  .openapi("PageAndCursorPagination");
export const CursorPagination = z
  .object({ limit: z.int(), has_next: z.boolean(), next_cursor: z.string().nullable() })
  .openapi("CursorPagination");

const MessagesSliceShape = {
  messages: z.array(Message),
  has_more: z.boolean(),
  next_cursor: z.string().nullable(),
};
export const MessagesSlice = z.object(MessagesSliceShape).openapi("MessagesSlice");
export const MessagesAround = z
  .object({ ...MessagesSliceShape, has_previous: z.boolean(), previous_cursor: z.string().nullable() })
  .openapi("MessagesAround");
export const MessagesPage = z.object({ messages: z.array(Message), pagination: Pagination }).openapi("MessagesPage");
export const Turn = z
  .object({ user_message: Message, assistant_message: Message, conversation_id: z.string() })
  .openapi("Turn");

export const Session = z
  .object({
    session_id: z.string(),
    conversation_id: z.string(),
    context: JsonObject,
    created_at: Time,
    updated_at: Time.openapi({ description: "when its conversation or context was last set" }),
    expires_at: Time.openapi({ description: "moves on while the session is used" }),
  })
  .openapi("Session");
export const SessionsSlice = z
  .object({ sessions: z.array(Session), pagination: CursorPagination })
  .openapi("SessionsSlice");
export const SessionBody = z
  .strictObject({
    conversation_id: Id,
    context: JsonObject.optional().openapi({ description: "What else your app keeps of it; absent: nothing" }),
  })
  .openapi("SessionBody");
export const SessionChanges = z
  .strictObject({
    context: JsonObject.optional().openapi({ description: "Keys to set; those that are not named stay" }),
    remove: z.array(z.string()).max(LIMITS.contextKeysRemovedMax).optional().openapi({
      description: "Keys of the context that go",
    }),
  })
  .refine((changes) => Object.keys(changes).length > 0, "names nothing to change")
  .openapi("SessionChanges");

export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]),
    request_id: z.string(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  })
  .openapi("Problem");

/** A whole number in a query string. */
export function intParam(min: number, max: number): z.ZodType<number> {
  const message = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, message)
    .transform(Number)
    .refine((value) => value >= min && value <= max, message)
    .openapi({ type: "integer", minimum: min, maximum: max });
}

/** `true` or `false` in a query string. */
export function booleanParam(): z.ZodType<boolean> {
  return z
    .enum(["true", "false"])
    .transform((value) => value === "true")
    .openapi({ type: "boolean" });
}

/** A time in a query string. */
export function timeParam(): z.ZodType<Date> {
  return z.iso
    .datetime({ offset: true, error: "must be a time like 2026-01-31T12:00:00.000Z" })
    .transform((value) => new Date(value))
    .openapi({ type: "string", format: "date-time" });
}

/** A day in a query string, kept as it is written. */
export const Day = z.iso.date({ error: "must be a day like 2026-01-31" }).openapi({ type: "string", format: "date" });

/** `id,role,content`: some of a message's fields. */
export const Fields = z
  .string()
  .max(200)
  .transform((value) => value.split(","))
  .pipe(z.array(z.enum(MESSAGE_FIELDS, { error: `must be some of ${MESSAGE_FIELDS.join(",")}` })))
  .openapi({ type: "string", example: "id,role,content" });

export const Cursor = z.string().min(1).max(200);
/** It holds a session's id, which may be any text. */
export const SessionCursor = z.string().min(1).max(2_000);
