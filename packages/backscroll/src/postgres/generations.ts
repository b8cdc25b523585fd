import type { ConversationRef } from "../domain/conversation.ts";
import type { MessageJson, NewMessage } from "../domain/message.ts";
import { type Appended, ITEM_COLUMNS, toItem } from "./append.ts";
import { messageJson } from "./message-json.ts";
import { type Queryable, violates } from "./pool.ts";

/** A reply being written, as its row tells. */
export interface Generation {
  readonly at: ConversationRef;
  /** the reply's id */
  readonly messageId: string;
  /** stored ids and seq of what it answers */
  readonly questionId: string;
  readonly questionSeq: number;
  readonly fence: string;
  readonly serverId: string;
}

/** One that is to begin. */
export interface NewGeneration {
  readonly messageId: string;
  readonly serverId: string;
}

export interface OpenedGeneration extends Generation {
  /** what the question did to its conversation */
  readonly appended: Appended;
}

/** `conflict`: nothing was done, since the question is stored already, or another reply is being written. */
export type OpenResult = OpenedGeneration | "conversation_not_found" | "conflict";

interface OpenedRow {
  json: MessageJson;
  version: string;
  message_count: string;
  seq: string;
  question_id: string;
  fence: string;
}

/** Of one attempt at a conversation: the microsecond it began. */
const FENCE = "(extract(epoch from statement_timestamp()) * 1000000)::bigint";

/** Inner part of both openings: `head` is the conversation as it is with the question. */
function openSql(head: string, question: string): string {
  return `
    with head as (${head}
    ), item as materialized (
      select * from json_to_record(${question}::json) as (${ITEM_COLUMNS})
    ), stored as (
      insert into messages (user_id, conversation_id, seq, id, client_id, role, content, parts, metadata, created_at)
      select head.user_id, head.id, head.last_seq, item.id, item.client_id, role, content, parts, item.metadata,
             head.updated_at
        from head, item
      returning *
    ), opened as (
      insert into generations (user_id, conversation_id, question_id, question_seq, message_id, server_id, fence)
      select head.user_id, head.id, item.id, head.last_seq, $3, $4, ${FENCE} from head, item
      returning fence
    )
    select (${messageJson("stored", "head")})::text as json, head.version, head.message_count, stored.seq,
           stored.id as question_id, opened.fence
      from stored, head, opened`;
}

/** Saves the user's message and opens the generation of its reply: one statement, whole or not at all. */
export async function openTurn(
  db: Queryable,
  at: ConversationRef,
  question: NewMessage,
  generation: NewGeneration,
): Promise<OpenResult> {
  const rows = await db
    .query<OpenedRow>({
      name: "open_turn",
      text: openSql(
        `
        update conversations
           set version = version + 1, last_seq = last_seq + 1, message_count = message_count + 1,
               updated_at = greatest(updated_at, statement_timestamp())
         where user_id = $1 and id = $2 and deleted_at is null
        returning user_id, id, client_id, version, message_count, last_seq, updated_at`,
        "$5",
      ),
      values: [
        at.userId,
        at.id,
        generation.messageId,
        generation.serverId,
        JSON.stringify(toItem(at.userId, question)),
      ],
    })
    .catch(conflict);
  if (rows === "conflict") return rows;
  const [row] = rows;
  return row ? toOpened(at, row, generation) : "conversation_not_found";
}

/** The same, and makes the conversation. `conflict`: the user has one of this id, in the trash too. */
export async function openFirstTurn(
  db: Queryable,
  at: ConversationRef & { readonly clientId: string | null; readonly title: string },
  question: NewMessage,
  generation: NewGeneration,
): Promise<OpenedGeneration | "conflict"> {
  const rows = await db
    .query<OpenedRow>({
      name: "open_first_turn",
      text: openSql(
        `
        insert into conversations (user_id, id, client_id, title, title_source, last_seq, message_count)
        values ($1, $2, $5, $6, 'default', 1, 1)
        returning user_id, id, client_id, version, message_count, last_seq, updated_at`,
        "$7",
      ),
      values: [
        at.userId,
        at.id,
        generation.messageId,
        generation.serverId,
        at.clientId,
        at.title,
        JSON.stringify(toItem(at.userId, question)),
      ],
    })
    .catch(conflict);
  if (rows === "conflict") return rows;
  const [row] = rows;
  if (!row) throw new Error("an insert returns its row");
  return toOpened({ userId: at.userId, id: at.id }, row, generation);
}

/**
 * Opens a generation for a stored question.
 *
 * @param version of the conversation when it was decided so: anything that happened since may have answered the question
 * @param replacesUpTo replies up to this seq leave when the new one is saved; 0: only those to this question that failed
 * @returns null when the conversation has moved on, or a reply is being written: look again
 */
export async function reopenTurn(
  db: Queryable,
  question: { readonly at: ConversationRef; readonly id: string; readonly seq: number },
  { version, replacesUpTo }: { version: number; replacesUpTo: number },
  generation: NewGeneration,
): Promise<Generation | null> {
  const { at, id, seq } = question;
  const rows = await db
    .query<{ fence: string }>({
      name: "reopen_turn",
      text: `
        with conversation as (
          select user_id, id from conversations
           where user_id = $1 and id = $2 and version = $3 and deleted_at is null for no key update
        )
        insert into generations (user_id, conversation_id, question_id, question_seq, replaces_up_to, message_id,
                                 server_id, fence)
        select user_id, id, $4, $5, $6, $7, $8, ${FENCE} from conversation
        returning fence`,
      values: [at.userId, at.id, version, id, seq, replacesUpTo, generation.messageId, generation.serverId],
    })
    .catch(conflict);
  const [row] = rows === "conflict" ? [] : rows;
  return row ? { at, questionId: id, questionSeq: seq, fence: row.fence, ...generation } : null;
}

