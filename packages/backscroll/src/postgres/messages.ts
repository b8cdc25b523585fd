import type { ConversationRef } from "../domain/conversation.ts";
import type { MessageField, MessageJson } from "../domain/message.ts";
import { messageJson } from "./message-json.ts";
import type { Queryable } from "./pool.ts";

/** Some messages of a conversation, with its state in the same snapshot. */
export interface MessageWindow {
  readonly version: number;
  readonly lastSeq: number;
  readonly messageCount: number;
  /** how long ago the conversation last changed, by PostgreSQL's clock */
  readonly idleMs: number;
  readonly messages: readonly SeqMessage[];
}

export interface SeqMessage {
  readonly seq: number;
  readonly json: MessageJson;
}

export interface WindowBounds {
  /** only messages with a higher seq */
  readonly afterSeq: number;
  /** only messages with a lower seq; null: up to the newest */
  readonly beforeSeq: number | null;
  /** messages at most, 1 or more */
  readonly limit: number;
  /** only these fields of each message; null: all of them */
  readonly fields?: readonly MessageField[] | null;
}

export const WHOLE = { afterSeq: 0, beforeSeq: null } as const;

interface MessageRow {
  version: string;
  message_count: string;
  seq: string | null;
  json: MessageJson | null;
}

interface WindowRow extends MessageRow {
  last_seq: string;
  idle_ms: string;
}

/** Inner part of both windows; `$1` user, `$2` conversation, `$3` after, `$4` before, `$5` limit. */
function windowSql(direction: "asc" | "desc", json: string): string {
  return `
    select c.version, c.last_seq, c.message_count, m.seq, (${json})::text as json,
           (date_part('epoch', statement_timestamp() - c.updated_at) * 1000)::bigint as idle_ms
      from conversations as c
      left join lateral (
        select * from messages
         where user_id = $1 and conversation_id = $2
           and seq > $3 and seq < coalesce($4::bigint, 9223372036854775807)
         order by seq ${direction} limit $5
      ) as m on true
     where c.user_id = $1 and c.id = $2 and c.deleted_at is null
     order by m.seq ${direction}`;
}

const JSON_OF_ROW = `case when m.seq is not null then ${messageJson("m", "c")} end`;
/** The fields named in `$6`, in their usual order, picked by PostgreSQL so that the rest never travels. */
const JSON_OF_FIELDS = `
  (select coalesce(json_object_agg(field.key, field.value), '{}') from json_each(${JSON_OF_ROW}) as field where m.seq is not null and field.key = any($6))`;

const NEWEST_FIRST = windowSql("desc", JSON_OF_ROW);
const OLDEST_FIRST = windowSql("asc", JSON_OF_ROW);
const NEWEST_FIRST_FIELDS = windowSql("desc", JSON_OF_FIELDS);
const OLDEST_FIRST_FIELDS = windowSql("asc", JSON_OF_FIELDS);

/** @returns the newest messages within the bounds, newest first; null when this user has no such conversation */
export function listNewestMessages(
  db: Queryable,
  at: ConversationRef,
  bounds: WindowBounds,
): Promise<MessageWindow | null> {
  return bounds.fields
    ? listWindow(db, "list_newest_messages_fields", NEWEST_FIRST_FIELDS, at, bounds)
    : listWindow(db, "list_newest_messages", NEWEST_FIRST, at, bounds);
}

/** @returns the oldest messages within the bounds, oldest first; null when this user has no such conversation */
export function listOldestMessages(
  db: Queryable,
  at: ConversationRef,
  bounds: WindowBounds,
): Promise<MessageWindow | null> {
  return bounds.fields
    ? listWindow(db, "list_oldest_messages_fields", OLDEST_FIRST_FIELDS, at, bounds)
    : listWindow(db, "list_oldest_messages", OLDEST_FIRST, at, bounds);
}

async function listWindow(
  db: Queryable,
  name: string,
  text: string,
  at: ConversationRef,
  { afterSeq, beforeSeq, limit, fields }: WindowBounds,
): Promise<MessageWindow | null> {
  const values: unknown[] = [at.userId, at.id, afterSeq, beforeSeq, limit];
  if (fields) values.push(fields);
  const rows = await db.query<WindowRow>({ name, text, values });
  const [first] = rows;
  if (!first) return null;
  const messages: SeqMessage[] = [];
  for (const { seq, json } of rows) if (seq !== null && json !== null) messages.push({ seq: Number(seq), json });
  return {
    version: Number(first.version),
    lastSeq: Number(first.last_seq),
    messageCount: Number(first.message_count),
    // The clock may have been set back.
    idleMs: Math.max(0, Number(first.idle_ms)),
    messages,
  };
}

/**
 * Where a time lies between the messages, by binary search along `seq`: `created_at` never runs backwards along
 * it, so the primary key is index enough, and an append has one less to write. At a million messages some 20
 * probes.
 *
 * @returns the seq of the last message created before it (0: none), and the next seq after that
 */
export async function findSeqAtTime(
  db: Queryable,
  at: ConversationRef,
  time: Date,
): Promise<{ lastBefore: number; firstFrom: number }> {
  const [row] = await db.query<{ low: string; high: string }>({
    name: "find_seq_at_time",
    text: `
      with recursive search as (
        -- every message up to low is older than the time, every one from high on is not
        select 0::bigint as low, last_seq + 1 as high from conversations where user_id = $1 and id = $2
        union all
        select case when probe.created_at < $3 then probe.seq else low end,
               case when probe.created_at < $3 then high else middle end
          from search
         cross join lateral (select (low + high) / 2 as middle) as half
          left join lateral (
            select seq, created_at from messages
             where user_id = $1 and conversation_id = $2 and seq >= middle and seq < high
             order by seq limit 1) as probe on true
         where high - low > 1
      )
      select low, high from search where high - low <= 1`,
    values: [at.userId, at.id, time],
  });
  return { lastBefore: Number(row?.low ?? 0), firstFrom: Number(row?.high ?? 1) };
}

