import { createRoute, z } from "@hono/zod-openapi";
import type {
  Conversation as WireConversation,
  ConversationSummary as WireSummary,
  Pagination as WirePagination,
} from "backscroll-client";
import { invalidRequest } from "../domain/errors.ts";
import type { Conversation } from "../domain/conversation.ts";
import { deriveId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Pagination } from "../service/history.ts";
import { conversations } from "../service/use-cases.ts";
import type { App } from "./context.ts";
import { bodyProblems, json, problems } from "./json.ts";
import * as schema from "./schemas.ts";

const params = z.strictObject({ conversationId: schema.Id });
const pageParams = {
  page: schema.intParam(1, LIMITS.pageMax).optional(),
  page_size: schema.intParam(1, LIMITS.windowMax).optional(),
};

const create = createRoute({
  method: "post",
  path: "/api/conversations",
  operationId: "createConversation",
  summary: "Create a conversation",
  request: { body: { required: false, ...json(schema.NewConversation) } },
  responses: {
    201: { description: "Created", ...json(schema.ConversationCreated) },
    200: { description: "It was there already, with the same title and metadata", ...json(schema.ConversationCreated) },
    ...bodyProblems("conversation_id_conflict"),
  },
});

const list = createRoute({
  method: "get",
  path: "/api/conversations",
  operationId: "listConversations",
  summary: "List conversations: pinned ones first, each part by newest activity",
  description:
    "By `page` and `page_size`, or by `cursor` and `limit`: a cursor shows nothing twice when others move up.",
  request: {
    query: z.strictObject({
      ...pageParams,
      cursor: schema.Cursor.optional(),
      limit: schema.intParam(1, LIMITS.windowMax).optional(),
      archived: schema.booleanParam().optional(),
      q: z.string().max(LIMITS.searchCharsMax).optional().openapi({ description: "Part of the title, in any case" }),
    }),
  },
  responses: {
    200: {
      description: "Some of the conversations",
      ...json(
        z.object({
          conversations: z.array(schema.ConversationSummary),
          pagination: z.union([schema.PageAndCursorPagination, schema.CursorPagination]),
        }),
      ),
    },
    ...problems("invalid_cursor"),
  },
});

const get = createRoute({
  method: "get",
  path: "/api/conversations/{conversationId}",
  operationId: "getConversation",
  summary: "Read one conversation",
  request: { params },
  responses: {
    200: { description: "The conversation", ...json(schema.Conversation) },
    ...problems("conversation_not_found"),
  },
});

const update = createRoute({
  method: "patch",
  path: "/api/conversations/{conversationId}",
  operationId: "updateConversation",
  summary: "Rename, pin, archive, or replace the metadata",
  request: { params, body: { required: true, ...json(schema.ConversationChanges) } },
  responses: {
    200: { description: "As it is now", ...json(schema.Conversation) },
    ...bodyProblems("conversation_not_found"),
  },
});

const remove = createRoute({
  method: "delete",
  path: "/api/conversations/{conversationId}",
  operationId: "deleteConversation",
  summary: "Move a conversation to the trash, or erase it",
  request: {
    params,
    query: z.strictObject({
      permanent: schema
        .booleanParam()
        .optional()
        .openapi({ description: "Erase it, from the trash too; nothing restores it" }),
    }),
  },
  responses: {
    200: { description: "Gone", ...json(z.object({ message: z.string() })) },
    ...problems("conversation_not_found"),
  },
});

const restore = createRoute({
  method: "post",
  path: "/api/conversations/{conversationId}/restore",
  operationId: "restoreConversation",
  summary: "Take a conversation out of the trash, within 30 days",
  request: { params },
  responses: {
    200: { description: "As it is now", ...json(schema.Conversation) },
    ...problems("conversation_not_found"),
  },
});

const trash = createRoute({
  method: "get",
  path: "/api/trash",
  operationId: "listDeletedConversations",
  summary: "List what can be restored, last deleted first",
  request: { query: z.strictObject(pageParams) },
  responses: {
    200: {
      description: "Some of the trash",
      ...json(z.object({ conversations: z.array(schema.DeletedConversation), pagination: schema.Pagination })),
    },
    ...problems(),
  },
});

