import { createRoute, z } from "@hono/zod-openapi";
import type { Session as WireSession } from "backscroll-client";
import type { Session } from "../domain/session.ts";
import { sessions } from "../service/use-cases.ts";
import type { App } from "./context.ts";
import { bodyProblems, json, problems } from "./json.ts";
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

export function sessionRoutes(app: App): void {
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
