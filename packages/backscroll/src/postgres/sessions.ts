import type { ConversationRef } from "../domain/conversation.ts";
import type { JsonObject } from "../domain/json.ts";
import type { MessageJson } from "../domain/message.ts";
import type { SessionKey, SessionRef } from "../domain/session.ts";
import { timeText } from "./message-json.ts";
import type { Queryable } from "./pool.ts";

/** A session as the cache keeps it: `SessionJson`, in the place of a message. */
export interface StoredSession {
  readonly json: MessageJson;
  readonly version: number;
}

interface Row {
  json: MessageJson;
  version: string;
}

/** `s` is a session, `c` its conversation. */
const JSON_TEXT = `
  json_build_object(
    'conversation_id', coalesce(c.client_id, s.conversation_id::text), 'context', s.context, 'version', s.version,
    'created_at', ${timeText("s.created_at")}, 'updated_at', ${timeText("s.updated_at")},
    'expires_at', ${timeText("s.expires_at")})::text as json`;

/** @returns null when there is none, or its conversation is in the trash; one that has expired may be found */
export async function findSession(db: Queryable, { userId, sessionId }: SessionRef): Promise<StoredSession | null> {
  const [row] = await db.query<Row>({
    name: "find_session",
    text: `
      select ${JSON_TEXT}, s.version
        from sessions as s join conversations as c on c.user_id = s.user_id and c.id = s.conversation_id
       where s.user_id = $1 and s.session_id = $2 and c.deleted_at is null`,
    values: [userId, sessionId],
  });
  return row ? toStored(row) : null;
}

/** @returns null when there is none, as `findSession` */
export async function findSessionVersion(db: Queryable, { userId, id }: SessionKey): Promise<number | null> {
  const [row] = await db.query<{ version: string }>({
    name: "find_session_version",
    text: `
      select s.version
        from sessions as s join conversations as c on c.user_id = s.user_id and c.id = s.conversation_id
       where s.user_id = $1 and s.id = $2 and c.deleted_at is null`,
    values: [userId, id],
  });
  return row ? Number(row.version) : null;
}

export interface SessionToPut {
  /** stored id */
  readonly conversationId: string;
  readonly context: JsonObject;
  readonly days: number;
}

/**
 * Gives a session its conversation, and begins it where there is none.
 *
 * @returns null when the user has no such conversation, or it is in the trash
 */
export async function upsertSession(
  db: Queryable,
  { userId, sessionId, id }: SessionRef,
  { conversationId, context, days }: SessionToPut,
): Promise<(StoredSession & { readonly created: boolean }) | null> {
  const [row] = await db.query<Row & { created: boolean }>({
    name: "upsert_session",
    text: `
      with c as (
        -- locked: whoever erases it takes its sessions out of the cache, and sees this one among them
        select user_id, id, client_id from conversations
         where user_id = $1 and id = $4 and deleted_at is null for share
      ), before as (
        select from sessions where user_id = $1 and session_id = $2 and expires_at > statement_timestamp()
      ), s as (
        insert into sessions as old (user_id, session_id, id, conversation_id, context, expires_at)
        select c.user_id, $2, $3, c.id, $5::jsonb, statement_timestamp() + make_interval(days => $6) from c
        on conflict on constraint sessions_pkey do update
           set conversation_id = excluded.conversation_id, context = excluded.context, version = old.version + 1,
               updated_at = excluded.updated_at, expires_at = excluded.expires_at,
               created_at = case when old.expires_at <= excluded.updated_at then excluded.created_at
                                 else old.created_at end
        returning *
      )
      select ${JSON_TEXT}, s.version, not exists (select from before) as created from s, c`,
    values: [userId, sessionId, id, conversationId, JSON.stringify(context), days],
  });
  return row ? { ...toStored(row), created: row.created } : null;
}

export interface SessionToClaim {
  /** stored id of the conversation that is made for it */
  readonly conversationId: string;
  readonly title: string;
  /** the session's version as it was seen; null: there was none */
  readonly seenVersion: number | null;
  /** what was seen had expired: this is another session of the same name */
  readonly anew: boolean;
  readonly days: number;
}

