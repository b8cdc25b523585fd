import { createRoute, z } from "@hono/zod-openapi";
import type { Session as WireSession } from "backscroll-client";
import { LIMITS } from "../domain/limits.ts";
import type { Session } from "../domain/session.ts";
import { sessions } from "../service/use-cases.ts";
import type { App } from "./context.ts";
import { bodyProblems, json, jsonText, problems } from "./json.ts";
import { messagesToSave, savedResponses, savedText, SaveMessages } from "./saved-messages.ts";
import * as schema from "./schemas.ts";

const params = z.strictObject({ sessionId: schema.Id });

const put = createRoute({
  method: "put",
  path: "/api/sessions/{sessionId}",
  operationId: "putSession",
  summary: "Say which conversation a session of your app is in",
  description:
    "With `SESSIONS=mapping`, the default, a turn that sends this `session_id` and no `conversation_id` goes there. A " +
    "session that is used lives on; after `SESSION_DAYS` without use it is gone, and its conversation stays.",
  request: { params, body: { required: true, ...json(schema.SessionBody) } },
  responses: {
    201: { description: "It begins", ...json(schema.Session) },
    200: { description: "It was there, and is in this conversation now", ...json(schema.Session) },
    ...bodyProblems("conversation_not_found"),
  },
});

const get = createRoute({
  method: "get",
  path: "/api/sessions/{sessionId}",
  operationId: "getSession",
  summary: "Read a session",
  description: "The header `x-backscroll-cache` says where the answer came from, as for messages.",
  request: { params },
  responses: { 200: { description: "The session", ...json(schema.Session) }, ...problems("session_not_found") },
});

const change = createRoute({
  method: "patch",
  path: "/api/sessions/{sessionId}",
  operationId: "updateSession",
  summary: "Set and remove keys of a session's context",
  description:
    "Of two changes at once neither loses the other's keys. The context is at most 256 KiB of JSON; `PUT` replaces it.",
  request: { params, body: { required: true, ...json(schema.SessionChanges) } },
  responses: { 200: { description: "As it is now", ...json(schema.Session) }, ...bodyProblems("session_not_found") },
});

const remove = createRoute({
  method: "delete",
  path: "/api/sessions/{sessionId}",
  operationId: "deleteSession",
  summary: "End a session; its conversation stays",
  request: { params },
  responses: {
    200: { description: "Gone", ...json(z.object({ message: z.string() })) },
    ...problems("session_not_found"),
  },
});

const append = createRoute({
  method: "post",
  path: "/api/sessions/{sessionId}/messages",
  operationId: "appendToSession",
  summary: "Save one message, or up to 100 in order, in a session's conversation, without asking anybody",
  description:
    "A session that is new, or whose conversation is gone, begins with a new conversation: its `conversation_id` is the " +
    "messages'. What its user says first is its title.",
  request: { params, body: { required: true, ...json(SaveMessages) } },
  responses: { ...savedResponses, ...bodyProblems("message_id_conflict", "message_too_large") },
});

const list = createRoute({
  method: "get",
  path: "/api/sessions",
  operationId: "listSessions",
  summary: "List sessions in the order of their ids, without those that are gone",
  description:
    "A page ends early where its sessions come to 4 MiB, since each brings its context: `has_next` says whether it goes on.",
  request: {
    query: z.strictObject({
      cursor: schema.SessionCursor.optional(),
      limit: schema.intParam(1, LIMITS.windowMax).optional(),
    }),
  },
  responses: {
    200: { description: "Some of the sessions", ...json(schema.SessionsSlice) },
    ...problems("invalid_cursor"),
  },
});

export function sessionRoutes(app: App): void {
  app.openapi(list, async (c) => {
    const { cursor, limit = LIMITS.pageSizeDefault } = c.req.valid("query");
    const found = await sessions.listSessionsFrom(c.var.deps, c.var.user.id, { cursor, limit });
    const pagination = { limit, has_next: found.nextCursor !== null, next_cursor: found.nextCursor };
    return c.json({ sessions: found.sessions.map(toWire), pagination }, 200);
  });

  app.openapi(append, async (c) => {
    const { deps, user, idempotencySeed: seed } = c.var;
    const body = c.req.valid("json");
    const at = { userId: user.id, ...c.req.valid("param") };
    const saved = await sessions.appendToSession(deps, at, messagesToSave(body, seed));
    return jsonText(c, savedText(body, saved.messages), saved.created ? 201 : 200);
  });

  app.openapi(put, async (c) => {
    const { deps, user } = c.var;
    const { conversation_id: conversationId, context } = c.req.valid("json");
    const at = { userId: user.id, ...c.req.valid("param") };
    const { created, session } = await sessions.putSession(deps, at, { conversationId, context });
    return c.json(toWire(session), created ? 201 : 200);
  });

  app.openapi(get, async (c) => {
    const at = { userId: c.var.user.id, ...c.req.valid("param") };
    const { session, source } = await sessions.getSession(c.var.deps, at);
    c.set("readSource", source);
    return c.json(toWire(session), 200, { "x-backscroll-cache": source });
  });

  app.openapi(change, async (c) => {
    const at = { userId: c.var.user.id, ...c.req.valid("param") };
    return c.json(toWire(await sessions.updateSession(c.var.deps, at, c.req.valid("json"))), 200);
  });

  app.openapi(remove, async (c) => {
    await sessions.deleteSession(c.var.deps, { userId: c.var.user.id, ...c.req.valid("param") });
    return c.json({ message: "Session deleted successfully" }, 200);
  });
}

function toWire(session: Session): WireSession {
  return {
    session_id: session.id,
    conversation_id: session.conversationId,
    context: session.context,
    created_at: session.createdAt.toISOString(),
    updated_at: session.updatedAt.toISOString(),
    expires_at: session.expiresAt.toISOString(),
  };
}
