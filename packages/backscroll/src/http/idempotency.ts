import { createHash } from "node:crypto";
import { tryDecode } from "hono/utils/url";
import { invalidRequest } from "../domain/errors.ts";
import { ID_PATTERN } from "../domain/ids.ts";
import { claimSeed, runOnce, type StoredResponse } from "../service/idempotency.ts";
import { toRef } from "../service/messages.ts";
import type { Context, Variables } from "./context.ts";
import type { MiddlewareHandler } from "hono";

const KEY_PATTERN = /^[\x21-\x7e]{1,255}$/;

/** These are exactly-once by the ids of their messages: a retry joins the reply that is being written. */
const TURNS: ReadonlySet<string> = new Set(["/api/conversations/messages", "/api/chat"]);

/** Makes every POST that carries an `Idempotency-Key` exactly-once; see `service/idempotency.ts`. */
export const idempotent: MiddlewareHandler<{ Variables: Variables }> = async (c, next) => {
  const key = c.req.header("idempotency-key");
  if (key === undefined || c.req.method !== "POST") return next();
  if (!KEY_PATTERN.test(key)) {
    throw invalidRequest({ path: "Idempotency-Key", message: "must be 1 to 255 visible ASCII characters" });
  }
  const { deps, user } = c.var;
  const request = { userId: user.id, key, requestHash: await hashRequest(c) };
  if (TURNS.has(c.req.path)) {
    c.set("idempotencySeed", await claimSeed(deps, request));
    return next();
  }
  const { response, replayed } = await runOnce(deps, request, async (seed) => {
    c.set("idempotencySeed", seed);
    await next();
    return {
      status: c.res.status,
      contentType: c.res.headers.get("content-type") ?? "application/json",
      body: Buffer.from(await c.res.clone().arrayBuffer()),
    };
  });
  if (!replayed) return;
  await tellAgain(c, response);
  const headers = { "content-type": response.contentType, "idempotency-replayed": "true" };
  return new Response(new Uint8Array(response.body), { status: response.status, headers });
};

/** The server that answered first may have died before it told anybody. */
async function tellAgain(c: Context, { contentType, body }: StoredResponse): Promise<void> {
  const { deps, user } = c.var;
  const answer: unknown = contentType.includes("json") ? JSON.parse(body.toString()) : null;
  const answered: unknown =
    typeof answer === "object" && answer !== null ? Reflect.get(answer, "conversation_id") : undefined;
  // The answer first: the path of a turn names no conversation.
  const path = tryDecode(c.req.path, decodeURIComponent);
  const conversationId = answered ?? /^\/api\/conversations\/([^/]+)/.exec(path)?.[1];
  if (typeof conversationId !== "string" || !ID_PATTERN.test(conversationId)) return;
  await deps.cache.changed(toRef({ userId: user.id, conversationId }));
  deps.live.feed.tell(user.id, { type: "conversation_updated", conversation_id: conversationId });
}

async function hashRequest(c: Context): Promise<Buffer> {
  const { pathname, search } = new URL(c.req.url);
  return createHash("sha256")
    .update(`${c.req.method} ${pathname}${search}\n`)
    .update(await c.req.text())
    .digest();
}
