import pg from "pg";
import { mintId } from "../packages/backscroll/src/domain/ids.ts";

/** As many connections as Backscroll's own pool has. */
export function openPool(url: string, max: number): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max });
  pool.on("error", () => undefined);
  return pool;
}

export interface FloorAppend {
  readonly userId: number;
  readonly conversationId: string;
  readonly content: string;
}

/** The leanest append that keeps the order: both tables, the row lock, one round trip, one commit. */
export async function appendByStatement(
  pool: pg.Pool,
  { userId, conversationId, content }: FloorAppend,
): Promise<pg.QueryResultRow | undefined> {
  const { rows } = await pool.query<pg.QueryResultRow>({
    name: "floor_append",
    text: `
      with head as (
        update conversations
           set version = version + 1, last_seq = last_seq + 1, message_count = message_count + 1,
               updated_at = greatest(updated_at, statement_timestamp())
         where user_id = $1 and id = $2 and deleted_at is null
        returning last_seq, updated_at
      )
      insert into messages (user_id, conversation_id, seq, id, role, content, created_at)
      select $1, $2, last_seq, $3, $4, $5, updated_at from head
      returning seq, created_at`,
    values: [userId, conversationId, mintId(), "user", content],
  });
  return rows[0];
}

/** The same as most would write it: two statements in a transaction. */
export async function appendInTransaction(
  pool: pg.Pool,
  { userId, conversationId, content }: FloorAppend,
): Promise<pg.QueryResultRow | undefined> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    const { rows: heads } = await client.query<{ last_seq: string; updated_at: Date }>({
      name: "floor_move",
      text: `
        update conversations
           set version = version + 1, last_seq = last_seq + 1, message_count = message_count + 1,
               updated_at = greatest(updated_at, statement_timestamp())
         where user_id = $1 and id = $2 and deleted_at is null
        returning last_seq, updated_at`,
      values: [userId, conversationId],
    });
    const { rows } = await client.query<pg.QueryResultRow>({
      name: "floor_insert",
      text: `
        insert into messages (user_id, conversation_id, seq, id, role, content, created_at)
        values ($1, $2, $3, $4, $5, $6, $7) returning seq, created_at`,
      values: [userId, conversationId, heads[0]?.last_seq, mintId(), "user", content, heads[0]?.updated_at],
    });
    await client.query("commit");
    return rows[0];
  } finally {
    client.release();
  }
}

/** The newest messages as plain rows: every column the API shows. */
export async function selectRecent(
  pool: pg.Pool,
  { userId, conversationId, limit }: { userId: number; conversationId: string; limit: number },
): Promise<readonly pg.QueryResultRow[]> {
  const { rows } = await pool.query<pg.QueryResultRow>({
    name: "floor_recent",
    text: `
      select id, conversation_id, seq, role, content, status, model, tokens_used, latency_ms, metadata, version,
             created_at, edited_at
        from messages where user_id = $1 and conversation_id = $2 order by seq desc limit $3`,
    values: [userId, conversationId, limit],
  });
  return rows;
}
