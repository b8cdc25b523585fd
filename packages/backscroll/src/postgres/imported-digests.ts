import { type MessageDigest, messageHash } from "./message-digest.ts";
import type { Queryable } from "./pool.ts";

/** Where an imported message keeps the role that it had, when it is another word for one of ours. */
export const ROLE_KEY = "guide_role";

const HASH = messageHash({
  id: "coalesce(client_id, id::text)",
  role: `coalesce(metadata ->> '${ROLE_KEY}', role)`,
  content: "content",
  tokensUsed: "tokens_used::text",
  latencyMs: "latency_ms::text",
});

/** @returns by their stored ids; of those conversations that have messages */
export async function digestConversations(
  db: Queryable,
  userId: number,
  conversationIds: readonly string[],
): Promise<ReadonlyMap<string, MessageDigest>> {
  const rows = await db.query<{ id: string } & MessageDigest>({
    name: "digest_conversations",
    text: `
      select conversation_id as id, count(*)::int as messages, sum(${HASH})::text as sum
        from messages where user_id = $1 and conversation_id = any($2::uuid[]) group by conversation_id`,
    values: [userId, conversationIds],
  });
  return new Map(rows.map(({ id, ...digest }) => [id, digest]));
}

/** @param ids as they are stored @returns by the ids that callers know, of those that are there */
export async function hashMessages(
  db: Queryable,
  at: { readonly userId: number; readonly id: string },
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await db.query<{ id: string; hash: string }>({
    name: "hash_messages",
    text: `
      select coalesce(client_id, id::text) as id, ${HASH} as hash
        from messages where user_id = $1 and conversation_id = $2 and id = any($3::uuid[])`,
    values: [at.userId, at.id, ids],
  });
  return new Map(rows.map(({ id, hash }) => [id, hash]));
}
