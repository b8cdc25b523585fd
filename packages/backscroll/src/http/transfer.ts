import { createRoute, z } from "@hono/zod-openapi";
import type { ImportResult as WireImportResult } from "backscroll-client";
import { BackscrollError } from "../domain/errors.ts";
import { logText } from "../domain/logged-error.ts";
import { EXPORT_FORMATS } from "../service/export.ts";
import type { ImportResult } from "../service/import.ts";
import { transfer } from "../service/use-cases.ts";
import { piecesInTime } from "./body.ts";
import type { App, Context } from "./context.ts";
import { brokenOff } from "./event-stream.ts";
import { json, problems } from "./json.ts";
import { streamOpens } from "./request-log.ts";
import * as schema from "./schemas.ts";

const exportRoute = createRoute({
  method: "get",
  path: "/api/conversations/{conversationId}/export",
  operationId: "exportConversation",
  summary: "Download a whole conversation",
  request: {
    params: z.strictObject({ conversationId: schema.Id }),
    query: z.strictObject({ format: z.enum(EXPORT_FORMATS).optional() }),
  },
  responses: {
    200: {
      description: "The conversation, streamed: JSON that `POST /api/import` reads, or Markdown",
      content: {
        "application/json": { schema: z.object({ backscroll_export: z.literal(1) }) },
        "text/markdown": { schema: z.string() },
      },
    },
    ...problems("conversation_not_found"),
  },
});

const exportMeRoute = createRoute({
  method: "get",
  path: "/api/me/export",
  operationId: "exportMe",
  summary: "Download everything there is of a person",
  description:
    "Conversations, those in the trash too, sessions, usage, what is known of their keys and logins, and what the " +
    "audit log says of them. `POST /api/import` reads the conversations that are not in the trash.",
  responses: {
    200: {
      description: "All of it, streamed",
      content: { "application/json": { schema: { type: "object", description: "See docs/export-format.md" } } },
    },
    ...problems("user_erased"),
  },
});

const importRoute = createRoute({
  method: "post",
  path: "/api/import",
  operationId: "importConversations",
  summary: "Read an export, as a stream; what is there already is skipped",
  request: {
    body: {
      required: true,
      content: { "application/json": { schema: { type: "object", description: "A JSON export, of any size" } } },
    },
  },
  responses: {
    200: {
      description: "What was stored, and what could not be",
      ...json(
        z
          .object({
            conversations: z.object({ created: z.int(), existing: z.int() }),
            messages: z.object({ saved: z.int(), skipped: z.int() }),
            failed: z.int(),
            errors: z
              .array(
                z.object({
                  conversation_id: z.string().nullable(),
                  message_id: z.string().nullable(),
                  code: z.string(),
                  message: z.string(),
                }),
              )
              .readonly(),
          })
          .openapi("ImportResult"),
      ),
    },
    ...problems("malformed_json", "request_timeout", "unsupported_media_type"),
  },
});

/** @param requestTimeoutMs an import is given up when nothing of it arrives for so long */
export function transferRoutes(app: App, requestTimeoutMs: number): void {
  app.openapi(exportRoute, async (c) => {
    const { conversationId } = c.req.valid("param");
    const { format = "json" } = c.req.valid("query");
    const at = { userId: c.var.user.id, conversationId };
    const pieces = await transfer.exportConversation(c.var.deps, at, { actor: c.var.caller.actor, format });
    const [type, extension] = format === "json" ? ["application/json", "json"] : ["text/markdown; charset=utf-8", "md"];
    return attachment(c, pieces, { type, name: `${conversationId.replaceAll(":", "_")}.${extension}` });
  });

  app.openapi(exportMeRoute, async (c) => {
    const pieces = await transfer.exportUser(c.var.deps, c.var.user.id, { actor: c.var.caller.actor });
    return attachment(c, pieces, { type: "application/json", name: "backscroll.json" });
  });

  app.openapi(importRoute, async (c) => {
    if (!/^application\/json *(;|$)/i.test(c.req.header("content-type") ?? "")) {
      throw new BackscrollError("unsupported_media_type", "the content-type must be application/json");
    }
    const body = c.req.raw.body ?? new ReadableStream<Uint8Array>({ start: (controller) => controller.close() });
    const source = piecesInTime(body, requestTimeoutMs);
    return c.json(toWireImportResult(await transfer.importConversations(c.var.deps, c.var.user.id, source)), 200);
  });
}

/** As `jsonText`: the description cannot see into it. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- it takes the type its place asks for
function attachment<Typed>(
  c: Context,
  pieces: AsyncIterable<string>,
  { type, name }: { type: string; name: string },
): Typed {
  const headers = {
    "content-type": type,
    "content-disposition": `attachment; filename="${name}"`,
    // Said, so that what serves it does not wait for its first pieces, and make a 500 of one that breaks off early.
    "transfer-encoding": "chunked",
  };
  return new Response(toStream(pieces, c), { headers }) as Typed;
}

/** Pulled only as fast as the client reads. What fails on the way cuts the connection: half never looks whole. */
function toStream(pieces: AsyncIterable<string>, c: Context): ReadableStream<Uint8Array> {
  const { deps, requestId } = c.var;
  const ended = streamOpens(c);
  const encoder = new TextEncoder();
  const iterator = pieces[Symbol.asyncIterator]();
  let wanted = true;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const next = await iterator.next();
        if (!wanted) return;
        if (next.done) {
          ended("whole");
          controller.close();
        } else controller.enqueue(encoder.encode(next.value));
      } catch (error) {
        ended("broken");
        deps.log.warn({ requestId, error: logText(error) }, "an export broke off");
        controller.error(brokenOff());
      }
    },
    async cancel() {
      wanted = false;
      ended("left");
      await iterator.return?.();
    },
  });
}

export function toWireImportResult(result: ImportResult): WireImportResult {
  return {
    conversations: { created: result.conversationsCreated, existing: result.conversationsExisting },
    messages: { saved: result.messagesSaved, skipped: result.messagesSkipped },
    failed: result.failed,
    errors: result.errors.map(({ conversationId, messageId, code, message }) => ({
      conversation_id: conversationId,
      message_id: messageId,
      code,
      message,
    })),
  };
}