export interface CloseOptions {
  /** close only a generation whose last sign of life is this one, as `listHeartbeats` tells it */
  readonly heartbeat?: string;
}

/** What a closing did. */
export interface Closed {
  /** null: there was nothing to save, the reply before it stays */
  readonly saved: (Appended & { readonly replaced: boolean }) | null;
  /** nobody has given the conversation a title */
  readonly untitled: boolean;
}

interface ClosedRow {
  json: MessageJson | null;
  version_before: string | null;
  message_count: string | null;
  replaced: boolean;
  untitled: boolean;
}

/**
 * Saves a reply and closes its generation: one statement. The replies that it replaces leave with it. A conversation
 * that is in the trash gets it too; one that is being erased does not.
 *
 * @param reply null: closes without saving anything
 * @returns null when the generation is not there any more: somebody else closed it
 */
export async function closeTurn(
  db: Queryable,
  { at, fence }: Pick<Generation, "at" | "fence">,
  reply: NewMessage | null,
  { heartbeat }: CloseOptions = {},
): Promise<Closed | null> {
  const [row] = await db.query<ClosedRow>({
    name: "close_turn",
    text: `
      with conversation as (
        -- first: whoever opens a turn takes the same two locks in this order
        select user_id, id, usage_seq, title_source from conversations
         where user_id = $1 and id = $2 and not erasing for no key update
      ), closed as (
        delete from generations as g using conversation as c
         where g.user_id = $1 and g.conversation_id = $2 and g.fence = $3 and g.user_id = c.user_id
           and g.conversation_id = c.id
           and g.heartbeat_at = coalesce($5::timestamptz, g.heartbeat_at)
        returning g.*
      ), item as materialized (
        select item.* from json_to_record($4::json) as item (${ITEM_COLUMNS}) where $4 is not null
      ), gone as (
        delete from messages as m using closed, item
         where m.user_id = $1 and m.conversation_id = $2 and m.seq > closed.question_seq
           and m.role in ('assistant', 'tool')
           and (m.seq <= closed.replaces_up_to
                or (m.reply_to = closed.question_id and m.status in ('failed', 'interrupted')))
        returning m.seq, m.id, m.created_at, m.role, m.model, m.tokens_used
      ), counted as (
        insert into usage_daily as usage (user_id, day, role, model, messages, tokens_used)
        select $1, (gone.created_at at time zone 'UTC')::date, gone.role, coalesce(gone.model, ''), count(*),
               coalesce(sum(gone.tokens_used), 0)
          from gone, conversation where gone.seq > conversation.usage_seq group by 2, 3, 4
         -- as the folding of usage has it: two that take the same rows in different orders would wait for each other
         order by 2, 3, 4
        on conflict on constraint usage_daily_pkey do update
           set messages = usage.messages + excluded.messages, tokens_used = usage.tokens_used + excluded.tokens_used
      ), remembered as (
        insert into deleted_messages (user_id, conversation_id, seq, id) select $1, $2, seq, id from gone
      ), head as (
        update conversations
           set version = version + 1, last_seq = last_seq + 1,
               message_count = message_count + 1 - (select count(*) from gone),
               updated_at = greatest(updated_at, statement_timestamp())
         where user_id = $1 and id = $2 and exists (select from closed) and exists (select from item)
        returning user_id, id, client_id, version - 1 as version_before, message_count, last_seq, updated_at
      ), stored as (
        insert into messages (user_id, conversation_id, seq, id, client_id, role, content, parts, status, model,
                              tokens_used, latency_ms, metadata, created_at, reply_to)
        select head.user_id, head.id, head.last_seq, item.id, item.client_id, item.role, item.content, item.parts,
               item.status, item.model, item.tokens_used, item.latency_ms, item.metadata, head.updated_at,
               closed.question_id
          from head, item, closed
        returning *
      )
      select (select (${messageJson("stored", "head")})::text from stored, head) as json,
             (select version_before from head) as version_before, (select message_count from head) as message_count,
             exists (select from gone) as replaced, c.title_source = 'default' as untitled
        from conversation as c, closed`,
    values: [at.userId, at.id, fence, reply ? JSON.stringify(toItem(at.userId, reply)) : null, heartbeat],
  });
  return row ? toClosed(row) : null;
}

function toOpened(at: ConversationRef, row: OpenedRow, generation: NewGeneration): OpenedGeneration {
  const version = Number(row.version);
  return {
    ...generation,
    at,
    questionId: row.question_id,
    questionSeq: Number(row.seq),
    fence: row.fence,
    appended: {
      versionBefore: version - 1,
      version,
      messageCount: Number(row.message_count),
      messages: [row.json],
    },
  };
}

function toClosed({ json, version_before: before, message_count: count, replaced, untitled }: ClosedRow): Closed {
  if (json === null) return { saved: null, untitled };
  const versionBefore = Number(before);
  return {
    saved: { versionBefore, version: versionBefore + 1, messageCount: Number(count), messages: [json], replaced },
    untitled,
  };
}

const CONSTRAINTS = ["messages_id_key", "generations_pkey", "conversations_pkey"];

function conflict(error: unknown): "conflict" {
  if (CONSTRAINTS.some((constraint) => violates(error, constraint))) return "conflict";
  throw error;
}
