import { createRoute, z } from "@hono/zod-openapi";
import { invalidRequest } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { MessagesSlice } from "../service/history.ts";
import { history } from "../service/use-cases.ts";
import type { App, Context } from "./context.ts";
import { toWirePagination } from "./conversations.ts";
import { joinMessages, json, jsonAround, jsonText, problems } from "./json.ts";
import * as schema from "./schemas.ts";

const Query = z.strictObject({
  limit: schema.intParam(1, LIMITS.windowMax).optional(),
  page: schema.intParam(1, LIMITS.pageMax).optional(),
  page_size: schema.intParam(1, LIMITS.windowMax).optional(),
  before: schema.Cursor.optional(),
  after: schema.Cursor.optional(),
  around: schema.Id.optional(),
  from: schema.timeParam().optional().openapi({ description: "Created at or after this time" }),
  to: schema.timeParam().optional().openapi({ description: "Created before this time" }),
  fields: schema.Fields.optional().openapi({ description: "Only these fields of each message" }),
  consistency: z.enum(["strong"]).optional().openapi({ description: "`strong`: from PostgreSQL, whatever is cached" }),
});

const list = createRoute({
  method: "get",
  path: "/api/conversations/{conversationId}/messages",
  operationId: "listMessages",
  summary: "Read a conversation's messages",
  description: [
    "- nothing, or `limit`: the newest, newest first; on with `before=next_cursor`",
    "- `page`, `page_size`: the whole history, oldest first",
    "- `before=<cursor>`: older than it, newest first; `after=<cursor>`: newer than it, oldest first",
    "- `around=<message id>`: a window about one message, oldest first; on with `after=next_cursor`, back with " +
      "`before=previous_cursor`",
    "",
    "`from`, `to` and `fields` narrow any of them.",
    "",
    "Only the newest, not narrowed, come from the cache. The header `x-backscroll-cache` says where an answer came " +
      "from: `hit`; `miss`, PostgreSQL, and the cache learns it; `bypass`, PostgreSQL.",
  ].join("\n"),
  request: { params: z.strictObject({ conversationId: schema.Id }), query: Query },
  responses: {
    200: {
      description: "Some of the messages",
      ...json(z.union([schema.MessagesPage, schema.MessagesAround, schema.MessagesSlice])),
    },
    ...problems("conversation_not_found", "message_not_found", "invalid_cursor"),
  },
});

export function historyRoutes(app: App): void {
  app.openapi(list, async (c) => {
    const [deps, user] = [c.get("deps"), c.get("user")];
    const at = { userId: user.id, ...c.req.valid("param") };
    const query = c.req.valid("query");
    checkCombination(query);
    const { page, page_size, before, after, around, ...rest } = query;
    if (page !== undefined || page_size !== undefined) {
      const found = await history.getFullHistory(deps, at, {
        ...rest,
        page: page ?? 1,
        pageSize: page_size ?? LIMITS.pageSizeDefault,
      });
      const pagination = JSON.stringify(toWirePagination(found.pagination));
      c.set("readSource", "bypass");
      return jsonText(c, `{"messages":${joinMessages(found.messages)},"pagination":${pagination}}`, 200, BYPASS);
    }
    const limit = rest.limit ?? LIMITS.windowDefault;
    if (around !== undefined) {
      const found = await history.getMessagesAround(deps, at, { ...rest, limit, around });
      const back = `"has_previous":${found.hasPrevious},"previous_cursor":${JSON.stringify(found.previousCursor)}`;
      return sliceJson(c, found, `,${back}`);
    }
    const found =
      after === undefined
        ? await history.getRecentMessages(deps, at, { ...rest, limit, before })
        : await history.getMessagesAfter(deps, at, { ...rest, limit, after });
    return sliceJson(c, found);
  });
}

const BYPASS = { "x-backscroll-cache": "bypass" };

/** @param more further fields, each with its comma before it */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- as jsonText
function sliceJson<Typed>(c: Context, { messages, hasMore, nextCursor, source }: MessagesSlice, more = ""): Typed {
  const after = `,"has_more":${hasMore},"next_cursor":${JSON.stringify(nextCursor)}${more}}`;
  c.set("readSource", source);
  return jsonText(c, jsonAround('{"messages":', messages, after), 200, { "x-backscroll-cache": source });
}

/** @throws {BackscrollError} invalid_request when the parameters ask for two things at once */
function checkCombination({ page, page_size, limit, before, after, around, from, to }: z.infer<typeof Query>): void {
  const windows = Object.entries({ before, after, around }).filter(([, value]) => value !== undefined);
  const paged = page !== undefined || page_size !== undefined;
  const [first, second] = windows.map(([name]) => name);
  if (first !== undefined && second !== undefined)
    throw invalidRequest({ path: first, message: `does not go with ${second}` });
  if (paged && first !== undefined) throw invalidRequest({ path: "page", message: `does not go with ${first}` });
  if (paged && limit !== undefined)
    throw invalidRequest({ path: "limit", message: "does not go with page: send page_size" });
  if (from && to && from >= to) throw invalidRequest({ path: "from", message: "must be before `to`" });
}
