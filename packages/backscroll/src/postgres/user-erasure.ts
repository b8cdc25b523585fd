import type { ConversationRef } from "../domain/conversation.ts";
import type { Identity } from "../domain/user.ts";
import type { Queryable } from "./pool.ts";

/** @returns who it is, their row locked: nothing new can refer to it; null when there is no such user */
export async function lockUser(
  db: Queryable,
  userId: number,
): Promise<(Identity & { readonly isErasing: boolean }) | null> {
  const [row] = await db.query<Identity & { is_erasing: boolean }>({
    name: "lock_user",
    text: "select issuer, subject, email, erasing_at is not null as is_erasing from users where id = $1 for update",
    values: [userId],
  });
  if (!row) return null;
  const { is_erasing: isErasing, ...identity } = row;
  return { ...identity, isErasing };
}

/** Nobody is this person any more; and, again and again, that somebody is erasing them. */
export async function markUserErasing(db: Queryable, userId: number): Promise<void> {
  await db.query({
    name: "mark_user_erasing",
    text: "update users set erasing_at = statement_timestamp() where id = $1",
    values: [userId],
  });
}

/** From now on credentials from before are refused. */
export async function insertErasure(db: Queryable, identityHmac: Buffer): Promise<void> {
  await db.query({
    name: "insert_erasure",
    text: `
      insert into erased_users (identity_hmac) values ($1)
      on conflict on constraint erased_users_pkey do update set erased_at = excluded.erased_at`,
    values: [identityHmac],
  });
}

/** Deletes a user's keys, and their logins, those made with the keys among them. */
export async function deleteCredentials(db: Queryable, userId: number): Promise<void> {
  await db.query({ name: "delete_user_logins", text: "delete from logins where user_id = $1", values: [userId] });
  await db.query({ name: "delete_user_api_keys", text: "delete from api_keys where user_id = $1", values: [userId] });
}

/** @returns what a user has, the trash included; what is leaving for good is not counted */
export async function countHistory(
  db: Queryable,
  userId: number,
): Promise<{ readonly conversations: number; readonly messages: number }> {
  const [row] = await db.query<{ conversations: string; messages: string }>({
    name: "count_history",
    text: `
      select count(*) as conversations, coalesce(sum(message_count), 0) as messages
        from conversations where user_id = $1 and not erasing`,
    values: [userId],
  });
  return { conversations: Number(row?.conversations ?? 0), messages: Number(row?.messages ?? 0) };
}

/** No id is less. */
export const FIRST_ID = "00000000-0000-0000-0000-000000000000";

/**
 * Marks the next of a user's conversations, in the order of their ids, as leaving for good; marked ones are among them.
 *
 * @param from the first id that may be there
 * @returns their ids, at most `limit`
 */
export async function markAllErasing(
  db: Queryable,
  userId: number,
  { from, limit }: { from: string; limit: number },
): Promise<readonly string[]> {
  const rows = await db.query<{ id: string }>({
    name: "mark_all_erasing",
    text: `
      with next as materialized (
        -- in the order in which whoever locks many of them does
        select id from conversations where user_id = $1 and id >= $2 order by id limit $3 for update
      )
      update conversations
         set erasing = true, deleted_at = coalesce(deleted_at, statement_timestamp()), version = version + 1
       where user_id = $1 and id in (select id from next)
      returning id`,
    values: [userId, from, limit],
  });
  return rows.map(({ id }) => id).toSorted();
}

/** A place among a user's messages, in the order of the primary key. */
export interface MessagePlace {
  readonly conversationId: string;
  readonly seq: string;
}

/**
 * Deletes messages of a user from one place to the end of a conversation.
 *
 * @returns the place it came to; null when there are no more
 */