export function conversationRoutes(app: App): void {
  app.openapi(create, async (c) => {
    const { deps, user, idempotencySeed: seed } = c.var;
    const body = c.req.valid("json");
    const id = body.id ?? (seed === undefined ? undefined : deriveId(seed, "conversation"));
    const { created, conversation } = await conversations.createConversation(deps, user.id, { ...body, id });
    const answer = {
      conversation_id: conversation.id,
      title: conversation.title,
      created_at: conversation.createdAt.toISOString(),
    };
    return created ? c.json(answer, 201) : c.json(answer, 200);
  });

  app.openapi(list, async (c) => {
    const { deps, user } = c.var;
    const { page, page_size: pageSize, cursor, limit, ...filter } = c.req.valid("query");
    const byCursor = cursor !== undefined || limit !== undefined;
    if (byCursor && (page !== undefined || pageSize !== undefined)) {
      throw invalidRequest({
        path: "cursor",
        message: "goes with limit, and page with page_size: send one of the pairs",
      });
    }
    if (byCursor) {
      const size = limit ?? LIMITS.conversationsPageSizeDefault;
      const found = await conversations.listConversationsFrom(deps, user.id, { cursor, limit: size, ...filter });
      const pagination = { limit: size, has_next: found.nextCursor !== null, next_cursor: found.nextCursor };
      return c.json({ conversations: found.conversations.map(toSummary), pagination }, 200);
    }
    const found = await conversations.listUserConversations(deps, user.id, {
      ...filter,
      ...(page !== undefined && { page }),
      ...(pageSize !== undefined && { pageSize }),
    });
    const pagination = { ...toWirePagination(found.pagination), next_cursor: found.nextCursor };
    return c.json({ conversations: found.conversations.map(toSummary), pagination }, 200);
  });

  app.openapi(get, async (c) => {
    const at = { userId: c.var.user.id, ...c.req.valid("param") };
    return c.json(toWireConversation(await conversations.getConversation(c.var.deps, at)), 200);
  });

  app.openapi(update, async (c) => {
    const at = { userId: c.var.user.id, ...c.req.valid("param") };
    const changed = await conversations.updateConversation(c.var.deps, at, c.req.valid("json"));
    return c.json(toWireConversation(changed), 200);
  });

  app.openapi(remove, async (c) => {
    const at = { userId: c.var.user.id, ...c.req.valid("param") };
    const { permanent = false } = c.req.valid("query");
    await conversations.deleteConversation(c.var.deps, at, { actor: c.var.caller.actor, permanent });
    return c.json({ message: "Conversation deleted successfully" }, 200);
  });

  app.openapi(restore, async (c) => {
    const at = { userId: c.var.user.id, ...c.req.valid("param") };
    return c.json(toWireConversation(await conversations.restoreConversation(c.var.deps, at)), 200);
  });

  app.openapi(trash, async (c) => {
    const { page, page_size: pageSize } = c.req.valid("query");
    const found = await conversations.listDeletedConversations(c.var.deps, c.var.user.id, {
      ...(page !== undefined && { page }),
      ...(pageSize !== undefined && { pageSize }),
    });
    const deleted = found.conversations.map((conversation) => ({
      ...toSummary(conversation),
      deleted_at: (conversation.deletedAt as Date).toISOString(),
    }));
    return c.json({ conversations: deleted, pagination: toWirePagination(found.pagination) }, 200);
  });
}

function toSummary(conversation: Conversation): WireSummary {
  return {
    conversation_id: conversation.id,
    title: conversation.title,
    message_count: conversation.messageCount,
    last_message_preview: conversation.lastMessagePreview,
    pinned: conversation.pinned,
    archived: conversation.archived,
    created_at: conversation.createdAt.toISOString(),
    updated_at: conversation.updatedAt.toISOString(),
  };
}

function toWireConversation(conversation: Conversation): WireConversation {
  return { ...toSummary(conversation), metadata: conversation.metadata };
}

export function toWirePagination(pagination: Pagination): WirePagination {
  return {
    total: pagination.total,
    page: pagination.page,
    page_size: pagination.pageSize,
    total_pages: pagination.totalPages,
    has_next: pagination.hasNext,
    has_prev: pagination.hasPrev,
  };
}
