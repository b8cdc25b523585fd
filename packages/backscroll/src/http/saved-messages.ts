import { z } from "@hono/zod-openapi";
import { deriveId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { MessageJson, NewMessage } from "../domain/message.ts";
import { joinMessages, json } from "./json.ts";
import * as schema from "./schemas.ts";

/** Saving messages, wherever they go: the body, and what is answered. */

export const SaveMessages = z
  .union([
    schema.NewMessage,
    z.strictObject({ messages: z.array(schema.NewMessage).min(1).max(LIMITS.messagesPerSaveMax) }),
  ])
  .openapi("SaveMessages");
const SavedMessages = z
  .union([schema.Message, z.object({ messages: z.array(schema.Message) })])
  .openapi("SavedMessages");

export const savedResponses = {
  201: { description: "Stored, in order: the message, or `messages` when many were sent", ...json(SavedMessages) },
  200: { description: "All of them were there already, with the same bodies", ...json(SavedMessages) },
};

type Body = z.infer<typeof SaveMessages>;

/** @param seed of the request's idempotency key: a message without an id is given one of it */
export function messagesToSave(body: Body, seed: string | undefined): readonly NewMessage[] {
  return ("messages" in body ? body.messages : [body]).map((message, index) => ({
    id: message.id ?? (seed === undefined ? undefined : deriveId(seed, `message ${index}`)),
    role: message.role,
    content: message.content,
    parts: message.parts,
    model: message.model,
    tokensUsed: message.tokens_used,
    latencyMs: message.latency_ms,
    metadata: message.metadata,
  }));
}

/** @returns the JSON of the answer: as many as were sent */
export function savedText(body: Body, saved: readonly MessageJson[]): string {
  return "messages" in body ? `{"messages":${joinMessages(saved)}}` : (saved[0] ?? "");
}
