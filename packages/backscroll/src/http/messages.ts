import { createRoute, z } from "@hono/zod-openapi";
import { deriveId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { NewMessage } from "../domain/message.ts";
import { messages } from "../service/use-cases.ts";
import type { App } from "./context.ts";
import { bodyProblems, joinMessages, json, jsonText, problems } from "./json.ts";
import * as schema from "./schemas.ts";

const conversationParams = z.strictObject({ conversationId: schema.Id });
const messageParams = z.strictObject({ conversationId: schema.Id, messageId: schema.Id });

const SaveMessages = z
  .union([
    schema.NewMessage,
    z.strictObject({ messages: z.array(schema.NewMessage).min(1).max(LIMITS.messagesPerSaveMax) }),
  ])
  .openapi("SaveMessages");
const SavedMessages = z
  .union([schema.Message, z.object({ messages: z.array(schema.Message) })])
  .openapi("SavedMessages");

const save = createRoute({
  method: "post",
  path: "/api/conversations/{conversationId}/messages",
  operationId: "saveMessages",
  summary: "Save one message, or up to 100 in order, without asking anybody",
  request: { params: conversationParams, body: { required: true, ...json(SaveMessages) } },
  responses: {
    201: { description: "Stored, in order: the message, or `messages` when many were sent", ...json(SavedMessages) },
    200: { description: "All of them were there already, with the same bodies", ...json(SavedMessages) },
    ...bodyProblems("conversation_not_found", "message_id_conflict", "message_too_large"),
  },
});

const edit = createRoute({
  method: "patch",
  path: "/api/conversations/{conversationId}/messages/{messageId}",
  operationId: "editMessage",
  summary: "Edit a message's text",
  request: { params: messageParams, body: { required: true, ...json(schema.MessageEdit) } },
  responses: {
    200: { description: "As it is now", ...json(schema.Message) },
    ...bodyProblems("conversation_not_found", "message_not_found", "version_conflict", "message_too_large"),
  },
});

const remove = createRoute({
  method: "delete",
  path: "/api/conversations/{conversationId}/messages/{messageId}",
  operationId: "deleteMessage",
  summary: "Delete one message for good",
  request: { params: messageParams },
  responses: {
    200: { description: "Gone", ...json(z.object({ message: z.string() })) },
    ...problems("conversation_not_found", "message_not_found"),
  },
});

export function messageRoutes(app: App): void {
  app.openapi(save, async (c) => {
    const { deps, user, idempotencySeed: seed } = c.var;
    const body = c.req.valid("json");
    const many = "messages" in body;
    const toSave = (many ? body.messages : [body]).map((message, index) =>
      fromWire(message, seed === undefined ? undefined : deriveId(seed, `message ${index}`)),
    );
    const saved = await messages.saveMessages(deps, { userId: user.id, ...c.req.valid("param") }, toSave);
    const text = many ? `{"messages":${joinMessages(saved.messages)}}` : (saved.messages[0] ?? "");
    return jsonText(c, text, saved.created ? 201 : 200);
  });

  app.openapi(edit, async (c) => {
    const { messageId, conversationId } = c.req.valid("param");
    const { content, expected_version: expectedVersion = null } = c.req.valid("json");
    const at = { userId: c.var.user.id, conversationId };
    return jsonText(c, await messages.editMessage(c.var.deps, at, messageId, { content, expectedVersion }));
  });

  app.openapi(remove, async (c) => {
    const { messageId, conversationId } = c.req.valid("param");
    const at = { userId: c.var.user.id, conversationId };
    await messages.deleteMessage(c.var.deps, at, { messageId, actor: c.var.caller.actor });
    return c.json({ message: "Message deleted successfully" }, 200);
  });
}

function fromWire(message: z.infer<typeof schema.NewMessage>, seededId: string | undefined): NewMessage {
  return {
    id: message.id ?? seededId,
    role: message.role,
    content: message.content,
    parts: message.parts,
    model: message.model,
    tokensUsed: message.tokens_used,
    latencyMs: message.latency_ms,
    metadata: message.metadata,
  };
}