export async function deleteMessagesUpTo(
  db: Queryable,
  at: ConversationRef,
  { after, limit }: { after: MessagePlace; limit: number },
): Promise<MessagePlace | null> {
  const [row] = await db.query<{ conversation_id: string; seq: string }>({
    name: "delete_messages_up_to",
    text: `
      with doomed as (
        select conversation_id, seq from messages
         where user_id = $1 and conversation_id <= $2 and (conversation_id, seq) > ($3, $4::bigint)
         order by conversation_id, seq limit $5
      ), last as (
        select conversation_id, seq from doomed order by conversation_id desc, seq desc limit 1
      ), gone as (
        delete from messages
         where user_id = $1 and (conversation_id, seq) > ($3, $4::bigint)
           and (conversation_id, seq) <= ((select conversation_id from last), (select seq from last))
      )
      select conversation_id, seq from last`,
    values: [at.userId, at.id, after.conversationId, after.seq, limit],
  });
  return row ? { conversationId: row.conversation_id, seq: row.seq } : null;
}

/** Deletes marked conversations, and what little still hangs on them. */
export async function deleteAllErased(db: Queryable, userId: number, ids: readonly string[]): Promise<void> {
  await db.query({
    name: "delete_all_erased",
    text: "delete from conversations where user_id = $1 and id = any($2) and erasing",
    values: [userId, ids],
  });
}

/** @returns the UUIDs of the sessions it deleted, at most `limit` */
export async function deleteUserSessions(db: Queryable, userId: number, limit: number): Promise<readonly string[]> {
  const rows = await db.query<{ id: string }>({
    name: "delete_user_sessions",
    text: `
      delete from sessions where user_id = $1 and session_id in (
        select session_id from sessions where user_id = $1 order by session_id limit $2)
      returning id`,
    values: [userId, limit],
  });
  return rows.map(({ id }) => id);
}

/** @returns how many it deleted, at most `limit` */
export async function deleteUserIdempotencyKeys(db: Queryable, userId: number, limit: number): Promise<number> {
  const rows = await db.query({
    name: "delete_user_idempotency_keys",
    text: `
      delete from idempotency_keys where user_id = $1 and key in (
        select key from idempotency_keys where user_id = $1 order by key limit $2)
      returning user_id`,
    values: [userId, limit],
  });
  return rows.length;
}

/** @returns ids of conversations that a user still has, at most `limit` */
export async function listConversationIds(db: Queryable, userId: number, limit: number): Promise<readonly string[]> {
  const rows = await db.query<{ id: string }>({
    name: "list_conversation_ids",
    text: "select id from conversations where user_id = $1 order by id limit $2",
    values: [userId, limit],
  });
  return rows.map(({ id }) => id);
}

/** Deletes a user's row, and what still refers to it. */
export async function deleteUser(db: Queryable, userId: number): Promise<void> {
  await db.query({ name: "delete_user", text: "delete from users where id = $1", values: [userId] });
}

/**
 * Takes over erasures of which nothing was heard for so long: whoever was at them has died. Those that were silent for
 * longest come first, so that one that fails again and again holds up no other.
 *
 * @returns users, at most `limit`
 */
export async function claimErasures(
  db: Queryable,
  { silentMs, limit }: { silentMs: number; limit: number },
): Promise<readonly number[]> {
  const rows = await db.query<{ id: string }>({
    name: "claim_erasures",
    text: `
      update users set erasing_at = statement_timestamp() where id in (
        select id from users where erasing_at < statement_timestamp() - $1 * interval '1 ms'
         order by erasing_at limit $2 for update skip locked)
      returning id`,
    values: [silentMs, limit],
  });
  return rows.map(({ id }) => Number(id));
}

/** @returns those of these users who are not here any more, or are being erased */
export async function listGoneUsers(db: Queryable, userIds: readonly number[]): Promise<readonly number[]> {
  const rows = await db.query<{ id: string }>({
    name: "list_gone_users",
    text: `
      select asked.id from unnest($1::bigint[]) as asked (id)
       where not exists (select from users where users.id = asked.id and erasing_at is null)`,
    values: [userIds],
  });
  return rows.map(({ id }) => Number(id));
}
