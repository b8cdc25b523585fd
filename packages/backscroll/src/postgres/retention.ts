import type { Queryable } from "./pool.ts";

/** @returns the next people's numbers, in order */
export async function listUserIds(
  db: Queryable,
  { afterId, limit }: { afterId: number; limit: number },
): Promise<readonly number[]> {
  const rows = await db.query<{ id: string }>({
    name: "list_user_ids",
    text: "select id from users where id > $1 order by id limit $2",
    values: [afterId, limit],
  });
  return rows.map(({ id }) => Number(id));
}

/**
 * Marks what has been in the trash for too long as leaving for good. What is restored meanwhile stays: the condition
 * is checked again under the row's lock.
 *
 * @returns how many were marked, at most `limit`
 */
export async function markTrashErasing(
  db: Queryable,
  userIds: readonly number[],
  { days, limit }: { days: number; limit: number },
): Promise<number> {
  const rows = await db.query({
    name: "mark_trash_erasing",
    text: `
      with due as (
        select user_id, id from conversations
         where user_id = any($1::bigint[]) and not erasing
           and deleted_at < statement_timestamp() - $2 * interval '1 day'
         limit $3
      )
      update conversations as c
         set erasing = true, version = version + 1
        from due
       where c.user_id = due.user_id and c.id = due.id and not c.erasing
         and c.deleted_at < statement_timestamp() - $2 * interval '1 day'
      returning c.id`,
    values: [userIds, days, limit],
  });
  return rows.length;
}

/**
 * The same for conversations that nothing was said in for so long. What is pinned stays, and so does what is pinned or
 * written to meanwhile; what is in the trash leaves by its own time.
 */
export async function markUnusedErasing(
  db: Queryable,
  userIds: readonly number[],
  { days, limit }: { days: number; limit: number },
): Promise<number> {
  const rows = await db.query({
    name: "mark_unused_erasing",
    text: `
      with due as (
        select user_id, id from conversations
         where user_id = any($1::bigint[]) and not erasing and pinned_at is null and deleted_at is null
           -- the index has the day; the time decides
           and updated_day <= ((statement_timestamp() - $2 * interval '1 day') at time zone 'UTC')::date
           and updated_at < statement_timestamp() - $2 * interval '1 day'
         limit $3
      )
      update conversations as c
         set erasing = true, deleted_at = statement_timestamp(), version = version + 1
        from due
       where c.user_id = due.user_id and c.id = due.id and not c.erasing
         and c.pinned_at is null and c.deleted_at is null
         and c.updated_at < statement_timestamp() - $2 * interval '1 day'
      returning c.id`,
    values: [userIds, days, limit],
  });
  return rows.length;
}
