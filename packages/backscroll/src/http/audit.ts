import { createRoute, z } from "@hono/zod-openapi";
import type { AuditEntry as WireAuditEntry } from "backscroll-client";
import { AUDIT_ACTIONS, type AuditEntry } from "../domain/audit.ts";
import { BackscrollError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { people } from "../service/use-cases.ts";
import type { App } from "./context.ts";
import { json, problems } from "./json.ts";
import * as schema from "./schemas.ts";

const AuditedUser = z
  .object({ user: z.string().nullable().openapi({ description: "null: was erased, and nobody can tell who it was" }) })
  .nullable();

const AuditEntrySchema = z
  .object({
    id: z.string(),
    at: z.iso.datetime(),
    action: z.enum(AUDIT_ACTIONS),
    actor: AuditedUser.openapi({ description: "null: the service, or its operator at the command line" }),
    actor_key_id: z.string().nullable().openapi({ description: "The API key that was used" }),
    subject: AuditedUser.openapi({ description: "Whose history it was; null: everybody's" }),
    conversation_id: z.string().nullable(),
  })
  .openapi("AuditEntry");

const list = createRoute({
  method: "get",
  path: "/api/audit",
  operationId: "listAudit",
  summary: "Who deleted, exported, erased, or acted for somebody; for admins",
  description: "Newest first; on with `cursor=next_cursor`. Nothing of what was said is in it.",
  request: {
    query: z.strictObject({
      user: z.string().optional().openapi({ description: "What they did, or what was done to their history" }),
      action: z.enum(AUDIT_ACTIONS).optional(),
      cursor: schema.Cursor.optional(),
      limit: schema.intParam(1, LIMITS.windowMax).optional(),
    }),
  },
  responses: {
    200: {
      description: "Some of the entries",
      ...json(z.object({ entries: z.array(AuditEntrySchema), next_cursor: z.string().nullable() })),
    },
    ...problems("forbidden", "invalid_cursor"),
  },
});

export function auditRoutes(app: App): void {
  app.openapi(list, async (c) => {
    if (!c.var.caller.isAdmin) throw new BackscrollError("forbidden", "only admins read the audit log");
    const { limit, ...query } = c.req.valid("query");
    const { entries, nextCursor } = await people.listAudit(c.var.deps, {
      ...query,
      ...(limit !== undefined && { limit }),
    });
    return c.json({ entries: entries.map(toWire), next_cursor: nextCursor }, 200);
  });
}

function toWire({ at, actorKeyId, conversationId, ...entry }: AuditEntry): WireAuditEntry {
  return { ...entry, at: at.toISOString(), actor_key_id: actorKeyId, conversation_id: conversationId };
}
