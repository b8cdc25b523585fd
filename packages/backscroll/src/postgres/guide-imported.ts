import type { ConversationRef } from "../domain/conversation.ts";
import { datedHashSql, type Digest, DIGEST_COLUMNS, type DigestRow, toDigest } from "./guide-tables.ts";
import type { Queryable } from "./pool.ts";

/**
 * What was imported from the guide's tables, hashed as `guide-tables.ts` hashes what is there. What an import could not
 * keep as it was is in the message's metadata; what was edited here since counts as what it was.
 */
const HASH = `
  md5(concat_ws('|', coalesce(m.client_id, m.id::text), coalesce(m.metadata #>> '{session_message,role}', m.role),
                replace(coalesce(m.saved_content_md5, md5(m.content)::uuid)::text, '-', ''),
                coalesce(m.metadata #>> '{guide,tokens_used}', m.tokens_used::text, ''),
                coalesce(m.metadata #>> '{guide,latency_ms}', m.latency_ms::text, '')))`;
const AT = `coalesce(m.metadata #>> '{guide,created_at_ms}', round(extract(epoch from m.created_at) * 1000)::bigint::text)`;

/** A conversation that is here already. */
export interface ImportedState {
  readonly title: string;
  readonly isInTrash: boolean;
  /** imported, and nobody kept from which tables */
  readonly isOfUnknownSource: boolean;
  readonly messages: number;
  readonly lastSeq: number;
  /**
   * milliseconds since 1970 when messages may last have been deleted of which nobody knows any more which they were;
   * null: it is known of all that were deleted
   */
  readonly deletedUnknownMs: number | null;
  /** of its newest message, milliseconds since 1970; null: it has none */
  readonly newestMs: number | null;
}

/** @returns in the order asked for; null: not here */
export async function findImportedStates(
  db: Queryable,
  refs: readonly ConversationRef[],
): Promise<readonly (ImportedState | null)[]> {
  const rows = await db.query<{
    place: string;
    title: string;
    in_trash: boolean;
    of_unknown_source: boolean;
    message_count: string;
    last_seq: string;
    newest_ms: string | null;
    deleted_unknown_ms: string | null;
  }>({
    name: "find_imported_states",
    text: `
      select wanted.place, c.title, c.deleted_at is not null as in_trash, c.message_count, c.last_seq,
             c.metadata ? 'guide' and c.metadata #> '{guide,source}' is null as of_unknown_source,
             (select round(extract(epoch from m.created_at) * 1000)::bigint from messages as m
               where m.user_id = c.user_id and m.conversation_id = c.id order by m.seq desc limit 1) as newest_ms,
             -- a deletion moves updated_at, too
             case when exists (select from deleted_messages as d
                                where d.user_id = c.user_id and d.conversation_id = c.id and d.id is null)
                  then round(extract(epoch from c.updated_at) * 1000)::bigint end as deleted_unknown_ms
        from unnest($1::bigint[], $2::uuid[]) with ordinality as wanted (user_id, id, place)
        join conversations as c on c.user_id = wanted.user_id and c.id = wanted.id`,
    values: [refs.map(({ userId }) => userId), refs.map(({ id }) => id)],
  });
  const found = new Map(
    rows.map((row): [number, ImportedState] => [
      Number(row.place) - 1,
      {
        title: row.title,
        isInTrash: row.in_trash,
        isOfUnknownSource: row.of_unknown_source,
        messages: Number(row.message_count),
        lastSeq: Number(row.last_seq),
        newestMs: row.newest_ms === null ? null : Number(row.newest_ms),
        deletedUnknownMs: row.deleted_unknown_ms === null ? null : Number(row.deleted_unknown_ms),
      },
    ]),
  );
  return refs.map((_, place) => found.get(place) ?? null);
}

/** Some of a conversation's messages: those after one seq, up to another. */
export interface SeqRange {
  readonly ref: ConversationRef;
  readonly after: number;
  readonly upTo: number;
}