/**
 * Makes a conversation for a session: one statement, whole or not at all. Of two that come at once one makes it; the
 * other waits for the session's row, and then finds it changed.
 *
 * @returns false: the session is not as it was seen, and nothing was made
 * @throws unique violation of `conversations_pkey`: the conversation is there already, or in the trash
 */
export async function claimSession(
  db: Queryable,
  { userId, sessionId, id }: SessionRef,
  { conversationId, title, seenVersion, anew, days }: SessionToClaim,
): Promise<boolean> {
  const rows = await db.query({
    name: "claim_session",
    text: `
      with s as (
        insert into sessions as old (user_id, session_id, id, conversation_id, expires_at)
        values ($1, $2, $3, $4, statement_timestamp() + make_interval(days => $8))
        on conflict on constraint sessions_pkey do update
           set conversation_id = excluded.conversation_id, version = old.version + 1, updated_at = excluded.updated_at,
               expires_at = excluded.expires_at,
               context = case when $7::boolean or old.expires_at <= excluded.updated_at then excluded.context
                              else old.context end,
               created_at = case when $7 or old.expires_at <= excluded.updated_at then excluded.created_at
                                 else old.created_at end
         -- one whose conversation is in the trash was not found; one that was just made is not seen here
         where old.version = $6
            or exists (select from conversations as c
                        where c.user_id = $1 and c.id = old.conversation_id and c.deleted_at is not null)
        returning user_id, conversation_id
      )
      -- after the session: its key is checked when the statement ends
      insert into conversations (user_id, id, title, title_source)
      select user_id, conversation_id, $5, 'default' from s
      returning id`,
    values: [userId, sessionId, id, conversationId, title, seenVersion, anew, days],
  });
  return rows.length === 1;
}

export interface ContextChange {
  /** keys and their values; all of the context, when it is replaced */
  readonly set: JsonObject;
  /** keys that go; before the others are set */
  readonly remove: readonly string[];
  readonly replace: boolean;
}

/** `s` is a session; $3 set, $4 remove, $5 replace. */
const CHANGED_CONTEXT = "case when $5::boolean then $3::jsonb else (s.context - $4::text[]) || $3::jsonb end";
/** $1 user, $2 session: one that is there, $6 how many bytes its context may be. */
const THERE = `
  s.user_id = $1 and s.session_id = $2 and s.expires_at > statement_timestamp()
  and c.user_id = s.user_id and c.id = s.conversation_id and c.deleted_at is null`;
const FITS = `octet_length((${CHANGED_CONTEXT})::text) <= $6`;

/**
 * Changes keys of a session's context under its row's lock: of two changes at once, both are there. The session lives on.
 *
 * @param bytesMax of the whole context as PostgreSQL writes it
 * @returns null when there is no such session; "too large" when nothing was changed for that
 */
export async function updateSessionContext(
  db: Queryable,
  at: SessionRef,
  change: ContextChange & { readonly bytesMax: number; readonly days: number },
): Promise<StoredSession | "too large" | null> {
  const { set, remove, replace, bytesMax, days } = change;
  const values = [at.userId, at.sessionId, JSON.stringify(set), remove, replace, bytesMax];
  const [row] = await db.query<Row>({
    name: "update_session_context",
    text: `
      update sessions as s
         set context = ${CHANGED_CONTEXT}, version = s.version + 1, updated_at = statement_timestamp(),
             expires_at = statement_timestamp() + make_interval(days => $7)
        from conversations as c where ${THERE} and ${FITS}
      returning ${JSON_TEXT}, s.version`,
    values: [...values, days],
  });
  if (row) return toStored(row);
  const [found] = await db.query<{ fits: boolean }>({
    name: "check_session_context",
    text: `select ${FITS} as fits from sessions as s, conversations as c where ${THERE}`,
    values,
  });
  if (!found) return null;
  // Otherwise it came, or grew smaller, in between.
  return found.fits ? updateSessionContext(db, at, change) : "too large";
}

/** A session of a user's, with the id that its app gave it. */
export interface ListedSession extends StoredSession {
  readonly sessionId: string;
}

