import type { ConversationCursor } from "../domain/cursor.ts";
import { LIMITS } from "../domain/limits.ts";
import {
  CONVERSATION_COLUMNS,
  type ConversationRow,
  type StoredConversation,
  toStoredConversation,
} from "./conversations.ts";
import type { Queryable } from "./pool.ts";

export interface ConversationFilter {
  /** true: only archived ones; false: only the others */
  readonly archived: boolean;
  /** part of the title, in any case; null: all */
  readonly titlePart: string | null;
}

export interface ConversationSlice {
  /** only what comes after it; null: from the first */
  readonly after: ConversationCursor | null;
  readonly offset: number;
  readonly limit: number;
}

const MATCHES = `
  deleted_at is null and (archived_at is not null) = $2 and ($3::text is null or title ilike $3)`;

/**
 * Pinned ones first, each part by newest activity. The rest is read along (user_id, updated_day), sorted day by
 * day: an index on updated_at itself would be touched by every append (see ARCHITECTURE.md). The
 * offset is bounded by one person's conversations: 9 ms for the last of 5,000.
 */
export async function listConversations(
  db: Queryable,
  userId: number,
  { archived, titlePart }: ConversationFilter,
  { after, offset, limit }: ConversationSlice,
): Promise<readonly StoredConversation[]> {
  const rows = await db.query<ConversationRow>({
    name: "list_conversations",
    text: `
      select ${CONVERSATION_COLUMNS}
        from (
          select * from (
            (select * from conversations
              where user_id = $1 and pinned_at is not null and ${MATCHES}
                and ($4::boolean is null or ($4 and (updated_at, id) < ($5::timestamptz, $6::uuid)))
              order by updated_at desc, id desc limit $7::bigint + $8::bigint)
            union all
            (select * from conversations
              where user_id = $1 and pinned_at is null and ${MATCHES}
                and updated_day <= case when $4 then 'infinity'
                                        else coalesce(($5::timestamptz at time zone 'UTC')::date, 'infinity') end
                and ($4 is null or $4 or (updated_at, id) < ($5, $6))
              order by updated_day desc, updated_at desc, id desc limit $7::bigint + $8::bigint)
          ) as both_parts
          order by pinned_at is null, updated_at desc, id desc
          limit $7 offset $8
        ) as c
       order by c.pinned_at is null, c.updated_at desc, c.id desc`,
    values: [
      userId,
      archived,
      titlePattern(titlePart),
      after?.pinned ?? null,
      after?.updatedAt ?? null,
      after?.id ?? null,
      limit,
      offset,
    ],
  });
  return rows.map((row) => toStoredConversation(userId, row));
}

export async function countConversations(
  db: Queryable,
  userId: number,
  { archived, titlePart }: ConversationFilter,
): Promise<number> {
  const [row] = await db.query<{ count: string }>({
    name: "count_conversations",
    text: `select count(*) from conversations where user_id = $1 and ${MATCHES}`,
    values: [userId, archived, titlePattern(titlePart)],
  });
  return Number(row?.count ?? 0);
}

/**
 * In the order of their ids, which nothing changes: for somebody who reads all of them while others write.
 *
 * @param afterId the stored id of the last one read
 * @param withTrash what is in the trash too
 */
export async function listConversationsToExport(
  db: Queryable,
  userId: number,
  { afterId, limit, withTrash }: { afterId: string | null; limit: number; withTrash: boolean },
): Promise<readonly StoredConversation[]> {
  const rows = await db.query<ConversationRow>({
    name: "list_conversations_to_export",
    text: `
      select ${CONVERSATION_COLUMNS} from conversations as c
       where c.user_id = $1 and not c.erasing and ($4 or c.deleted_at is null) and ($2::uuid is null or c.id > $2)
       order by c.id limit $3`,
    values: [userId, afterId, limit, withTrash],
  });
  return rows.map((row) => toStoredConversation(userId, row));
}

/** @returns the trash, last deleted first, without what has been there for too long */
export async function listTrash(
  db: Queryable,
  userId: number,
  { offset, limit }: { offset: number; limit: number },
): Promise<readonly StoredConversation[]> {
  const rows = await db.query<ConversationRow>({
    name: "list_trash",
    text: `
      select ${CONVERSATION_COLUMNS}
        from (
          select * from conversations
           where user_id = $1 and not erasing
             and deleted_at > statement_timestamp() - make_interval(days => ${LIMITS.trashDays})
           order by deleted_at desc, id desc limit $2 offset $3
        ) as c
       order by c.deleted_at desc, c.id desc`,
    values: [userId, limit, offset],
  });
  return rows.map((row) => toStoredConversation(userId, row));
}

export async function countTrash(db: Queryable, userId: number): Promise<number> {
  const [row] = await db.query<{ count: string }>({
    name: "count_trash",
    text: `
      select count(*) from conversations
       where user_id = $1 and not erasing
         and deleted_at > statement_timestamp() - make_interval(days => ${LIMITS.trashDays})`,
    values: [userId],
  });
  return Number(row?.count ?? 0);
}

function titlePattern(part: string | null): string | null {
  return part === null ? null : `%${part.replaceAll(/[\\%_]/g, "\\$&")}%`;
}
