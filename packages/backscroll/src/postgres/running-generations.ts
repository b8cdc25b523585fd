import type { ConversationRef } from "../domain/conversation.ts";
import type { MessageJson } from "../domain/message.ts";
import type { ReplySoFar } from "../domain/reply.ts";
import type { Generation } from "./generations.ts";
import { messageJson } from "./message-json.ts";
import type { Queryable } from "./pool.ts";

/** A generation with what had been written at its last checkpoint. */
export interface RunningGeneration extends Generation {
  /** ids as their authors wrote them */
  readonly conversationId: string;
  readonly question: MessageJson | null;
  readonly replaces: boolean;
  readonly stopRequested: boolean;
  readonly partial: ReplySoFar;
}

interface GenerationRow {
  user_id: string;
  conversation_id: string;
  conversation_name: string;
  question: MessageJson | null;
  message_id: string;
  question_id: string;
  question_seq: string;
  replaces_up_to: string;
  fence: string;
  server_id: string;
  stop_requested: boolean;
  partial_text: string;
  partial_tools: ReplySoFar["tools"] | null;
}

const COLUMNS = `
  g.*, coalesce(c.client_id, c.id::text) as conversation_name,
  (select (${messageJson("m", "c")})::text from messages as m
    where m.user_id = g.user_id and m.conversation_id = g.conversation_id and m.seq = g.question_seq) as question`;

/**
 * @param inTrash true: also of a conversation in the trash
 * @returns null when no reply is being written, or there is no such conversation
 */
export async function findGeneration(
  db: Queryable,
  at: ConversationRef,
  { inTrash = false }: { inTrash?: boolean } = {},
): Promise<RunningGeneration | null> {
  const [row] = await db.query<GenerationRow>({
    name: "find_generation",
    text: `
      select ${COLUMNS}
        from generations as g join conversations as c on c.user_id = g.user_id and c.id = g.conversation_id
       where g.user_id = $1 and g.conversation_id = $2 and c.user_id = $1 and c.id = $2
         and not c.erasing and (c.deleted_at is null or $3)`,
    values: [at.userId, at.id, inTrash],
  });
  return row ? toGeneration(row) : null;
}

/** When a server has last said that it writes a reply. */
export interface Heartbeat {
  readonly at: ConversationRef;
  readonly fence: string;
  readonly serverId: string;
  /** by PostgreSQL's clock, exactly; to be compared, not to be computed with */
  readonly heartbeat: string;
}

/** Of all users: every reply that is being written. */
export async function listHeartbeats(db: Queryable): Promise<readonly Heartbeat[]> {
  const rows = await db.query<GenerationRow & { heartbeat: string }>({
    name: "list_heartbeats",
    text: "select user_id, conversation_id, fence, server_id, heartbeat_at::text as heartbeat from generations",
    values: [],
  });
  return rows.map(({ user_id, conversation_id, fence, server_id, heartbeat }) => ({
    at: { userId: Number(user_id), id: conversation_id },
    fence,
    serverId: server_id,
    heartbeat,
  }));
}

/** What one reply has come to since its last checkpoint; `soFar` null: nothing new. */
export interface Checkpoint {
  readonly at: ConversationRef;
  readonly fence: string;
  readonly soFar: ReplySoFar | null;
}

/** A reply that is still its server's own. */
export interface CheckpointedReply {
  readonly at: ConversationRef;
  readonly fence: string;
  readonly stopRequested: boolean;
}

/**
 * Says for many replies at once that their server lives, and what they have come to. A row that somebody holds is
 * skipped: it must not keep the others from being heard.
 *
 * @returns those that are there, skipped ones too
 */
