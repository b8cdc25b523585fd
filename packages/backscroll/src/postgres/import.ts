import type { ConversationRef } from "../domain/conversation.ts";
import { toStoredId } from "../domain/ids.ts";
import type { JsonObject } from "../domain/json.ts";
import type { NewMessage } from "../domain/message.ts";
import { type Database, type Queryable, violates } from "./pool.ts";

export interface ImportedConversation {
  readonly clientId: string | null;
  readonly title: string;
  readonly metadata: JsonObject;
  readonly pinned: boolean;
  readonly archived: boolean;
  readonly createdAt: Date;
}

/** @returns false when the user already has a conversation of this id */
export async function insertImportedConversation(
  db: Queryable,
  at: ConversationRef,
  conversation: ImportedConversation,
): Promise<boolean> {
  const rows = await db.query({
    name: "insert_imported_conversation",
    text: `
      insert into conversations
        (user_id, id, client_id, title, title_source, metadata, pinned_at, archived_at, created_at, updated_at)
      values ($1, $2, $3, $4, 'user', $5, case when $6 then $8::timestamptz end, case when $7 then $8::timestamptz end,
              $8, $8)
      on conflict on constraint conversations_pkey do nothing
      returning id`,
    values: [
      at.userId,
      at.id,
      conversation.clientId,
      conversation.title,
      JSON.stringify(conversation.metadata),
      conversation.pinned,
      conversation.archived,
      conversation.createdAt,
    ],
  });
  return rows.length === 1;
}

/** A message with its history: what an export says of it. */
export interface ImportedMessage extends NewMessage {
  readonly id: string;
  readonly version: number;
  readonly createdAt: Date;
  readonly editedAt: Date | null;
}

/**
 * Appends messages with the times they had; a time before its predecessor's is moved up to it, so that times
 * never run backwards along `seq`.
 *
 * @param messages 1 to 500
 * @returns `duplicate_id`: nothing was stored, since at least one of the ids is there already
 */
export async function insertImportedMessages(
  db: Database,
  at: ConversationRef,
  messages: readonly ImportedMessage[],
): Promise<"stored" | "conversation_not_found" | "duplicate_id"> {
  try {
    return await db.transaction(async (transaction) => {
      // A statement of its own: the next one's snapshot then holds what was saved while this one waited.
      await transaction.query({
        name: "lock_conversation",
        text: "select from conversations where user_id = $1 and id = $2 for no key update",
        values: [at.userId, at.id],
      });
      const isThere = await insertIntoLocked(transaction, at, messages);
      return isThere ? "stored" : "conversation_not_found";
    });
  } catch (error) {
    if (isDuplicateId(error)) return "duplicate_id";
    throw error;
  }
}

/**
 * The same in a transaction that has locked the conversation.
 *
 * @returns false when it is not there
 * @throws what `isDuplicateId` knows
 */
export async function insertIntoLocked(
  transaction: Queryable,
  at: ConversationRef,
  messages: readonly ImportedMessage[],
): Promise<boolean> {
  const rows = await transaction.query({
    name: "insert_imported_messages",
    text: INSERT,
    values: [at.userId, at.id, messages.length, JSON.stringify(messages.map((message) => toItem(at.userId, message)))],
  });
  return rows.length > 0;
}

/** @returns whether a statement failed because a message's id is there already */
export function isDuplicateId(error: unknown): boolean {
  return violates(error, "messages_id_key");
}

const INSERT = `
  with item as materialized (
    select item.*, least(max(item.created_at) over (order by ord), statement_timestamp()) as at
      from rows from (json_to_recordset($4::json) as (
             id uuid, client_id text, role text, content text, parts json, status text, model text,
             tokens_used integer, latency_ms integer, metadata jsonb, version integer,
             created_at timestamptz, edited_at timestamptz)) with ordinality
             as item (id, client_id, role, content, parts, status, model, tokens_used, latency_ms, metadata,
                      version, created_at, edited_at, ord)
  ), head as (
    update conversations
       set version = version + 1, last_seq = last_seq + $3, message_count = message_count + $3,
           updated_at = greatest(updated_at, (select max(at) from item))
     where user_id = $1 and id = $2 and deleted_at is null
    returning user_id, id, last_seq - $3 as seq_before
  ), newest as (
    select max(created_at) as at
      from (select created_at from messages where user_id = $1 and conversation_id = $2 order by seq desc limit 1) as last
  ), stored as (
    insert into messages (user_id, conversation_id, seq, id, client_id, role, content, parts, status, model,
                          tokens_used, latency_ms, metadata, version, created_at, edited_at)
    select head.user_id, head.id, seq_before + item.ord, item.id, item.client_id, role, content, parts,
           coalesce(status, 'complete'), model, tokens_used, latency_ms, item.metadata, item.version,
           greatest(newest.at, item.at), edited_at
      from head, newest, item
    returning seq
  )
  select seq from stored`;

function toItem(userId: number, message: ImportedMessage): Record<string, unknown> {
  const { id, clientId } = toStoredId(userId, message.id);
  return {
    ...message,
    id,
    client_id: clientId,
    tokens_used: message.tokensUsed,
    latency_ms: message.latencyMs,
    created_at: message.createdAt,
    edited_at: message.editedAt,
  };
}
