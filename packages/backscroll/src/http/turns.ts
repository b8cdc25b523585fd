import { createRoute, z } from "@hono/zod-openapi";
import { BackscrollError } from "../domain/errors.ts";
import { deriveId } from "../domain/ids.ts";
import { parseMessageJson } from "../domain/message.ts";
import type { StreamSlot } from "../live/stream-slots.ts";
import type { Turn } from "../service/running-reply.ts";
import { takeTurn } from "../service/turn.ts";
import { turns } from "../service/use-cases.ts";
import { ChatBody, isUiChat, questionAgain, questionOf, SendMessage, type UiChatBody } from "./chat-body.ts";
import type { App, Context } from "./context.ts";
import type { StreamEnd } from "./event-stream.ts";
import { bodyProblems, commonHeaders, json, jsonText, problems, logBroken } from "./json.ts";
import type { OpenStream } from "./limits.ts";
import { streamOpens } from "./request-log.ts";
import * as schema from "./schemas.ts";
import { createSessionResolver, keepSessionCookie, type SessionOptions, type SessionTurn } from "./session-resolver.ts";
import { type ShownReply, UI_MESSAGE_STREAM_HEADERS, uiMessageStream } from "./ui-message-stream.ts";

const failures = bodyProblems(
  "conversation_not_found",
  "conversation_busy",
  "conversation_id_conflict",
  "message_id_conflict",
  "message_too_large",
  "responder_failed",
  "responder_rate_limited",
  "responder_refused",
  "responder_timeout",
  "reply_interrupted",
  "shutting_down",
  "too_many_streams",
);
const eventStream = {
  "text/event-stream": {
    schema: z.string().openapi("UiMessageStream", {
      description: "The AI SDK's UI message stream: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol",
    }),
  },
};
const params = z.strictObject({ conversationId: schema.Id });

const send = createRoute({
  method: "post",
  path: "/api/conversations/messages",
  operationId: "sendMessage",
  summary: "Send a message and get the reply, both saved",
  description:
    "Without a `conversation_id` the turn is taken in its session's conversation, or in a new one. With a `message_id` the turn is exactly-once: again with " +
    "the same one it joins the reply that is being written, or answers what was stored; after a failure it asks again.\n" +
    "With `stream: true` the answer is the AI SDK's UI message stream. A reply goes on when its reader goes away.",
  request: { body: { required: true, ...json(SendMessage) } },
  responses: {
    200: {
      description: "The exchange, or with `stream: true` the reply as it is written",
      content: { ...json(schema.Turn).content, ...eventStream },
    },
    ...failures,
  },
});

const ChatReply = z.object({ response: z.string(), conversation_id: z.string() }).openapi("ChatReply");

const chat = createRoute({
  method: "post",
  path: "/api/chat",
  operationId: "chat",
  summary: "Say something and get the reply's text: a turn in short form, and what `useChat` calls",
  description:
    "The body of the AI SDK's `useChat` is accepted, too, and always answered by its UI message stream. The conversation " +
    "is its `id`, and only the last of its messages is read: the history is the one that is stored here. " +
    "`regenerate-message` writes the last reply again.",
  request: { body: { required: true, ...json(ChatBody) } },
  responses: {
    200: {
      description: "The reply's text, or the reply as it is written",
      content: { ...json(ChatReply).content, ...eventStream },
    },
    ...failures,
  },
});

const follow = createRoute({
  method: "get",
  path: "/api/chat/{conversationId}/stream",
  operationId: "followReply",
  summary: "Follow the reply that is being written, from its beginning, on any server",
  request: { params },
  responses: {
    200: { description: "The reply as it is written", content: eventStream },
    204: { description: "None is; so it is for a conversation that does not exist" },
    ...problems("too_many_streams"),
  },
});

const stop = createRoute({
  method: "post",
  path: "/api/chat/{conversationId}/stop",
  operationId: "stopReply",
  summary: "Stop the reply that is being written, on any server; what was written is kept",
  request: { params },
  responses: {
    200: {
      description:
        "Whether one was, and the reply as it is stored; null when none was, or it had said nothing and an earlier reply stays",
      ...json(z.object({ stopped: z.boolean(), message: z.union([schema.Message, z.null()]) }).openapi("StoppedReply")),
    },
    ...problems(),
  },
});

