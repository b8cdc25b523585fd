import type { ReadSource } from "../cache/metrics.ts";
import type { ConversationRef } from "../domain/conversation.ts";
import { BackscrollError, invalidRequest } from "../domain/errors.ts";
import { decodeSessionCursor, encodeSessionCursor } from "../domain/cursor.ts";
import { deriveId } from "../domain/ids.ts";
import type { JsonObject } from "../domain/json.ts";
import { LIMITS } from "../domain/limits.ts";
import {
  cachedAs,
  type NewSession,
  parseSessionJson,
  type Session,
  type SessionKey,
  type SessionRef,
  toSession,
} from "../domain/session.ts";
import { textProblem } from "../domain/text.ts";
import {
  deleteExpiredSessions,
  deleteSession as deleteStored,
  findSession,
  listSessions as listStored,
  listSessionsOf,
  renewSession,
  updateSessionContext,
  upsertSession,
} from "../postgres/sessions.ts";
import { changeConversation } from "./changes.ts";
import { checkSlice, Problems } from "./check.ts";
import type { Deps } from "./deps.ts";
import { conversationNotFound, toRef } from "./messages.ts";

/** Names one session of one user by the id its app gave it. */
export interface SessionName {
  readonly userId: number;
  readonly sessionId: string;
}

/** A session as it was found; it may have expired. */
export interface FoundSession {
  readonly session: Session;
  readonly version: number;
  readonly source: ReadSource;
}

const DAY_MS = 86_400_000;
/** A session that is used is written again when so much of its time has gone: of 30 days, one. */
const RENEWAL_SHARE = 1 / 30;
/** Bounds one statement, and how many keys the cache is told of at once. */
const BATCH = 100;

/**
 * Gives a session its conversation, with which it begins or goes on.
 *
 * @returns `created` false: it was there, and has the new conversation and context now
 * @throws {BackscrollError} conversation_not_found, invalid_request
 */
export async function putSession(
  deps: Deps,
  at: SessionName,
  { conversationId, context = {} }: NewSession,
): Promise<{ created: boolean; session: Session }> {
  const ref = checkedRef(at, { conversationId, context });
  const days = deps.settings.sessionDays;
  const stored = toRef({ userId: at.userId, conversationId }).id;
  const change = upsertSession(deps.db, ref, { conversationId: stored, context, days });
  const put = await changeConversation(deps, cachedAs(ref), change);
  if (!put) throw conversationNotFound();
  return { created: put.created, session: toSession(at.sessionId, parseSessionJson(put.json)) };
}

/**
 * Reading a session is using it: it lives on.
 *
 * @throws {BackscrollError} session_not_found, invalid_request
 */
export async function getSession(deps: Deps, at: SessionName): Promise<{ session: Session; source: ReadSource }> {
  const found = await readSession(deps, at);
  if (!found || hasExpired(found.session)) throw sessionNotFound();
  return { session: await keepSession(deps, at, found), source: found.source };
}

/** What changes in a session's context. */
export interface SessionChanges {
  /** keys to set, or, with `replace`, all of the context */
  readonly context?: JsonObject | undefined;
  /** keys that go */
  readonly remove?: readonly string[] | undefined;
  /** default false: keys that are not named stay */
  readonly replace?: boolean | undefined;
}

/**
 * Changes a session's context, which is at most 256 KiB. Of two changes at once neither loses the other's keys.
 *
 * @throws {BackscrollError} session_not_found, invalid_request
 */
export async function updateSession(
  deps: Deps,
  at: SessionName,
  { context = {}, remove = [], replace = false }: SessionChanges,
): Promise<Session> {
  const ref = checkedRef(at, { context });
  const change = updateSessionContext(deps.db, ref, {
    set: context,
    remove: checkedKeys(remove),
    replace,
    bytesMax: LIMITS.sessionContextBytesMax,
    days: deps.settings.sessionDays,
  });
  const updated = await changeConversation(deps, cachedAs(ref), change);
  if (updated === null) throw sessionNotFound();
  if (updated === "too large") {
    throw invalidRequest({
      path: "context",
      message: `must be at most ${LIMITS.sessionContextBytesMax} bytes of JSON with what is there already`,
    });
  }
  return toSession(at.sessionId, parseSessionJson(updated.json));
}

/** A name that PostgreSQL cannot keep is none that is there. */
function checkedKeys(keys: readonly string[]): readonly string[] {
  return keys.filter((key) => textProblem(key) === null);
}

/**
 * A user's sessions in the order of their ids.
 *
 * @param after only those behind this session
 * @param limit 1 to 200
 */
export async function listSessions(
  deps: Deps,
  userId: number,
  { after, limit = LIMITS.pageSizeDefault }: { after?: string | undefined; limit?: number } = {},
): Promise<readonly Session[]> {
  return (await readSessions(deps, userId, { after, limit, bytesMax: null })).sessions;
}

interface SessionsSlice {
  readonly sessions: readonly Session[];
  readonly hasMore: boolean;
}