/**
 * The seq of the nth message, for reading page N as a range. Without deletions it is n. With them it is n plus the
 * deleted ones before it: those i-th deleted seqs `s` below which fewer than n messages are left (`s - i < n`). All
 * of them are below n plus the number of deleted ones, so the beginning of a conversation reads few.
 *
 * @param n 1 or more
 * @param deleted how many were deleted from the conversation
 */
export async function findSeqOfNth(
  db: Queryable,
  at: ConversationRef,
  { n, deleted }: { n: number; deleted: number },
): Promise<number> {
  const [row] = await db.query<{ deleted_before: string }>({
    name: "find_seq_of_nth",
    text: `
      select count(*) as deleted_before
        from (select seq - row_number() over (order by seq) as left_below
                from deleted_messages
               where user_id = $1 and conversation_id = $2 and seq < $3::bigint + $4::bigint) as deleted
       where left_below < $3::bigint`,
    values: [at.userId, at.id, n, deleted],
  });
  return n + Number(row?.deleted_before ?? 0);
}

/** @returns how many messages lie in the range: its width less the deleted ones in it */
export async function countMessages(
  db: Queryable,
  at: ConversationRef,
  { firstSeq, lastSeq }: { firstSeq: number; lastSeq: number },
): Promise<number> {
  const [row] = await db.query<{ deleted: string }>({
    name: "count_deleted_messages",
    text: `
      select count(*) as deleted from deleted_messages
       where user_id = $1 and conversation_id = $2 and seq between $3 and $4`,
    values: [at.userId, at.id, firstSeq, lastSeq],
  });
  return Math.max(0, lastSeq - firstSeq + 1 - Number(row?.deleted ?? 0));
}

/** A stored message as a retry of its save must match it. */
export interface SavedMessage extends SeqMessage {
  readonly id: string;
  /** MD5 of the content as it was first saved, in hex */
  readonly savedContentMd5: string;
}

/**
 * @param ids stored ids
 * @returns those of them that are there, with the conversation's version; null when there is no such conversation
 */
export async function findMessages(
  db: Queryable,
  at: ConversationRef,
  ids: readonly string[],
): Promise<{ version: number; messageCount: number; messages: readonly SavedMessage[] } | null> {
  const rows = await db.query<MessageRow & { id: string; saved_content_md5: string | null }>({
    name: "find_messages",
    text: `
      select c.version, c.message_count, m.seq, m.id, (${JSON_OF_ROW})::text as json,
             replace(coalesce(m.saved_content_md5, md5(m.content)::uuid)::text, '-', '') as saved_content_md5
        from conversations as c
        left join lateral (
          -- the order leaves only the index on id, whatever the planner expects of a conversation's length
          select found.* from unnest($3::uuid[]) as wanted (id)
           cross join lateral (
             select * from messages where user_id = $1 and conversation_id = $2 and id >= wanted.id order by id limit 1
           ) as found
           where found.id = wanted.id
        ) as m on true
       where c.user_id = $1 and c.id = $2 and c.deleted_at is null`,
    values: [at.userId, at.id, ids],
  });
  const [first] = rows;
  if (!first) return null;
  const messages: SavedMessage[] = [];
  for (const { seq, json, id, saved_content_md5: md5 } of rows) {
    if (seq !== null && json !== null) messages.push({ id, seq: Number(seq), json, savedContentMd5: md5 ?? "" });
  }
  return { version: Number(first.version), messageCount: Number(first.message_count), messages };
}

/** @returns the seq of the newest message ever saved, of a conversation in the trash too; null when there is none */
export async function findLastSeq(db: Queryable, at: ConversationRef): Promise<number | null> {
  const [row] = await db.query<{ last_seq: string }>({
    name: "find_last_seq",
    text: "select last_seq from conversations where user_id = $1 and id = $2 and not erasing",
    values: [at.userId, at.id],
  });
  return row ? Number(row.last_seq) : null;
}

/**
 * The next messages for somebody who reads the whole conversation: as many as fit the bytes, one at least.
 *
 * @param bytesMax of content and parts; a batch of megabyte messages stays as small as one of short ones
 * @returns oldest first; empty at the end
 */
export async function listMessagesToExport(
  db: Queryable,
  at: ConversationRef,
  { afterSeq, upToSeq, bytesMax }: { afterSeq: number; upToSeq: number; bytesMax: number },
): Promise<readonly SeqMessage[]> {
  const rows = await db.query<{ seq: string; json: MessageJson }>({
    name: "list_messages_to_export",
    text: `
      with c as materialized (select client_id from conversations where user_id = $1 and id = $2)
      select m.seq, (${messageJson("m", "c")})::text as json
        from c, (
          select *, sum(bytes) over (order by seq) - bytes as bytes_before
            from (select *, octet_length(content) + coalesce(octet_length(parts::text), 0) as bytes
                    from (
                      -- as stored first, which reads no parts: of a thousand large ones only those are that are wanted
                      select *, sum(stored) over (order by seq) - stored as stored_before
                        from (select *, octet_length(content) + coalesce(pg_column_size(parts), 0) as stored
                                from messages
                               where user_id = $1 and conversation_id = $2 and seq > $3 and seq <= $4
                               order by seq limit 1000) as next
                    ) as few
                   where stored_before < $5) as measured
        ) as m
       where bytes_before < $5
       order by m.seq`,
    values: [at.userId, at.id, afterSeq, upToSeq, bytesMax],
  });
  return rows.map(({ seq, json }) => ({ seq: Number(seq), json }));
}