/** @returns in the order asked for; `isInOrder`: no time runs backwards along seq */
export async function digestImported(
  db: Queryable,
  ranges: readonly SeqRange[],
): Promise<readonly (Digest & { readonly isInOrder: boolean })[]> {
  const rows = await db.query<DigestRow & { in_order: boolean | null }>({
    name: "digest_imported",
    text: `
      select digest.*
        from unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::bigint[]) with ordinality
             as wanted (user_id, id, after, up_to, place)
       cross join lateral (
         select bool_and(in_order) as in_order, ${DIGEST_COLUMNS}
           from (select ${datedHashSql(HASH, AT)} as dated_hash,
                        coalesce(m.created_at >= lag(m.created_at) over (order by m.seq), true) as in_order
                   from messages as m
                  where m.user_id = wanted.user_id and m.conversation_id = wanted.id and m.seq > wanted.after
                    and m.seq <= wanted.up_to) as message) as digest
       order by wanted.place`,
    values: [
      ranges.map(({ ref }) => ref.userId),
      ranges.map(({ ref }) => ref.id),
      ranges.map(({ after }) => after),
      ranges.map(({ upTo }) => upTo),
    ],
  });
  return rows.map((row) => ({ ...toDigest(row), isInOrder: row.in_order ?? true }));
}

/** A message that is here, as far as it has to be what it is in the guide's table. */
export interface ImportedHash {
  readonly hash: string;
  /** milliseconds since 1970 that it had there; another time when it was moved */
  readonly atMs: number;
}

/** @param ids stored ids @returns by stored id */
export async function findImportedHashes(
  db: Queryable,
  at: ConversationRef,
  ids: readonly string[],
): Promise<ReadonlyMap<string, ImportedHash>> {
  const rows = await db.query<{ id: string; hash: string; at: string }>({
    name: "find_imported_hashes",
    text: `
      select m.id, ${HASH} as hash, ${AT} as at
        from unnest($3::uuid[]) as wanted (id)
       cross join lateral (
         -- the order leaves only the index on id, whatever the planner expects of a conversation's length
         select found.* from messages as found
          where found.user_id = $1 and found.conversation_id = $2 and found.id >= wanted.id order by found.id limit 1
       ) as m
       where m.id = wanted.id`,
    values: [at.userId, at.id, ids],
  });
  return new Map(rows.map(({ id, hash, at }) => [id, { hash, atMs: Number(at) }]));
}

/** @param ids stored ids @returns those of them that were deleted here, as far as that was kept */
export async function findDeletedIds(
  db: Queryable,
  at: ConversationRef,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await db.query<{ id: string }>({
    name: "find_deleted_ids",
    text: `
      select distinct id from deleted_messages
       where user_id = $1 and conversation_id = $2 and id = any($3::uuid[])`,
    values: [at.userId, at.id, ids],
  });
  return new Set(rows.map(({ id }) => id));
}

/**
 * Takes a title that was changed in the guide's table, as long as nobody has given another one here.
 *
 * @returns whether it did
 */
export async function updateImportedTitle(db: Queryable, at: ConversationRef, title: string): Promise<boolean> {
  const rows = await db.query({
    name: "update_imported_title",
    text: `
      update conversations set title = $3, title_source = 'generated'
       where user_id = $1 and id = $2 and deleted_at is null and title_source <> 'user' and title <> $3
      returning id`,
    values: [at.userId, at.id, title],
  });
  return rows.length === 1;
}

/** Keeps from which tables a conversation came, where that was not kept when it was imported. */
export async function updateImportedSource(db: Queryable, at: ConversationRef, source: string): Promise<void> {
  await db.query({
    name: "update_imported_source",
    text: `
      update conversations set metadata = jsonb_set(metadata, '{guide,source}', to_jsonb($3::text))
       where user_id = $1 and id = $2 and metadata ? 'guide' and metadata #> '{guide,source}' is null`,
    values: [at.userId, at.id, source],
  });
}

/** @returns conversations that came from these tables and are not in the trash, with the ids that they have there */
export async function listImported(
  db: Queryable,
  { from, after, limit }: { from: string; after: ConversationRef | null; limit: number },
): Promise<readonly { readonly ref: ConversationRef; readonly id: string }[]> {
  const rows = await db.query<{ user_id: string; id: string; guide_id: string }>({
    name: "list_imported",
    text: `
      select user_id, id, coalesce(client_id, id::text) as guide_id from conversations
       where metadata #>> '{guide,source}' = $4 and deleted_at is null and ($1::bigint is null or (user_id, id) > ($1, $2::uuid))
       order by user_id, id limit $3`,
    values: [after?.userId ?? null, after?.id ?? null, limit, from],
  });
  return rows.map((row) => ({ ref: { userId: Number(row.user_id), id: row.id }, id: row.guide_id }));
}
