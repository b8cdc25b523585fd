import type { Actor } from "../domain/actor.ts";
import { logText } from "../domain/logged-error.ts";
import { cachedAs } from "../domain/session.ts";
import { toIdentity, type UserName } from "../domain/user.ts";
import {
  claimErasures,
  countHistory,
  deleteAllErased,
  deleteCredentials,
  deleteMessagesUpTo,
  deleteUser,
  deleteUserIdempotencyKeys,
  deleteUserSessions,
  FIRST_ID,
  insertErasure,
  listConversationIds,
  listGoneUsers,
  lockUser,
  markAllErasing,
  markUserErasing,
  type MessagePlace,
} from "../postgres/user-erasure.ts";
import { findUserState } from "../postgres/users.ts";
import { createAttempts } from "./attempts.ts";
import { recordAudit } from "./audit.ts";
import type { Deps } from "./deps.ts";
import { whenNobodyIsInTheWay } from "./in-the-way.ts";
import { shuttingDown } from "./running-reply.ts";
import { identityHmac, userErased } from "./users.ts";

/** Bounds one statement. The last ones, with whatever hangs on them, leave with their user. */
const BATCH = { conversations: 200, messages: 5_000, keys: 1_000, sessions: 1_000, last: 20 };
/** How many keys the cache is told of at once. */
const TOLD_AT_ONCE = 50;
/** An erasure says so often that somebody is at it; one that has not for longer is taken over. */
const ALIVE_MS = 5_000;
const SILENT_MS = 30_000;

/** What somebody had. */
export interface Erasure {
  /** the trash included */
  readonly conversations: number;
  readonly messages: number;
}

const NOTHING: Erasure = { conversations: 0, messages: 0 };

/**
 * Removes a person and all that they have, for good: from PostgreSQL, the cache and the streams, on every server. Who
 * is refused from its beginning on. One that breaks off is finished by the upkeep of any server; asked for again, it
 * goes on.
 *
 * @param actor who wants it so; null: an operator
 * @returns what was left to erase
 * @throws {BackscrollError} database_unavailable, shutting_down: asked for again, it goes on
 */
export async function eraseUser(
  deps: Deps,
  { userId, actor }: { userId: number; actor: Actor | null },
): Promise<Erasure> {
  const erasure = await begin(deps, userId, actor);
  if (!erasure) return NOTHING;
  await forgetHere(deps, userId);
  deps.live.signals.send(CHANNEL, String(userId));
  await finish(deps, userId);
  deps.log.debug({ userId, ...erasure }, "a person was erased");
  return erasure;
}

/**
 * For who is told that they were erased, and asks for just that: finishes what is under way.
 *
 * @throws {BackscrollError} database_unavailable, shutting_down
 */
export async function eraseUserAgain(deps: Deps, name: UserName): Promise<Erasure> {
  const identity = toIdentity(name);
  const { user } = await findUserState(deps.db, identity, identityHmac(deps, identity));
  // Somebody who has come back since is somebody else.
  return user?.isErasing === true ? eraseUser(deps, { userId: user.id, actor: null }) : NOTHING;
}

/** Finishes the erasures that a process which died left half done. */
export async function finishUserErasures(deps: Deps): Promise<void> {
  const attempt = createAttempts(deps, "a person's erasure was not finished; it is tried again");
  for (;;) {
    const [userId] = await claimErasures(deps.db, { silentMs: SILENT_MS, limit: 1 });
    if (userId === undefined || deps.stopping.aborted) return;
    await attempt(userId, () => eraseUser(deps, { userId, actor: null }));
  }
}

/** In one transaction: from its end on nobody is this person. @returns null when they are gone */
async function begin(deps: Deps, userId: number, actor: Actor | null): Promise<Erasure | null> {
  return step(deps, () =>
    deps.db.transaction(async (db) => {
      const user = await lockUser(db, userId);
      if (!user) return null;
      if (!user.isErasing) {
        await insertErasure(db, identityHmac(deps, user));
        // Before the credentials go: it may be a key of theirs that asks.
        await recordAudit(db, { action: "person_erased", actor, subjectId: userId });
        await deleteCredentials(db, userId);
      }
      await markUserErasing(db, userId);
      return countHistory(db, userId);
    }),
  );
}

/** Deletes in batches; what comes in meanwhile, of requests that knew their user before, is found by the next round. */
async function finish(deps: Deps, userId: number): Promise<void> {
  for (let isGone = false; !isGone;) {
    await eraseConversations(deps, userId);
    while ((await step(deps, () => deleteUserIdempotencyKeys(deps.db, userId, BATCH.keys))) === BATCH.keys);
    isGone = await eraseLast(deps, userId);
  }
  // Again: replies that had begun to be written may have ended since.
  await forgetHere(deps, userId);
  deps.live.signals.send(CHANNEL, String(userId));
  await deps.live.streams.forget(userId);
}

