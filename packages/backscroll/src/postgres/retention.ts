import type { ConversationRef } from "../domain/conversation.ts";
import type { Queryable } from "./pool.ts";

/** What a conversation may be too old by: when anything was last said in it, or when it came into the trash. */
export type Aging = "said" | "trashed";

/** A conversation that is too old. */
export interface AgedConversation {
  readonly ref: ConversationRef;
  /** its id as its author wrote it */
  readonly conversationId: string;
}

/** `c` is a conversation, `$1` a number of days. Each part begins with what its index finds. */
const IS_AGED: Record<Aging, string> = {
  said: `
    c.updated_day <= ((statement_timestamp() - make_interval(days => $1)) at time zone 'UTC')::date
    and c.updated_at <= statement_timestamp() - make_interval(days => $1) and c.pinned_at is null and not c.erasing`,
  trashed: `
    c.deleted_at is not null and c.deleted_at <= statement_timestamp() - make_interval(days => $1) and not c.erasing`,
};

/** @returns the ids of the users after one, in order, at most `limit` */
export async function listUserIds(db: Queryable, after: number, limit: number): Promise<readonly number[]> {
  const rows = await db.query<{ id: string }>({
    name: "list_user_ids",
    text: "select id from users where id > $1 order by id limit $2",
    values: [after, limit],
  });
  return rows.map(({ id }) => Number(id));
}

/** @returns those of these users who have a conversation that is too old */
export async function listUsersWithAged(
  db: Queryable,
  userIds: readonly number[],
  { by, days }: { by: Aging; days: number },
): Promise<readonly number[]> {
  const rows = await db.query<{ id: string }>({
    name: `list_users_with_${by}`,
    // Lateral: one look into the index a user, in whatever way the planner would rather join.
    text: `
      select u.id
        from unnest($2::bigint[]) as u (id)
       cross join lateral (select from conversations as c where c.user_id = u.id and ${IS_AGED[by]} limit 1) as found`,
    values: [days, userIds],
  });
  return rows.map(({ id }) => Number(id));
}

/** @returns a user's conversations that are too old, at most `limit` */
export async function listAged(
  db: Queryable,
  userId: number,
  { by, days, limit }: { by: Aging; days: number; limit: number },
): Promise<readonly AgedConversation[]> {
  const rows = await db.query<{ id: string; conversation_id: string }>({
    name: `list_aged_${by}`,
    text: `
      select c.id, coalesce(c.client_id, c.id::text) as conversation_id from conversations as c
       where c.user_id = $2 and ${IS_AGED[by]} limit $3`,
    values: [days, userId, limit],
  });
  return rows.map((row) => ({ ref: { userId, id: row.id }, conversationId: row.conversation_id }));
}

/**
 * Marks a conversation as leaving for good, if it is still too old.
 *
 * @returns false: something was said in it meanwhile, or it was pinned, restored, or marked by somebody else
 */
export async function markAgedErasing(
  db: Queryable,
  at: ConversationRef,
  { by, days }: { by: Aging; days: number },
): Promise<boolean> {
  const rows = await db.query({
    name: `mark_aged_${by}`,
    text: `
      update conversations as c
         set erasing = true, deleted_at = coalesce(deleted_at, statement_timestamp()), version = version + 1
       where c.user_id = $2 and c.id = $3 and ${IS_AGED[by]}
      returning version`,
    values: [days, at.userId, at.id],
  });
  return rows.length === 1;
}