export function turnRoutes(app: App, sessions: SessionOptions, openStream: OpenStream): void {
  for (const { path } of [send, chat]) keepSessionCookie(app, path, sessions);
  const startInSession = createSessionResolver(sessions);

  app.openapi(send, async (c) => {
    const body = c.req.valid("json");
    const start = (): Promise<Turn> => startInSession(c, requestOf(c, body));
    if (body.stream === true) return showStarted(c, openStream, start);
    const taken = await takeTurn(start);
    const { conversationId, userMessage, assistantMessage, turn } = taken;
    const text =
      `{"user_message":${userMessage},"assistant_message":${assistantMessage},` +
      `"conversation_id":${JSON.stringify(conversationId)}}`;
    return jsonText(c, text, 200, replayed(c, turn));
  });

  app.openapi(chat, async (c) => {
    const body = c.req.valid("json");
    if (isUiChat(body)) return showStarted(c, openStream, () => startUi(c, body));
    const start = (): Promise<Turn> => startInSession(c, requestOf(c, body));
    if (body.stream === true) return showStarted(c, openStream, start);
    const { conversationId, assistantMessage, turn } = await takeTurn(start);
    const { content } = parseMessageJson(assistantMessage);
    return c.json({ response: content, conversation_id: conversationId }, 200, replayed(c, turn));
  });

  app.openapi(follow, async (c) => {
    const turn = await turns.followReply(c.var.deps, { userId: c.var.user.id, ...c.req.valid("param") });
    return turn === null ? c.body(null, 204) : showReply(c, turn, await openStream(c));
  });

  app.openapi(stop, async (c) => {
    const { stopped, message } = await turns.stopReply(c.var.deps, { userId: c.var.user.id, ...c.req.valid("param") });
    return jsonText(c, `{"stopped":${stopped},"message":${message}}`);
  });
}

function requestOf(
  c: Context,
  body: {
    message: string;
    conversation_id?: string | undefined;
    session_id?: string | undefined;
    message_id?: string | undefined;
  },
): SessionTurn {
  const messageId = body.message_id ?? seededId(c, "message");
  return { message: body.message, conversationId: body.conversation_id, sessionId: body.session_id, messageId };
}

async function startUi(c: Context, body: UiChatBody): Promise<Turn> {
  const { deps, user } = c.var;
  if (body.trigger === "regenerate-message") return regenerate(c, body);
  const { messageId = seededId(c, "message"), ...question } = questionOf(body);
  try {
    return await turns.startTurn(deps, user.id, { ...question, messageId, createConversation: true });
  } catch (error) {
    if (!(error instanceof BackscrollError) || error.code !== "message_id_conflict") throw error;
    throw new BackscrollError(
      "message_id_conflict",
      `the message ${messageId} is stored with another body. To change what it says, edit it with ` +
        "PATCH /api/conversations/{id}/messages/{message_id}; to say something else, send it with a new id",
      {},
      { cause: error },
    );
  }
}

function regenerate(c: Context, body: UiChatBody): Promise<Turn> {
  const { deps, user } = c.var;
  const replyId = seededId(c, "reply");
  const question = questionAgain(body);
  if (question?.messageId !== undefined) {
    const asked = { ...question, messageId: question.messageId, createConversation: true };
    return turns.askAgain(deps, user.id, asked, replyId);
  }
  return turns.regenerateReply(
    deps,
    { userId: user.id, conversationId: body.id },
    { messageId: body.messageId, replyId },
  );
}

/** @returns an id that a retry with the same Idempotency-Key gets again; undefined without one */
function seededId({ var: { idempotencySeed: seed } }: Context, purpose: "message" | "reply"): string | undefined {
  return seed === undefined ? undefined : deriveId(seed, purpose);
}

function replayed({ var: { idempotencySeed } }: Context, turn: Turn): Record<string, string> {
  return idempotencySeed !== undefined && turn.replayed ? { "idempotency-replayed": "true" } : {};
}

/** Its stream is taken first: what is refused is not saved. */
async function showStarted<Typed>(c: Context, openStream: OpenStream, start: () => Promise<Turn>): Promise<Typed> {
  const slot = await openStream(c);
  try {
    const turn = await start();
    return showReply(c, turn, slot, replayed(c, turn));
  } catch (error) {
    slot.release();
    throw error;
  }
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- as `jsonText`
function showReply<Typed>(
  c: Context,
  shown: ShownReply,
  slot: StreamSlot,
  headers: Readonly<Record<string, string>> = {},
): Typed {
  c.set("hasCommonHeaders", true);
  const ended = streamOpens(c);
  const onEnd = (end: StreamEnd): void => {
    slot.release();
    ended(end);
  };
  return new Response(uiMessageStream(shown, { onEnd, onError: logBroken(c) }), {
    headers: { ...commonHeaders(c), ...UI_MESSAGE_STREAM_HEADERS, ...headers },
  }) as Typed;
}