/**
 * @param bytesMax of JSON: the session that reaches it is the last one; null: as many as `limit` says
 * @returns a user's sessions in the order of their ids' bytes: those behind `after`, and whether there are more
 */
export async function listSessions(
  db: Queryable,
  userId: number,
  { after, limit, bytesMax }: { after: string | null; limit: number; bytesMax: number | null },
): Promise<{ readonly sessions: readonly ListedSession[]; readonly hasMore: boolean }> {
  const rows = await db.query<Row & { session_id: string; found: string }>({
    name: "list_sessions",
    text: `
      select session_id, json, version, found
        from (
          select page.*, count(*) over () as found,
                 sum(octet_length(json)) over (order by session_id) - octet_length(json) as bytes_before
            from (
              select s.session_id, ${JSON_TEXT}, s.version
                from sessions as s join conversations as c on c.user_id = s.user_id and c.id = s.conversation_id
               where s.user_id = $1 and ($2::text is null or s.session_id > $2) and s.expires_at > statement_timestamp()
                 and c.deleted_at is null
               order by s.session_id limit $3::int + 1
            ) as page
        ) as counted
       where $4::bigint is null or bytes_before < $4
       order by session_id`,
    values: [userId, after, limit, bytesMax],
  });
  const sessions = rows.slice(0, limit).map((row) => ({ ...toStored(row), sessionId: row.session_id }));
  return { sessions, hasMore: Number(rows[0]?.found ?? 0) > sessions.length };
}

/** Lets a session live on. @returns until when; null when it is not as it was seen */
export async function renewSession(
  db: Queryable,
  { userId, sessionId }: SessionRef,
  { seenVersion, days }: { seenVersion: number; days: number },
): Promise<Date | null> {
  const [row] = await db.query<{ expires_at: Date }>({
    name: "renew_session",
    text: `
      update sessions set expires_at = statement_timestamp() + make_interval(days => $4), version = version + 1
       where user_id = $1 and session_id = $2 and version = $3
      returning expires_at`,
    values: [userId, sessionId, seenVersion, days],
  });
  return row?.expires_at ?? null;
}

/** @returns whether it was there, as `findSession`; one that had expired was not */
export async function deleteSession(db: Queryable, { userId, sessionId }: SessionRef): Promise<boolean> {
  const [row] = await db.query<{ was_there: boolean }>({
    name: "delete_session",
    text: `
      delete from sessions as s using conversations as c
       where s.user_id = $1 and s.session_id = $2 and c.user_id = s.user_id and c.id = s.conversation_id
      returning s.expires_at > statement_timestamp() and c.deleted_at is null as was_there`,
    values: [userId, sessionId],
  });
  return row?.was_there ?? false;
}

/** @returns the sessions that are in a conversation, in the order of their UUIDs; those behind `after` */
export async function listSessionsOf(
  db: Queryable,
  at: ConversationRef,
  { after, limit }: { after: string | null; limit: number },
): Promise<readonly SessionKey[]> {
  const rows = await db.query<KeyRow>({
    name: "list_sessions_of",
    text: `
      select user_id, id from sessions
       where user_id = $1 and conversation_id = $2 and ($3::uuid is null or id > $3) order by id limit $4`,
    values: [at.userId, at.id, after, limit],
  });
  return rows.map(toKey);
}

/** @returns those that it deleted, at most `limit` */
export async function deleteExpiredSessions(db: Queryable, limit: number): Promise<readonly SessionKey[]> {
  const rows = await db.query<KeyRow>({
    name: "delete_expired_sessions",
    text: `
      delete from sessions where (user_id, session_id) in (
        select user_id, session_id from sessions where expires_at <= statement_timestamp()
         order by expires_at limit $1 for update skip locked)
      returning user_id, id`,
    values: [limit],
  });
  return rows.map(toKey);
}

interface KeyRow {
  user_id: string;
  id: string;
}

function toKey(row: KeyRow): SessionKey {
  return { userId: Number(row.user_id), id: row.id };
}

function toStored({ json, version }: Row): StoredSession {
  return { json, version: Number(version) };
}
