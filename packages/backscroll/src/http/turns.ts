import { createRoute, z } from "@hono/zod-openapi";
import { deriveId } from "../domain/ids.ts";
import { parseMessageJson } from "../domain/message.ts";
import { takeTurn, type Turn } from "../service/turn.ts";
import type { App, Context } from "./context.ts";
import { bodyProblems, json, jsonText } from "./json.ts";
import * as schema from "./schemas.ts";

const failures = bodyProblems(
  "conversation_not_found",
  "conversation_id_conflict",
  "message_id_conflict",
  "message_too_large",
  "responder_failed",
  "responder_rate_limited",
  "responder_timeout",
);
const Say = { message: z.string().min(1), conversation_id: schema.Id.optional() };

const send = createRoute({
  method: "post",
  path: "/api/conversations/messages",
  operationId: "sendMessage",
  summary: "Send a message and get the reply, both saved",
  description:
    "Without a `conversation_id` a conversation is created. With a `message_id` the turn is exactly-once: again with " +
    "the same one it joins the running turn or answers what was stored; after a failure it asks again.",
  request: {
    body: {
      required: true,
      ...json(
        z
          .strictObject({
            ...Say,
            message_id: schema.Id.optional(),
            stream: z.literal(false, "must be false: replies come whole").optional(),
          })
          .openapi("SendMessage"),
      ),
    },
  },
  responses: { 200: { description: "The exchange", ...json(schema.Turn) }, ...failures },
});

const chat = createRoute({
  method: "post",
  path: "/api/chat",
  operationId: "chat",
  summary: "Say something and get the reply's text: a turn in short form",
  request: { body: { required: true, ...json(z.strictObject(Say).openapi("Chat")) } },
  responses: {
    200: { description: "The reply", ...json(z.object({ response: z.string(), conversation_id: z.string() })) },
    ...failures,
  },
});

export function turnRoutes(app: App): void {
  app.openapi(send, async (c) => {
    const turn = await take(c, c.req.valid("json"));
    return jsonText(
      c,
      `{"user_message":${turn.userMessage},"assistant_message":${turn.assistantMessage},` +
        `"conversation_id":${JSON.stringify(turn.conversationId)}}`,
    );
  });

  app.openapi(chat, async (c) => {
    const turn = await take(c, c.req.valid("json"));
    const { content } = parseMessageJson(turn.assistantMessage);
    return c.json({ response: content, conversation_id: turn.conversationId }, 200);
  });
}

function take(
  c: Context,
  body: { message: string; conversation_id?: string | undefined; message_id?: string | undefined },
): Promise<Turn> {
  const { deps, user, idempotencySeed: seed } = c.var;
  const messageId = body.message_id ?? (seed === undefined ? undefined : deriveId(seed, "message"));
  return takeTurn(deps, user.id, { message: body.message, conversationId: body.conversation_id, messageId });
}