/** @throws {BackscrollError} invalid_request */
async function readSessions(
  deps: Deps,
  userId: number,
  { after, limit, bytesMax }: { after: string | undefined; limit: number; bytesMax: number | null },
): Promise<SessionsSlice> {
  checkSlice({ limit });
  if (after !== undefined) checkedRef({ userId, sessionId: after });
  const { sessions, hasMore } = await listStored(deps.db, userId, { after: after ?? null, limit, bytesMax });
  return { sessions: sessions.map(({ sessionId, json }) => toSession(sessionId, parseSessionJson(json))), hasMore };
}

/**
 * The same list from a cursor on, in pages of 4 MiB or so: fewer than `limit` may come before the last one.
 *
 * @param limit 1 to 200
 * @throws {BackscrollError} invalid_cursor, invalid_request
 */
export async function listSessionsFrom(
  deps: Deps,
  userId: number,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Promise<{ sessions: readonly Session[]; nextCursor: string | null }> {
  const after = cursor === undefined ? undefined : decodeSessionCursor(cursor);
  const bytesMax = LIMITS.sessionsPageBytesMax;
  const { sessions, hasMore } = await readSessions(deps, userId, { after, limit, bytesMax });
  const last = hasMore ? sessions.at(-1) : undefined;
  return { sessions, nextCursor: last ? encodeSessionCursor(last.id) : null };
}

/** Its conversation stays. @throws {BackscrollError} session_not_found, invalid_request */
export async function deleteSession(deps: Deps, at: SessionName): Promise<void> {
  const ref = checkedRef(at);
  if (!(await changeConversation(deps, cachedAs(ref), deleteStored(deps.db, ref)))) throw sessionNotFound();
}

/** From the cache if it has it. @returns null when there is none @throws {BackscrollError} invalid_request */
export async function readSession(deps: Deps, at: SessionName): Promise<FoundSession | null> {
  const ref = checkedRef(at);
  const recent = await deps.cache.readRecent(cachedAs(ref), 1, async () => {
    const stored = await findSession(deps.db, ref);
    return stored && { version: stored.version, messages: [stored.json], whole: true, idleMs: 0 };
  });
  const [json] = recent?.messages ?? [];
  if (!recent || json === undefined) return null;
  const parsed = parseSessionJson(json);
  return { session: toSession(at.sessionId, parsed), version: parsed.version, source: recent.source };
}

/** Time is this server's own, in every decision about what was found: two clocks could wait for each other. */
export function hasExpired({ expiresAt }: Session): boolean {
  return expiresAt.getTime() <= Date.now();
}

/** @returns a session that is being used, which lives on; it is not written at each use */
export async function keepSession(deps: Deps, at: SessionName, { session, version }: FoundSession): Promise<Session> {
  const days = deps.settings.sessionDays;
  if (session.expiresAt.getTime() - Date.now() > days * DAY_MS * (1 - RENEWAL_SHARE)) return session;
  const ref = toSessionRef(at);
  const renewal = renewSession(deps.db, ref, { seenVersion: version, days });
  // Somebody else may have kept it, or changed it: then that is what happened last.
  const expiresAt = await changeConversation(deps, cachedAs(ref), renewal);
  return expiresAt ? { ...session, expiresAt } : session;
}

/** A conversation went to the trash, came back, or leaves for good, and its sessions with it: the cache is told. */
export async function tellSessionsOf(deps: Deps, conversation: ConversationRef): Promise<void> {
  for (let after: string | null = null; ;) {
    const some: readonly SessionKey[] = await listSessionsOf(deps.db, conversation, { after, limit: BATCH });
    await Promise.all(some.map((session) => deps.cache.changed(cachedAs(session))));
    if (some.length < BATCH) return;
    after = some.at(-1)?.id ?? null;
  }
}

export async function forgetExpiredSessions(deps: Deps): Promise<void> {
  for (let full = true; full && !deps.stopping.aborted;) {
    const gone = await deleteExpiredSessions(deps.db, BATCH);
    await Promise.all(gone.map((session) => deps.cache.changed(cachedAs(session))));
    full = gone.length === BATCH;
  }
}

function sessionNotFound(): BackscrollError {
  return new BackscrollError("session_not_found", "no such session");
}

export function toSessionRef({ userId, sessionId }: SessionName): SessionRef {
  return { userId, sessionId, id: deriveId(`${userId}:${sessionId}`, "session") };
}

/** @throws {BackscrollError} invalid_request */
export function checkedRef(at: SessionName, { conversationId, context }: Partial<NewSession> = {}): SessionRef {
  const problems = new Problems();
  // Whatever an app's dictionary has for a key; over HTTP it is an id like every other.
  problems.text("session_id", at.sessionId, { charsMax: LIMITS.sessionIdCharsMax });
  if (at.sessionId === "") problems.add("session_id", "must not be empty");
  problems.id("conversation_id", conversationId);
  problems.json("context", context, { bytesMax: LIMITS.sessionContextBytesMax });
  problems.throwIfAny();
  return toSessionRef(at);
}
