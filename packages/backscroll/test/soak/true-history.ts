import type pg from "pg";
import { toStoredId } from "../../src/domain/ids.ts";
import { messageJson } from "../../src/postgres/message-json.ts";

/** One state that a conversation had in PostgreSQL. */
export interface State {
  readonly version: number;
  /** when the change was made, by the machine's clock; it was committed at some time after */
  readonly at: number;
  readonly kind: "created" | "changed" | "trashed" | "restored" | "erased";
  /** not to be seen by any read */
  readonly gone: boolean;
  /** the JSON of each message, newest first; what lies in the trash, too */
  readonly messages: readonly string[];
}

/** The states of each conversation, in the order of their versions. */
export type TrueHistory = ReadonlyMap<string, readonly State[]>;

export interface ConversationOfRun {
  readonly user: string;
  readonly id: string;
}

export function nameOf({ user, id }: ConversationOfRun): string {
  return `${user}/${id}`;
}

/**
 * Lets PostgreSQL itself write down every state that a conversation ever has, in the transaction that makes it: the
 * row's lock puts them in order, and what was rolled back is not there. Nobody has to guess whether a change whose
 * answer was lost was made.
 */
export async function recordHistory(client: pg.Client): Promise<void> {
  await client.query(`
    create table soak_states (
      n bigint generated always as identity, user_id bigint not null, conversation_id uuid not null,
      version bigint not null, kind text not null, at double precision not null, messages json not null);
    create function soak_record() returns trigger language plpgsql as $$
    declare
      what text := case
        when tg_op = 'INSERT' then 'created'
        when new.erasing then 'erased'
        when new.deleted_at is not null then 'trashed'
        when old.deleted_at is not null then 'restored'
        else 'changed' end;
    begin
      insert into soak_states (user_id, conversation_id, version, kind, at, messages)
      select new.user_id, new.id, new.version, what, extract(epoch from clock_timestamp()) * 1000,
             coalesce(json_agg((${messageJson("m", "c")}) order by m.seq desc), '[]')
        from messages as m, (select new.client_id as client_id) as c
       where m.user_id = new.user_id and m.conversation_id = new.id;
      return null;
    end $$;
    create trigger soak_record after insert or update of version on conversations
      for each row execute function soak_record()`);
}

interface StateRow {
  user_id: string;
  conversation_id: string;
  version: string;
  kind: State["kind"];
  at: number;
  messages: unknown[];
}

/** @throws when two appends that shared a statement cannot be told apart: the test is wrong then */
export async function readHistory(
  client: pg.Client,
  users: ReadonlyMap<string, number>,
  conversations: readonly ConversationOfRun[],
): Promise<TrueHistory> {
  const { rows } = await client.query<StateRow>("select * from soak_states order by n");
  return new Map(
    conversations.map((conversation) => {
      const userId = users.get(conversation.user) ?? 0;
      const { id } = toStoredId(userId, conversation.id);
      const own = rows.filter((row) => Number(row.user_id) === userId && row.conversation_id === id);
      return [nameOf(conversation), withBatchesSplit(own.map(toState))];
    }),
  );
}

function toState(row: StateRow): State {
  const gone = row.kind === "trashed" || row.kind === "erased";
  const messages = row.kind === "erased" ? [] : row.messages.map((message) => JSON.stringify(message));
  return { version: Number(row.version), at: row.at, kind: row.kind, gone, messages };
}

/**
 * Appends that travelled in one statement have each a version of their own, and a cache may show them one by one.
 * The part of a message's id before the dot names its append.
 */
function withBatchesSplit(states: readonly State[]): readonly State[] {
  return states.flatMap((state, index) => {
    const before = states[index - 1];
    const steps = before ? state.version - before.version : 1;
    if (!before || steps === 1 || state.kind !== "changed") return [state];
    const added = state.messages.length - before.messages.length;
    const appends = new Map<string, number>();
    for (const message of state.messages.slice(0, added).toReversed()) {
      const append = appendOf(message);
      appends.set(append, (appends.get(append) ?? 0) + 1);
    }
    if (appends.size !== steps) throw new Error(`${steps} versions in one statement, but ${appends.size} appends`);
    let length = before.messages.length;
    return [...appends.values()].map((messages, nth): State => {
      length += messages;
      return { ...state, version: before.version + nth + 1, messages: state.messages.slice(-length) };
    });
  });
}

function appendOf(message: string): string {
  const { id } = JSON.parse(message) as { id: string };
  return /^(.*)\.\d+$/.exec(id)?.[1] ?? id;
}