async function eraseConversations(deps: Deps, userId: number): Promise<void> {
  let aliveAt = performance.now();
  // One that is deleted, and made again by a request that knew its user before, is found once more.
  let from = FIRST_ID;
  for (;;) {
    const next = { from, limit: BATCH.conversations };
    const ids = await step(deps, () => markAllErasing(deps.db, userId, next));
    const last = ids.at(-1);
    if (last === undefined) return;
    // From the mark on nobody finds them, so the cache is told first: the next process does it again.
    await tellCache(deps, userId, ids);
    await forgetSessions(deps, userId);
    for (let place: MessagePlace | null = { conversationId: from, seq: "0" }; place !== null;) {
      const after: MessagePlace = place;
      const upTo = { userId, id: last };
      place = await step(deps, () => deleteMessagesUpTo(deps.db, upTo, { after, limit: BATCH.messages }));
      if (performance.now() - aliveAt < ALIVE_MS) continue;
      await markUserErasing(deps.db, userId);
      aliveAt = performance.now();
    }
    await step(deps, () => deleteAllErased(deps.db, userId, ids));
    from = last;
  }
}

/** While their row is locked, nothing new can refer to it. @returns false when too much has come in meanwhile */
async function eraseLast(deps: Deps, userId: number): Promise<boolean> {
  const left = await step(deps, () =>
    deps.db.transaction(async (db) => {
      if (!(await lockUser(db, userId))) return { conversations: [], sessions: [] };
      const conversations = await listConversationIds(db, userId, BATCH.last + 1);
      if (conversations.length > BATCH.last) return null;
      const sessions = await deleteUserSessions(db, userId, BATCH.sessions);
      await deleteUser(db, userId);
      return { conversations, sessions };
    }),
  );
  if (!left) return false;
  await tellCache(deps, userId, [...left.conversations, ...left.sessions.map((id) => cachedAs({ userId, id }).id)]);
  return true;
}

async function forgetSessions(deps: Deps, userId: number): Promise<void> {
  for (let full = true; full;) {
    const ids = await step(deps, () => deleteUserSessions(deps.db, userId, BATCH.sessions));
    await tellCache(
      deps,
      userId,
      ids.map((id) => cachedAs({ userId, id }).id),
    );
    full = ids.length === BATCH.sessions;
  }
}

async function tellCache({ cache }: Deps, userId: number, ids: readonly string[]): Promise<void> {
  for (let next = 0; next < ids.length; next += TOLD_AT_ONCE) {
    await Promise.all(ids.slice(next, next + TOLD_AT_ONCE).map((id) => cache.changed({ userId, id })));
  }
}

/** Requests of theirs, and other servers, may still lock the same rows, in another order. */
async function step<Result>(deps: Deps, work: () => Promise<Result>): Promise<Result> {
  // The next process goes on with it.
  if (deps.stopping.aborted) throw shuttingDown();
  return whenNobodyIsInTheWay(deps, work);
}

const CHANNEL = "erased";

/** Hears of people who were erased by other servers. @returns stops listening */
export function listenForErasures(deps: Deps): () => void {
  const forget = (userIds: readonly number[]): void => {
    const forgetting = forgetGone(deps, userIds).catch((error: unknown) => {
      // The upkeep looks again.
      if (!deps.stopping.aborted) deps.log.warn({ error: logText(error) }, "erased people were not looked for");
    });
    void deps.track(forgetting);
  };
  return deps.live.signals.listen(
    CHANNEL,
    (userId) => forget([Number(userId)]),
    () => forget(deps.erasedUsers.watched),
  );
}

/** Signals may be lost: ends what goes on here for people who are gone. */
export async function forgetErasedUsers(deps: Deps): Promise<void> {
  await forgetGone(deps, deps.erasedUsers.watched);
}

async function forgetGone(deps: Deps, userIds: readonly number[]): Promise<void> {
  if (userIds.length === 0) return;
  // A signal only says where to look.
  for (const userId of await listGoneUsers(deps.db, userIds)) await forgetHere(deps, userId);
}

/** Ends what this server does for somebody, and forgets them. */
async function forgetHere(deps: Deps, userId: number): Promise<void> {
  deps.erasedUsers.add(userId);
  for (const [key, known] of deps.userIds.entries()) if (known.id === userId) deps.userIds.delete(key);
  const replies = [...deps.runningReplies.values()].filter(({ generation }) => generation.at.userId === userId);
  for (const { abandon } of replies) abandon.abort("stopped");
  for (const [key, log] of deps.followedReplies) {
    if (key.startsWith(`${userId}:`)) log.end({ type: "failed", error: userErased() });
  }
  await deps.live.feed.forget(userId);
}
