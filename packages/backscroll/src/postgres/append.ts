import type { ConversationRef } from "../domain/conversation.ts";
import { mintId, toStoredId } from "../domain/ids.ts";
import type { MessageJson, NewMessage } from "../domain/message.ts";
import { messageJson } from "./message-json.ts";
import { type Queryable, violates } from "./pool.ts";

/** What one append did to its conversation. */
export interface Appended {
  /** the conversation's version before it, and after: one more */
  readonly versionBefore: number;
  readonly version: number;
  readonly messageCount: number;
  /** as stored, in order */
  readonly messages: readonly MessageJson[];
}

/** `duplicate_id`: nothing was stored, since at least one of the ids is there already. */
export type AppendResult = Appended | "conversation_not_found" | "duplicate_id";

interface AppendedRow {
  json: MessageJson;
  version_before: string;
  message_count: string;
}

/** How a message travels to the server: as one object of a JSON array. */
export const ITEM_COLUMNS = `
  id uuid, client_id text, role text, content text, parts json, status text, model text,
  tokens_used integer, latency_ms integer, metadata jsonb`;

/**
 * Appends messages in order and moves the conversation to its next version. One statement, one round
 * trip: the row lock it takes makes writers queue, so `seq` has no gaps.
 *
 * @param messages 1 to 100
 */
export async function insertMessages(
  db: Queryable,
  at: ConversationRef,
  messages: readonly NewMessage[],
): Promise<AppendResult> {
  const rows = await db
    .query<AppendedRow>({
      name: "insert_messages",
      text: `
        with head as (
          update conversations
             set version = version + 1, last_seq = last_seq + $3, message_count = message_count + $3,
                 updated_at = greatest(updated_at, statement_timestamp())
           where user_id = $1 and id = $2 and deleted_at is null
          returning user_id, id, client_id, version - 1 as version_before, message_count,
                    last_seq - $3 as seq_before, updated_at
        ), stored as (
          insert into messages (user_id, conversation_id, seq, id, client_id, role, content, parts, status, model,
                                tokens_used, latency_ms, metadata, created_at)
          select head.user_id, head.id, seq_before + item.ord, item.id, item.client_id, role, content, parts,
                 coalesce(status, 'complete'), model, tokens_used, latency_ms, item.metadata, head.updated_at
            from head,
                 rows from (json_to_recordset($4::json) as (${ITEM_COLUMNS})) with ordinality
                   as item (id, client_id, role, content, parts, status, model, tokens_used, latency_ms, metadata, ord)
          returning *
        )
        select (${messageJson("stored", "head")})::text as json, head.version_before, head.message_count
          from stored, head
         order by stored.seq`,
      values: [
        at.userId,
        at.id,
        messages.length,
        JSON.stringify(messages.map((message) => toItem(at.userId, message))),
      ],
    })
    .catch(duplicateId);
  if (rows === "duplicate_id") return rows;
  const [first] = rows;
  if (!first) return "conversation_not_found";
  return toAppended(first, Number(first.version_before), rows);
}

/** One append of a batch. */
export interface Append {
  readonly at: ConversationRef;
  /** 1 to 100 */
  readonly messages: readonly NewMessage[];
}

/**
 * Many appends, for many conversations of many users, in one statement and one commit: every append its own
 * version, in the order given. The conversations' rows are locked in the order of their keys first, so two
 * batches never deadlock; a row that somebody else holds is skipped, so one slow writer never holds up the rest.
 *
 * @param appends 1 to 100
 * @returns for each append what it did, or null when it must go alone: its conversation is locked or not there
 * @returns `duplicate_id` for all when nothing was stored, since some id is there already
 */
