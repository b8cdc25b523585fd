import type { ConversationRef } from "../domain/conversation.ts";
import type { MessageJson } from "../domain/message.ts";
import { messageJson } from "./message-json.ts";
import type { Queryable } from "./pool.ts";

export interface MessageEdit {
  readonly content: string;
  /** edit only this version of the message; null: whatever it is */
  readonly expectedVersion: number | null;
}

/**
 * Replaces a message's text, and moves the message and its conversation to their next versions.
 * The conversation's row is locked first, as an append does it.
 *
 * @param messageId the stored id
 * @returns what the message is now; `message: null` when nothing was edited, then `found` says whether it is there
 * (with another version than expected); `version` is the conversation's; null when there is no such conversation
 */
export async function updateMessage(
  db: Queryable,
  at: ConversationRef,
  messageId: string,
  { content, expectedVersion }: MessageEdit,
): Promise<{ message: MessageJson | null; found: boolean; version: number } | null> {
  const [row] = await db.query<{ found: boolean; json: MessageJson | null; version: string }>({
    name: "update_message",
    text: `
      with conversation as (
        select user_id, id, client_id, version from conversations
         where user_id = $1 and id = $2 and deleted_at is null for no key update
      ), edited as (
        update messages as m
           set content = $4, version = m.version + 1, edited_at = greatest(m.created_at, statement_timestamp()),
               saved_content_md5 = coalesce(m.saved_content_md5, md5(m.content)::uuid)
          from conversation as c
         where m.user_id = $1 and m.conversation_id = $2 and m.id = $3 and m.user_id = c.user_id
           and m.conversation_id = c.id and m.version = coalesce($5, m.version)
        returning m.*
      ), moved as (
        update conversations
           set version = version + 1, updated_at = greatest(updated_at, statement_timestamp())
         where user_id = $1 and id = $2 and exists (select from edited)
        returning version
      )
      select exists (select from messages where user_id = $1 and conversation_id = $2 and id = $3) as found,
             (select (${messageJson("edited", "c")})::text from edited) as json,
             coalesce((select version from moved), c.version) as version
        from conversation as c`,
    values: [at.userId, at.id, messageId, content, expectedVersion],
  });
  return row ? { message: row.json, found: row.found, version: Number(row.version) } : null;
}

/**
 * Deletes one message; its seq stays taken. Its tokens were used all the same: when the daily usage does not
 * hold them yet (see `usage.ts`), they are added here.
 *
 * @param messageId the stored id
 * @returns whether there was such a message, and the conversation's version; null when there is no such conversation
 */
export async function deleteMessage(
  db: Queryable,
  at: ConversationRef,
  messageId: string,
): Promise<{ deleted: boolean; version: number } | null> {
  const [row] = await db.query<{ deleted: boolean; version: string }>({
    name: "delete_message",
    text: `
      with conversation as (
        select user_id, id, usage_seq, version from conversations
         where user_id = $1 and id = $2 and deleted_at is null for no key update
      ), gone as (
        delete from messages as m using conversation as c
         where m.user_id = $1 and m.conversation_id = $2 and m.id = $3 and m.user_id = c.user_id
           and m.conversation_id = c.id
        returning m.seq, m.id, m.created_at, m.role, m.model, m.tokens_used
      ), counted as (
        insert into usage_daily as usage (user_id, day, role, model, messages, tokens_used)
        select $1, (created_at at time zone 'UTC')::date, role, coalesce(model, ''), 1, coalesce(tokens_used, 0)
          from gone, conversation where gone.seq > conversation.usage_seq
        on conflict on constraint usage_daily_pkey do update
           set messages = usage.messages + excluded.messages, tokens_used = usage.tokens_used + excluded.tokens_used
      ), remembered as (
        insert into deleted_messages (user_id, conversation_id, seq, id) select $1, $2, seq, id from gone
      ), moved as (
        update conversations
           set version = version + 1, message_count = message_count - 1,
               updated_at = greatest(updated_at, statement_timestamp())
         where user_id = $1 and id = $2 and exists (select from gone)
        returning version
      )
      select exists (select from gone) as deleted,
             coalesce((select version from moved), conversation.version) as version
        from conversation`,
    values: [at.userId, at.id, messageId],
  });
  return row ? { deleted: row.deleted, version: Number(row.version) } : null;
}
