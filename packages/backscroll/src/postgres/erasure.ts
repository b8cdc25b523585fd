import type { ConversationRef } from "../domain/conversation.ts";
import type { Queryable } from "./pool.ts";

/**
 * Marks a conversation, in the trash or not, as leaving for good: nothing reads or restores it from now on.
 *
 * @returns false when there is none
 */
export async function markErasing(db: Queryable, at: ConversationRef): Promise<boolean> {
  const rows = await db.query({
    name: "mark_erasing",
    text: `
      update conversations
         set erasing = true, deleted_at = coalesce(deleted_at, statement_timestamp()), version = version + 1
       where user_id = $1 and id = $2 and not erasing
      returning version`,
    values: [at.userId, at.id],
  });
  return rows.length === 1;
}

/**
 * What leaves with its person is left to whoever erases them.
 *
 * @param after the last one that was listed; null: from the first
 * @returns what a process that died left marked
 */
export async function listErasing(
  db: Queryable,
  { after, limit }: { after: ConversationRef | null; limit: number },
): Promise<readonly ConversationRef[]> {
  const rows = await db.query<{ user_id: string; id: string }>({
    name: "list_erasing",
    text: `
      select user_id, id from conversations
       where erasing and user_id not in (select id from users where erasing_at is not null)
         and ($1::bigint is null or (user_id, id) > ($1, $2::uuid))
       order by user_id, id limit $3`,
    values: [after?.userId ?? null, after?.id ?? null, limit],
  });
  return rows.map((row) => ({ userId: Number(row.user_id), id: row.id }));
}

/**
 * Deletes some messages of a marked conversation: a million rows never leave in one statement.
 *
 * @returns whether there may be more
 */
export async function deleteMessageBatch(db: Queryable, at: ConversationRef, limit: number): Promise<boolean> {
  const [row] = await db.query<{ deleted: string }>({
    name: "delete_message_batch",
    text: `
      with doomed as (
        select seq from messages where user_id = $1 and conversation_id = $2 order by seq limit $3
      ), gone as (
        delete from messages
         where user_id = $1 and conversation_id = $2 and seq <= (select max(seq) from doomed)
        returning seq
      )
      -- counted as they were seen: another process may have deleted some of them meanwhile
      select count(*) as deleted from doomed`,
    values: [at.userId, at.id, limit],
  });
  return Number(row?.deleted ?? 0) === limit;
}

/** Deletes a marked conversation's row, and what little still hangs on it. */
export async function deleteErased(db: Queryable, at: ConversationRef): Promise<void> {
  await db.query({
    name: "delete_erased",
    text: "delete from conversations where user_id = $1 and id = $2 and erasing",
    values: [at.userId, at.id],
  });
}
