import { createRoute, z } from "@hono/zod-openapi";
import { messages } from "../service/use-cases.ts";
import type { App } from "./context.ts";
import { bodyProblems, json, jsonText, problems } from "./json.ts";
import { messagesToSave, savedResponses, savedText, SaveMessages } from "./saved-messages.ts";
import * as schema from "./schemas.ts";

const conversationParams = z.strictObject({ conversationId: schema.Id });
const messageParams = z.strictObject({ conversationId: schema.Id, messageId: schema.Id });

const save = createRoute({
  method: "post",
  path: "/api/conversations/{conversationId}/messages",
  operationId: "saveMessages",
  summary: "Save one message, or up to 100 in order, without asking anybody",
  request: { params: conversationParams, body: { required: true, ...json(SaveMessages) } },
  responses: {
    ...savedResponses,
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
    const at = { userId: user.id, ...c.req.valid("param") };
    const saved = await messages.saveMessages(deps, at, messagesToSave(body, seed));
    return jsonText(c, savedText(body, saved.messages), saved.created ? 201 : 200);
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
