import type { ConversationRef, UsageDay } from "../domain/conversation.ts";
import type { Database, Queryable } from "./pool.ts";

/** Bounds one transaction's work, and with it how long an append may wait for a conversation's row. */
const CONVERSATIONS_A_FOLD = 20;
const MESSAGES_A_CONVERSATION = 5_000;

/**
 * Adds to the daily usage what was saved since the last time, each message once: `usage_seq` says up to where a
 * conversation is counted, and moves in the same transaction. An append never touches the usage table, where the
 * appends of one busy user would queue for one row.
 */
export async function foldUsage(db: Database, userId: number): Promise<void> {
  for (let from: string | null = FIRST_ID; from !== null;) {
    const after: string = from;
    from = await db.transaction(async (transaction) => {
      const unfolded = await lockUnfolded(transaction, userId, after);
      await foldLocked(transaction, userId, unfolded);
      // On along the key: however many there are, each is passed once.
      const last = unfolded.length < CONVERSATIONS_A_FOLD ? undefined : unfolded.at(-1);
      return (unfolded.find(hasMore) ?? last)?.id ?? null;
    });
  }
}

/** The same for one conversation: what it costs does not grow with how many there are. */
export async function foldUsageOf(db: Database, at: ConversationRef): Promise<void> {
  for (let more = true; more;) {
    more = await db.transaction(async (transaction) => {
      const unfolded = await lockUnfoldedOne(transaction, at);
      await foldLocked(transaction, at.userId, unfolded);
      return unfolded.some(hasMore);
    });
  }
}

const FIRST_ID = "00000000-0000-0000-0000-000000000000";

/** A locked conversation of which something is not counted. */
interface Unfolded {
  readonly id: string;
  /** how far it is counted behind its end */
  readonly behind: string;
}

function hasMore({ behind }: Unfolded): boolean {
  return Number(behind) > MESSAGES_A_CONVERSATION;
}

function lockUnfolded(db: Queryable, userId: number, from: string): Promise<readonly Unfolded[]> {
  return db.query<Unfolded>({
    name: "lock_unfolded",
    text: `
      select id, last_seq - usage_seq as behind from conversations
       where user_id = $1 and id >= $2 and last_seq > usage_seq
       order by id limit $3 for no key update`,
    values: [userId, from, CONVERSATIONS_A_FOLD],
  });
}

function lockUnfoldedOne(db: Queryable, at: ConversationRef): Promise<readonly Unfolded[]> {
  return db.query<Unfolded>({
    name: "lock_unfolded_one",
    text: `
      select id, last_seq - usage_seq as behind from conversations
       where user_id = $1 and id = $2 and last_seq > usage_seq for no key update`,
    values: [at.userId, at.id],
  });
}

/** A statement of its own: its snapshot begins after the locks and so sees all that they guard. */
async function foldLocked(db: Queryable, userId: number, locked: readonly Unfolded[]): Promise<void> {
  if (locked.length === 0) return;
  await db.query({
    name: "fold_usage",
    text: `
      with target as (
        select id, usage_seq as after_seq, least(last_seq, usage_seq + $3) as up_to_seq
          from conversations where user_id = $1 and id = any($2)
      ), moved as (
        update conversations as c set usage_seq = target.up_to_seq
          from target where c.user_id = $1 and c.id = target.id
      )
      insert into usage_daily as usage (user_id, day, role, model, messages, tokens_used)
      select $1, (m.created_at at time zone 'UTC')::date, m.role, coalesce(m.model, ''),
             count(*), coalesce(sum(m.tokens_used), 0)
        from target join messages as m on m.user_id = $1 and m.conversation_id = target.id
         and m.seq > target.after_seq and m.seq <= target.up_to_seq
       group by 2, 3, 4
       order by 2, 3, 4
      on conflict on constraint usage_daily_pkey do update
         set messages = usage.messages + excluded.messages, tokens_used = usage.tokens_used + excluded.tokens_used`,
    values: [userId, locked.map(({ id }) => id), MESSAGES_A_CONVERSATION],
  });
}

/** @param from @param to days, `YYYY-MM-DD`, both inclusive */
export async function listUsage(
  db: Database,
  userId: number,
  { from, to }: { from: string; to: string },
): Promise<readonly UsageDay[]> {
  const rows = await db.query<{ day: string; role: string; model: string; messages: string; tokens_used: string }>({
    name: "list_usage",
    text: `
      select to_char(day, 'YYYY-MM-DD') as day, role, model, messages, tokens_used from usage_daily
       where user_id = $1 and day between $2 and $3 order by usage_daily.day, role, model`,
    values: [userId, from, to],
  });
  return rows.map((row) => ({
    day: row.day,
    role: row.role,
    model: row.model === "" ? null : row.model,
    messages: Number(row.messages),
    tokensUsed: Number(row.tokens_used),
  }));
}

/** What everybody said on one day. */
export interface DayOfAll {
  /** `YYYY-MM-DD` in UTC */
  readonly day: string;
  readonly messages: number;
  readonly tokensUsed: number;
}

/** @returns the users of whom something is not counted yet. It reads all conversations: for an operator, not for users */
export async function listUsersToFold(db: Database): Promise<readonly number[]> {
  const rows = await db.query<{ user_id: string }>({
    name: "list_users_to_fold",
    text: "select distinct user_id from conversations where last_seq > usage_seq",
    values: [],
  });
  return rows.map((row) => Number(row.user_id));
}

/** @returns the days on which anybody said anything, oldest first. It reads all of the usage: for an operator */
export async function sumUsageByDay(db: Database, from: string): Promise<readonly DayOfAll[]> {
  const rows = await db.query<{ day: string; messages: string; tokens_used: string }>({
    name: "sum_usage_by_day",
    text: `
      select to_char(day, 'YYYY-MM-DD') as day, sum(messages) as messages, sum(tokens_used) as tokens_used
        from usage_daily where day >= $1 group by usage_daily.day order by usage_daily.day`,
    values: [from],
  });
  return rows.map((row) => ({
    day: row.day,
    messages: Number(row.messages),
    tokensUsed: Number(row.tokens_used),
  }));
}