export async function checkpointReplies(
  db: Queryable,
  checkpoints: readonly Checkpoint[],
): Promise<readonly CheckpointedReply[]> {
  const rows = await db.query<Pick<GenerationRow, "user_id" | "conversation_id" | "fence" | "stop_requested">>({
    name: "checkpoint_replies",
    text: `
      with item as materialized (
        select * from unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::text[], $5::json[])
                        as item (user_id, conversation_id, fence, text, tools)
      ), held as materialized (
        select g.user_id, g.conversation_id, item.text, item.tools
          from item
          join generations as g on g.user_id = item.user_id and g.conversation_id = item.conversation_id
                               and g.fence = item.fence
           for no key update of g skip locked
      ), heard as (
        update generations as g
           set heartbeat_at = statement_timestamp(), partial_text = coalesce(held.text, g.partial_text),
               partial_tools = coalesce(held.tools, g.partial_tools)
          from held
         where g.user_id = held.user_id and g.conversation_id = held.conversation_id
      )
      select g.user_id, g.conversation_id, g.fence, g.stop_requested
        from item
        join generations as g on g.user_id = item.user_id and g.conversation_id = item.conversation_id
                             and g.fence = item.fence`,
    values: [
      checkpoints.map(({ at }) => at.userId),
      checkpoints.map(({ at }) => at.id),
      checkpoints.map(({ fence }) => fence),
      checkpoints.map(({ soFar }) => soFar && soFar.text),
      checkpoints.map(({ soFar }) => (soFar && soFar.tools.length > 0 ? JSON.stringify(soFar.tools) : null)),
    ],
  });
  return rows.map(({ user_id, conversation_id, fence, stop_requested: stopRequested }) => ({
    at: { userId: Number(user_id), id: conversation_id },
    fence,
    stopRequested,
  }));
}

/** Asks whoever writes the reply to stop. @returns what is being written; null when nothing is */
export async function requestStop(
  db: Queryable,
  at: ConversationRef,
): Promise<Pick<Generation, "messageId" | "serverId" | "fence"> | null> {
  const [row] = await db.query<Pick<GenerationRow, "message_id" | "server_id" | "fence">>({
    name: "request_stop",
    text: `
      update generations set stop_requested = true where user_id = $1 and conversation_id = $2
      returning message_id, server_id, fence`,
    values: [at.userId, at.id],
  });
  return row ? { messageId: row.message_id, serverId: row.server_id, fence: row.fence } : null;
}

/** The newest message of a user, with what a reply to it has to know. */
export interface LastQuestion {
  readonly version: number;
  readonly lastSeq: number;
  readonly question: { readonly id: string; readonly seq: number; readonly json: MessageJson } | null;
  /** there is a reply after it that did not fail */
  readonly answered: boolean;
}

/** @returns null when there is no such conversation */
export async function findLastQuestion(db: Queryable, at: ConversationRef): Promise<LastQuestion | null> {
  const [row] = await db.query<{
    version: string;
    last_seq: string;
    id: string | null;
    seq: string;
    json: MessageJson;
    answered: boolean;
  }>({
    name: "find_last_question",
    text: `
      select c.version, c.last_seq, m.id, m.seq, (case when m.id is not null then ${messageJson("m", "c")} end)::text as json,
             exists (select from messages as r
                      where r.user_id = $1 and r.conversation_id = $2 and r.seq > m.seq
                        and r.role in ('assistant', 'tool') and r.status in ('complete', 'stopped')) as answered
        from conversations as c
        left join lateral (
          select * from messages where user_id = $1 and conversation_id = $2 and role = 'user' order by seq desc limit 1
        ) as m on true
       where c.user_id = $1 and c.id = $2 and c.deleted_at is null`,
    values: [at.userId, at.id],
  });
  if (!row) return null;
  const question = row.id === null ? null : { id: row.id, seq: Number(row.seq), json: row.json };
  return { version: Number(row.version), lastSeq: Number(row.last_seq), question, answered: row.answered };
}

/** @returns the reply to a question; null when there is none */
export async function findReply(
  db: Queryable,
  at: ConversationRef,
  question: { readonly id: string; readonly seq: number },
): Promise<MessageJson | null> {
  const [row] = await db.query<{ json: MessageJson }>({
    name: "find_reply",
    text: `
      select (${messageJson("m", "c")})::text as json
        from conversations as c
       cross join lateral (
         select * from messages
          where user_id = $1 and conversation_id = $2 and seq > $3 and reply_to = $4 order by seq limit 1
       ) as m
       where c.user_id = $1 and c.id = $2 and c.deleted_at is null`,
    values: [at.userId, at.id, question.seq, question.id],
  });
  return row ? row.json : null;
}

function toGeneration(row: GenerationRow): RunningGeneration {
  return {
    at: { userId: Number(row.user_id), id: row.conversation_id },
    conversationId: row.conversation_name,
    question: row.question,
    messageId: row.message_id,
    questionId: row.question_id,
    questionSeq: Number(row.question_seq),
    replaces: row.replaces_up_to !== "0",
    fence: row.fence,
    serverId: row.server_id,
    stopRequested: row.stop_requested,
    partial: { text: row.partial_text, tools: row.partial_tools ?? [] },
  };
}
