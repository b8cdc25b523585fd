import type { ConversationRef } from "../domain/conversation.ts";
import type { JsonObject } from "../domain/json.ts";
import type { SessionRef } from "../domain/session.ts";
import type { Queryable } from "./pool.ts";

/** Where a session's messages go. */
export interface ImportTarget {
  /** null: there is no session of this id; one that has expired may be found */
  readonly session: {
    readonly version: number;
    readonly context: JsonObject;
    readonly hasExpired: boolean;
    /** stored id */
    readonly conversationId: string;
  } | null;
  /** null: there is none yet */
  readonly conversation: ConversationTarget | null;
}

interface ConversationTarget extends ImportPlace {
  readonly id: string;
  readonly inTrash: boolean;
  /** what its metadata has under the key that was asked for */
  readonly record: unknown;
}

/** The state of a conversation; it has another version after every change. */
export interface ImportPlace {
  readonly version: number;
  readonly lastSeq: number;
}

interface TargetRow {
  session_version: string | null;
  context: JsonObject;
  has_expired: boolean;
  session_conversation_id: string;
  id: string | null;
  version: string;
  last_seq: string;
  in_trash: boolean;
  record: unknown;
}

/**
 * @param instead stored id of the conversation that is asked for; null: the session's own
 * @param otherwise stored id of the one for a session that has none
 * @param recordKey of the conversation's metadata
 */
export async function findImportTarget(
  db: Queryable,
  { userId, sessionId }: SessionRef,
  { instead, otherwise, recordKey }: { instead: string | null; otherwise: string; recordKey: string },
): Promise<ImportTarget> {
  const [row] = await db.query<TargetRow>({
    name: "find_import_target",
    text: `
      select s.version as session_version, s.context, s.conversation_id as session_conversation_id,
             s.expires_at <= statement_timestamp() as has_expired,
             c.id, c.version, c.last_seq, c.deleted_at is not null as in_trash, c.metadata -> $5 as record
        from (values ($1::bigint, $2::text)) as wanted (user_id, session_id)
        left join sessions as s on s.user_id = wanted.user_id and s.session_id = wanted.session_id
        left join conversations as c
               on c.user_id = wanted.user_id and c.id = coalesce($3::uuid, s.conversation_id, $4::uuid)`,
    values: [userId, sessionId, instead, otherwise, recordKey],
  });
  return {
    session:
      row && row.session_version !== null
        ? {
            version: Number(row.session_version),
            context: row.context,
            hasExpired: row.has_expired,
            conversationId: row.session_conversation_id,
          }
        : null,
    conversation:
      row && row.id !== null
        ? {
            id: row.id,
            version: Number(row.version),
            lastSeq: Number(row.last_seq),
            inTrash: row.in_trash,
            record: row.record,
          }
        : null,
  };
}

export interface ConversationToImport {
  readonly title: string;
  readonly titleSource: "default" | "generated";
  readonly metadata: JsonObject;
  /** now, when it is later */
  readonly createdAt: Date;
}

/** @returns null when the user has a conversation of this id */
export async function insertSessionConversation(
  db: Queryable,
  at: ConversationRef,
  { title, titleSource, metadata, createdAt }: ConversationToImport,
): Promise<ImportPlace | null> {
  const [row] = await db.query<{ version: string }>({
    name: "insert_session_conversation",
    text: `
      insert into conversations (user_id, id, title, title_source, metadata, created_at, updated_at)
      select $1, $2, $3, $4, $5, at, at from (select least($6, statement_timestamp()) as at) as created
      on conflict on constraint conversations_pkey do nothing
      returning version`,
    values: [at.userId, at.id, title, titleSource, JSON.stringify(metadata), createdAt],
  });
  return row ? { version: Number(row.version), lastSeq: 0 } : null;
}

/**
 * Locks a conversation until the transaction ends.
 *
 * @param sessionId null: of whatever session it is
 * @returns null when it is not there any more, or not this session's
 */
export async function lockImportPlace(
  db: Queryable,
  at: ConversationRef,
  sessionId: string | null,
): Promise<ImportPlace | null> {
  const [row] = await db.query<{ version: string; last_seq: string }>({
    name: "lock_import_place",
    text: `
      select version, last_seq from conversations as c
       where user_id = $1 and id = $2 and deleted_at is null
         and ($3::text is null
              or exists (select from sessions where user_id = $1 and session_id = $3 and conversation_id = c.id))
         for no key update of c`,
    values: [at.userId, at.id, sessionId],
  });
  return row ? { version: Number(row.version), lastSeq: Number(row.last_seq) } : null;
}

/** Sets keys of a locked conversation's metadata; others stay. */
export async function mergeMetadata(db: Queryable, at: ConversationRef, metadata: JsonObject): Promise<void> {
  await db.query({
    name: "merge_metadata",
    text: "update conversations set metadata = metadata || $3::jsonb where user_id = $1 and id = $2",
    values: [at.userId, at.id, JSON.stringify(metadata)],
  });
}

/** Locks a session until the transaction ends. @returns false: it is not as it was seen */
export async function lockSession(
  db: Queryable,
  { userId, sessionId }: SessionRef,
  seenVersion: number,
): Promise<boolean> {
  const rows = await db.query({
    name: "lock_session",
    text: "select 1 from sessions where user_id = $1 and session_id = $2 and version = $3 for no key update",
    values: [userId, sessionId, seenVersion],
  });
  return rows.length === 1;
}

export interface ImportedSession {
  /** stored id */
  readonly conversationId: string;
  readonly context: JsonObject;
  /** now, when it is later */
  readonly createdAt: Date;
  /** the session's version as it was seen; null: there was none */
  readonly seenVersion: number | null;
  readonly days: number;
}

/** Begins a session, or begins it anew. @returns false: it is not as it was seen */
export async function putImportedSession(
  db: Queryable,
  { userId, sessionId, id }: SessionRef,
  { conversationId, context, createdAt, seenVersion, days }: ImportedSession,
): Promise<boolean> {
  const rows = await db.query({
    name: "put_imported_session",
    text: `
      insert into sessions as old (user_id, session_id, id, conversation_id, context, created_at, expires_at)
      values ($1, $2, $3, $4, $5, least($6, statement_timestamp()), statement_timestamp() + make_interval(days => $8))
      on conflict on constraint sessions_pkey do update
         set conversation_id = excluded.conversation_id, context = excluded.context, version = old.version + 1,
             created_at = excluded.created_at, updated_at = excluded.updated_at, expires_at = excluded.expires_at
       where old.version = $7
      returning version`,
    values: [userId, sessionId, id, conversationId, JSON.stringify(context), createdAt, seenVersion, days],
  });
  return rows.length === 1;
}
