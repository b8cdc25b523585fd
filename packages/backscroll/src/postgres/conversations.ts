import type { Conversation, ConversationChanges, ConversationRef } from "../domain/conversation.ts";
import { LIMITS } from "../domain/limits.ts";
import type { JsonObject } from "../domain/json.ts";
import type { Queryable } from "./pool.ts";

export interface ConversationRow {
  id: string;
  client_id: string | null;
  title: string;
  message_count: string;
  preview: string | null;
  pinned_at: Date | null;
  archived_at: Date | null;
  deleted_at: Date | null;
  metadata: JsonObject;
  created_at: Date;
  updated_at: Date;
}

/** A conversation together with the id it is stored under. */
export interface StoredConversation {
  readonly ref: ConversationRef;
  readonly conversation: Conversation;
}

export function toStoredConversation(userId: number, row: ConversationRow): StoredConversation {
  return {
    ref: { userId, id: row.id },
    conversation: {
      id: row.client_id ?? row.id,
      title: row.title,
      messageCount: Number(row.message_count),
      lastMessagePreview: row.preview,
      pinned: row.pinned_at !== null,
      archived: row.archived_at !== null,
      metadata: row.metadata,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
      deletedAt: row.deleted_at,
    },
  };
}

/** `c` is a row of conversations. */
export const CONVERSATION_COLUMNS = `
  c.id, c.client_id, c.title, c.message_count, c.pinned_at, c.archived_at, c.deleted_at, c.metadata, c.created_at,
  c.updated_at,
  (select left(m.content, ${LIMITS.previewChars}) from messages as m
    where m.user_id = c.user_id and m.conversation_id = c.id order by m.seq desc limit 1) as preview`;

export interface ConversationToInsert {
  readonly clientId: string | null;
  readonly title: string;
  readonly titleSource: "default" | "user" | "generated";
  readonly metadata: JsonObject;
}

/** @returns null when the user already has a conversation of this id, in the trash too */
export async function insertConversation(
  db: Queryable,
  at: ConversationRef,
  { clientId, title, titleSource, metadata }: ConversationToInsert,
): Promise<StoredConversation | null> {
  const [row] = await db.query<ConversationRow>({
    name: "insert_conversation",
    text: `
      insert into conversations (user_id, id, client_id, title, title_source, metadata)
      values ($1, $2, $3, $4, $5, $6)
      on conflict on constraint conversations_pkey do nothing
      returning id, client_id, title, message_count, pinned_at, archived_at, deleted_at, metadata, created_at,
                updated_at, null as preview`,
    values: [at.userId, at.id, clientId, title, titleSource, JSON.stringify(metadata)],
  });
  return row ? toStoredConversation(at.userId, row) : null;
}

/** @returns null when there is none; one in the trash only when asked for */
export async function findConversation(
  db: Queryable,
  at: ConversationRef,
  { inTrash = false }: { inTrash?: boolean } = {},
): Promise<StoredConversation | null> {
  const [row] = await db.query<ConversationRow>({
    name: "find_conversation",
    text: `
      select ${CONVERSATION_COLUMNS} from conversations as c
       where c.user_id = $1 and c.id = $2 and not c.erasing and (c.deleted_at is null or $3)`,
    values: [at.userId, at.id, inTrash],
  });
  return row ? toStoredConversation(at.userId, row) : null;
}

/** Absent changes change nothing. @returns null when there is none */
export async function updateConversation(
  db: Queryable,
  at: ConversationRef,
  { title, pinned, archived, metadata }: ConversationChanges,
): Promise<StoredConversation | null> {
  const [row] = await db.query<ConversationRow>({
    name: "update_conversation",
    text: `
      update conversations as c
         set title = coalesce($3, title),
             title_source = case when $3::text is null then title_source else 'user' end,
             pinned_at = case when $4::boolean then coalesce(pinned_at, statement_timestamp())
                              when $4 is null then pinned_at end,
             archived_at = case when $5::boolean then coalesce(archived_at, statement_timestamp())
                                when $5 is null then archived_at end,
             metadata = coalesce($6::jsonb, metadata)
       where user_id = $1 and id = $2 and deleted_at is null
      returning ${CONVERSATION_COLUMNS}`,
    values: [
      at.userId,
      at.id,
      title ?? null,
      pinned ?? null,
      archived ?? null,
      metadata === undefined ? null : JSON.stringify(metadata),
    ],
  });
  return row ? toStoredConversation(at.userId, row) : null;
}

/**
 * Names a conversation that nobody has named: `title_source` decides, so that a title given meanwhile stays.
 *
 * @returns its id as its author wrote it; null when it has a title already, or there is none
 */
export async function updateDefaultTitle(db: Queryable, at: ConversationRef, title: string): Promise<string | null> {
  const [row] = await db.query<{ id: string }>({
    name: "update_default_title",
    text: `
      update conversations set title = $3, title_source = 'generated'
       where user_id = $1 and id = $2 and deleted_at is null and title_source = 'default'
      returning coalesce(client_id, id::text) as id`,
    values: [at.userId, at.id, title],
  });
  return row?.id ?? null;
}

/** Into the trash: invisible from now on. @returns false when there is none */
export async function trashConversation(db: Queryable, at: ConversationRef): Promise<boolean> {
  const rows = await db.query({
    name: "trash_conversation",
    text: `
      update conversations set deleted_at = statement_timestamp(), version = version + 1
       where user_id = $1 and id = $2 and deleted_at is null
      returning version`,
    values: [at.userId, at.id],
  });
  return rows.length === 1;
}

/** Out of the trash. @returns null when it is not there, or has been there for too long */
export async function restoreConversation(db: Queryable, at: ConversationRef): Promise<StoredConversation | null> {
  const [row] = await db.query<ConversationRow>({
    name: "restore_conversation",
    text: `
      update conversations as c set deleted_at = null, version = version + 1
       where user_id = $1 and id = $2 and not erasing
         and deleted_at > statement_timestamp() - make_interval(days => ${LIMITS.trashDays})
      returning ${CONVERSATION_COLUMNS}`,
    values: [at.userId, at.id],
  });
  return row ? toStoredConversation(at.userId, row) : null;
}

/** @returns the version of its messages; null when there is no such conversation, or it is in the trash */
export async function findVersion(db: Queryable, at: ConversationRef): Promise<number | null> {
  const [row] = await db.query<{ version: string }>({
    name: "find_version",
    text: "select version from conversations where user_id = $1 and id = $2 and deleted_at is null",
    values: [at.userId, at.id],
  });
  return row ? Number(row.version) : null;
}
