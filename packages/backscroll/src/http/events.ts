import { createRoute, z } from "@hono/zod-openapi";
import type { FeedEntry, ReadyEntry } from "../live/change-feed.ts";
import { followChanges } from "../service/changes.ts";
import type { App } from "./context.ts";
import { EVENT_STREAM_HEADERS, eventStream, type StreamEnd } from "./event-stream.ts";
import { commonHeaders, problems, logBroken } from "./json.ts";
import type { OpenStream } from "./limits.ts";
import { streamOpens } from "./request-log.ts";

/** What a client waits before it comes back. */
const RETRY_MS = 1_000;
/** Who may no longer listen hears nothing more so much later: a promise of `docs/security.md`. */
const RECHECK_MS = 60_000;

const DESCRIPTION = `
Server-sent events for a user's other tabs and devices: kinds, ids and versions, no bodies. Each event's \`event\` is the
\`type\` of its \`data\`, which is JSON:
\`ready\`: first; from here on nothing is missed.
\`messages_saved\` {conversation_id, version, message_ids, replaced?}: with \`replaced: true\` messages before them left.
\`message_edited\`, \`message_deleted\` {conversation_id, message_id, version}.
\`conversation_created\`, \`conversation_updated\`, \`conversation_deleted\`, \`conversation_restored\` {conversation_id}.
\`reply_started\`, \`reply_ended\` {conversation_id, message_id}: follow it at \`/api/chat/{conversation_id}/stream\`.
\`resync\`: changes may have been missed; read everything again.
\`version\` is the conversation's after the change, or a later one. A change may be told more than once.
Whoever comes back with the \`id\` of the last event, on any server, misses nothing: what cannot be told again any more is
a \`resync\`. A server that stops ends the stream; EventSource then comes back by itself.
`;

const route = createRoute({
  method: "get",
  path: "/api/events",
  operationId: "followChanges",
  summary: "Hear what changes, as it does",
  description: DESCRIPTION.trim(),
  request: {
    headers: z.object({
      "last-event-id": z
        .string()
        .optional()
        .openapi({ description: "id of the last event seen; EventSource sends it" }),
    }),
    query: z.strictObject({
      last_event_id: z.string().optional().openapi({ description: "the same, where no header can be sent" }),
    }),
  },
  responses: {
    200: {
      description: "Changes as they come",
      content: { "text/event-stream": { schema: z.string().openapi("ChangeStream", { description: "See above" }) } },
    },
    ...problems("too_many_streams"),
  },
});

export function eventRoutes(app: App, openStream: OpenStream): void {
  app.openapi(route, async (c) => {
    const { deps, user } = c.var;
    // A client that has come back by itself repeats the URL it began with: the header is newer.
    const cursor = c.req.valid("header")["last-event-id"] ?? c.req.valid("query").last_event_id ?? null;
    const slot = await openStream(c);
    const left = new AbortController();
    const out = new AbortController();
    const entries = followChanges(deps, user.id, cursor, AbortSignal.any([left.signal, out.signal]));
    const events = recheck(toEvents(entries), { isStillIn: c.get("isStillIn"), out });
    const ended = streamOpens(c);
    const onEnd = (end: StreamEnd): void => {
      slot.release();
      ended(end);
    };
    c.set("hasCommonHeaders", true);
    return new Response(eventStream(events, left, { onEnd, onError: logBroken(c) }), {
      headers: { ...commonHeaders(c), ...EVENT_STREAM_HEADERS },
    });
  });
}

/** @param out aborted when whoever listens may no longer */
async function* recheck(
  events: AsyncGenerator<string, void, undefined>,
  { isStillIn, out }: { isStillIn: () => Promise<boolean>; out: AbortController },
): AsyncGenerator<string, void, undefined> {
  const timer = setInterval(() => void isStillIn().then((still) => still || out.abort()), RECHECK_MS);
  try {
    yield* events;
  } finally {
    clearInterval(timer);
  }
}

async function* toEvents(entries: AsyncIterable<FeedEntry | ReadyEntry>): AsyncGenerator<string, void, undefined> {
  yield `retry: ${RETRY_MS}\n\n`;
  for await (const { id, change } of entries) {
    const told = change ?? { type: "ready" };
    yield `id: ${id}\nevent: ${told.type}\ndata: ${JSON.stringify(told)}\n\n`;
  }
}