export async function insertMessageBatch(
  db: Queryable,
  appends: readonly Append[],
): Promise<readonly (Appended | null)[] | "duplicate_id"> {
  const targets = new Map<string, Target>();
  const items = appends.flatMap(({ at, messages }, append) => {
    const key = `${at.userId}:${at.id}`;
    const target = targets.get(key) ?? { at, messages: 0, appends: 0 };
    targets.set(key, target);
    target.appends += 1;
    return messages.map((message) => {
      target.messages += 1;
      const place = { target: key, nth_message: target.messages, nth_append: target.appends, append };
      return { ...toItem(at.userId, message), ...place };
    });
  });
  // The order in which rows are locked; any will do, as long as it is the same in every batch.
  const order = [...targets].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const rows = await db
    .query<AppendedRow & { append: number }>({
      name: "insert_message_batch",
      text: `
        with target as materialized (
          select * from unnest($1::text[], $2::bigint[], $3::uuid[], $4::integer[], $5::integer[])
                          as target (key, user_id, id, messages, appends)
        ), item as materialized (
          select * from json_to_recordset($6::json) as (
            ${ITEM_COLUMNS}, target text, nth_message integer, nth_append integer, append integer)
        ), locked as materialized (
          select target.*
            from target
           cross join lateral (
             select from conversations
              where user_id = target.user_id and id = target.id and deleted_at is null
                for no key update skip locked) as held
        ), head as (
          update conversations as c
             set version = c.version + locked.appends, last_seq = c.last_seq + locked.messages,
                 message_count = c.message_count + locked.messages,
                 updated_at = greatest(c.updated_at, statement_timestamp())
            from locked
           where c.user_id = locked.user_id and c.id = locked.id
          returning locked.key, c.user_id, c.id, c.client_id, c.version - locked.appends as version_before,
                    c.message_count - locked.messages as message_count, c.last_seq - locked.messages as seq_before,
                    c.updated_at
        ), placed as materialized (
          select head.user_id, head.id as conversation_id, head.client_id as conversation_client_id, version_before,
                 message_count, updated_at, seq_before + nth_message as seq, item.*
            from head join item on item.target = head.key
        ), stored as (
          insert into messages (user_id, conversation_id, seq, id, client_id, role, content, parts, status, model,
                                tokens_used, latency_ms, metadata, created_at)
          select user_id, conversation_id, seq, id, client_id, role, content, parts, coalesce(status, 'complete'), model,
                 tokens_used, latency_ms, metadata, updated_at
            from placed
          returning *
        )
        select placed.append, (${messageJson("stored", "conversation")})::text as json,
               version_before + nth_append - 1 as version_before, message_count + nth_message as message_count
          from stored
          join placed on placed.user_id = stored.user_id and placed.conversation_id = stored.conversation_id
                     and placed.seq = stored.seq
          join lateral (select placed.conversation_client_id as client_id) as conversation on true
         order by placed.append, nth_message`,
      values: [
        order.map(([key]) => key),
        order.map(([, { at }]) => at.userId),
        order.map(([, { at }]) => at.id),
        order.map(([, target]) => target.messages),
        order.map(([, target]) => target.appends),
        JSON.stringify(items),
      ],
    })
    .catch(duplicateId);
  if (rows === "duplicate_id") return rows;
  const byAppend = Map.groupBy(rows, (row) => row.append);
  return appends.map((_, append) => {
    const own = byAppend.get(append);
    const last = own?.at(-1);
    return own && last ? toAppended(last, Number(last.version_before), own) : null;
  });
}

/** One conversation of a batch: how many messages it gets, in how many appends. */
interface Target {
  readonly at: ConversationRef;
  messages: number;
  appends: number;
}

function toAppended(counts: AppendedRow, versionBefore: number, rows: readonly AppendedRow[]): Appended {
  return {
    versionBefore,
    version: versionBefore + 1,
    messageCount: Number(counts.message_count),
    messages: rows.map((row) => row.json),
  };
}

function duplicateId(error: unknown): "duplicate_id" {
  if (violates(error, "messages_id_key")) return "duplicate_id";
  throw error;
}

/** Absent fields stay absent: `json_to_recordset` reads them as null. */
export function toItem(userId: number, message: NewMessage): Record<string, unknown> {
  const stored = message.id === undefined ? { id: mintId(), clientId: undefined } : toStoredId(userId, message.id);
  return {
    id: stored.id,
    client_id: stored.clientId ?? undefined,
    role: message.role,
    content: message.content,
    parts: message.parts ?? undefined,
    status: message.status,
    model: message.model ?? undefined,
    tokens_used: message.tokensUsed ?? undefined,
    latency_ms: message.latencyMs ?? undefined,
    metadata: message.metadata ?? undefined,
  };
}
