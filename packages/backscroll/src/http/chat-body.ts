import { z } from "@hono/zod-openapi";
import { type FieldError, invalidRequest } from "../domain/errors.ts";
import { ID_PATTERN } from "../domain/ids.ts";
import type { JsonObject, JsonValue } from "../domain/json.ts";
import type { Part } from "../domain/message.ts";
import * as schema from "./schemas.ts";

/** What of a turn a body says. */
export interface Question {
  readonly message: string;
  readonly parts?: readonly Part[] | undefined;
  readonly conversationId: string;
  readonly messageId: string | undefined;
}

const Text = z.string().min(1);
const SessionId = schema.Id.optional().openapi({
  description:
    "With `SESSIONS=mapping`, and without a `conversation_id`: the turn is taken in this session's conversation, which is " +
    "made when there is none.",
});
const Stream = z
  .boolean()
  .optional()
  .openapi({ description: "true: the answer is the reply as it is written, in `text/event-stream`" });

export const SendMessage = z
  .strictObject({
    message: Text,
    conversation_id: schema.Id.optional(),
    session_id: SessionId,
    message_id: schema.Id.optional().openapi({ description: "Makes the turn exactly-once." }),
    stream: Stream,
  })
  .openapi("SendMessage");

/** The guide's body. */
const Chat = z
  .strictObject({ message: Text, conversation_id: schema.Id.optional(), session_id: SessionId, stream: Stream })
  .openapi("Chat");

const UiMessage = z
  .custom<JsonObject>(isObject, "must be a UI message: an object with `id`, `role` and `parts`")
  .openapi("UiMessage", {
    description: "As the AI SDK's clients have it; anything may be in it. Only the last one is read.",
    type: "object",
    additionalProperties: true,
  });

/** What `useChat` sends: all its messages or, as its documentation advises, the last. */
const UiChat = z
  .strictObject({
    id: schema.Id.openapi({ description: "The conversation; it is made when there is none of that id." }),
    messages: z.array(UiMessage).min(1).optional(),
    message: UiMessage.optional(),
    trigger: z.enum(["submit-message", "regenerate-message"]).optional(),
    messageId: schema.Id.optional().openapi({ description: "The reply to replace, with `regenerate-message`." }),
  })
  .openapi("UiChat");

export const ChatBody = z.union([Chat, UiChat]);

export type UiChatBody = z.infer<typeof UiChat>;

export function isUiChat(body: z.infer<typeof ChatBody>): body is UiChatBody {
  return "id" in body;
}

/**
 * Reads the user's message, the last one of a chat. Its text parts are the text; the others are kept as they are.
 *
 * @throws {BackscrollError} invalid_request, naming the field
 */
export function questionOf(body: UiChatBody): Question {
  const { path, message } = lastMessage(body);
  if (message === undefined)
    throw invalidRequest({ path: "messages", message: "is missing: send messages or message" });
  const { role, id, parts } = message;
  const wrong: FieldError[] = [];
  if (role !== "user") wrong.push({ path: `${path}.role`, message: 'must be "user": the last message is answered' });
  if (id !== undefined && (typeof id !== "string" || !ID_PATTERN.test(id))) {
    wrong.push({ path: `${path}.id`, message: schema.ID_MESSAGE });
  }
  if (!isParts(parts)) wrong.push({ path: `${path}.parts`, message: "must be an array of objects, each with a type" });
  const text = isParts(parts) ? textOf(parts) : "";
  if (isParts(parts) && text === "") wrong.push({ path: `${path}.parts`, message: "must hold a text part with text" });
  if (wrong.length > 0) throw invalidRequest(...wrong);
  const others = isParts(parts) ? parts.filter((part) => !isText(part)) : [];
  return {
    message: text,
    parts: others.length > 0 ? others : undefined,
    conversationId: body.id,
    messageId: typeof id === "string" ? id : undefined,
  };
}

/** @returns the question whose reply is to be written again, as the client has it; null when it shows none */
export function questionAgain(body: UiChatBody): Question | null {
  return lastMessage(body).message?.["role"] === "user" ? questionOf(body) : null;
}

function lastMessage({ message, messages = [] }: UiChatBody): { path: string; message: JsonObject | undefined } {
  if (message !== undefined) return { path: "message", message };
  return { path: `messages.${messages.length - 1}`, message: messages.at(-1) };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isParts(value: JsonValue | undefined): value is readonly Part[] {
  return Array.isArray(value) && value.every((part: JsonValue) => isObject(part) && typeof part["type"] === "string");
}

function isText(part: Part): part is Part & { readonly text: string } {
  return part.type === "text" && typeof part["text"] === "string";
}

function textOf(parts: readonly Part[]): string {
  return parts.map((part) => (isText(part) ? part.text : "")).join("");
}
