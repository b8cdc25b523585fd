import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto";
import type { Actor } from "../domain/actor.ts";
import type { AuditAction, AuditEntry } from "../domain/audit.ts";
import { decodeAuditCursor, encodeAuditCursor } from "../domain/cursor.ts";
import { BackscrollError, invalidRequest } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { textProblem } from "../domain/text.ts";
import { toIdentity, type UserName } from "../domain/user.ts";
import {
  type AuditPerson,
  insertAuditPerson,
  insertAuditRow,
  listAuditPersons,
  listAuditRows,
  listAuditRowsOfPerson,
  type NamedAuditRow,
} from "../postgres/audit.ts";
import type { Queryable } from "../postgres/pool.ts";
import { checkSlice } from "./check.ts";
import type { Deps } from "./deps.ts";
import { whenNobodyIsInTheWay } from "./in-the-way.ts";
import { findUser } from "./users.ts";

/** Something that somebody did, as the audit log keeps it. */
interface Deed {
  readonly action: AuditAction;
  /** null: the service itself, or its operator at the command line */
  readonly actor: Actor | null;
  /** whose history it was; null: everybody's */
  readonly subjectId: number | null;
  /** as its author wrote it, or as it is stored where that is not known */
  readonly conversationId?: string;
}

/**
 * Writes down who did what. With a transaction's `db` the deed and its record are there together, or neither is.
 *
 * @returns the day it is written under, in UTC
 * @throws {BackscrollError} user_erased when the actor or the subject is not there any more
 */
export async function recordAudit(db: Queryable, { action, actor, subjectId, conversationId }: Deed): Promise<string> {
  const persons = await findPersons(
    db,
    [actor?.userId, subjectId].filter((id) => id !== undefined && id !== null),
  );
  const subject = subjectId === null ? undefined : persons.get(subjectId);
  return insertAuditRow(db, {
    action,
    actor: (actor && persons.get(actor.userId)?.pseudonym) ?? null,
    actorKeyId: actor?.keyId ?? null,
    subject: subject?.pseudonym ?? null,
    sealedConversationId:
      subject === undefined || conversationId === undefined ? null : sealConversationId(subject, conversationId),
  });
}

/**
 * Makes a change and writes it down, in one transaction.
 *
 * @param deedOf null: nothing was done
 */
export function recorded<Result>(
  deps: Deps,
  change: (db: Queryable) => Promise<Result>,
  deedOf: (result: Result) => Deed | null,
): Promise<Result> {
  return whenNobodyIsInTheWay(deps, () =>
    deps.db.transaction(async (transaction) => {
      const result = await change(transaction);
      const deed = deedOf(result);
      if (deed) await recordAudit(transaction, deed);
      return result;
    }),
  );
}

/** @returns whose conversation a deed was about, and which one */
export function subjectOf({
  userId,
  conversationId,
}: {
  readonly userId: number;
  readonly conversationId: string;
}): Pick<Deed, "subjectId" | "conversationId"> {
  return { subjectId: userId, conversationId };
}

/** Writes down, before anything is done, that somebody acts for somebody else: once a key, person and UTC day. */
export async function noteActedFor(deps: Deps, actor: Actor, subjectId: number): Promise<void> {
  const notedOn = (day: string): string => `${actor.keyId} ${actor.userId} ${subjectId} ${day}`;
  if (deps.notedActedFor.has(notedOn(new Date().toISOString().slice(0, 10)))) return;
  // PostgreSQL's day, not this clock's: ahead of it by a second, a whole day would pass for written down.
  deps.notedActedFor.set(notedOn(await recordAudit(deps.db, { action: "acted_for", actor, subjectId })), true);
}

async function findPersons(db: Queryable, userIds: readonly number[]): Promise<ReadonlyMap<number, AuditPerson>> {
  const wanted = [...new Set(userIds)];
  for (;;) {
    const users = wanted.length === 0 ? [] : await listAuditPersons(db, wanted);
    if (users.length < wanted.length) throw new BackscrollError("user_erased", "this person was erased");
    const missing = users.filter(({ person }) => person === null);
    if (missing.length === 0) return new Map(users.map(({ userId, person }) => [userId, person as AuditPerson]));
    // In one order everywhere: two transactions that meet here wait for each other only one way.
    for (const { userId, issuer, subject } of missing.toSorted((a, b) => a.userId - b.userId)) {
      const hmacKey = randomBytes(32);
      const pseudonym = createHmac("sha256", hmacKey)
        .update(JSON.stringify([issuer, subject]))
        .digest();
      await insertAuditPerson(db, { userId, hmacKey, pseudonym });
    }
  }
}

interface AuditQuery {
  /** only what this person did, or what was done to their history */
  readonly user?: UserName | undefined;
  readonly action?: AuditAction | undefined;
  readonly cursor?: string | undefined;
  /** 1 to 200 */
  readonly limit?: number;
}

/**
 * What was written down, newest first. For admins: the caller has to see to that.
 *
 * @throws {BackscrollError} invalid_cursor, invalid_request
 */
export async function listAudit(
  deps: Deps,
  { user, action, cursor, limit = LIMITS.pageSizeDefault }: AuditQuery,
): Promise<{ entries: readonly AuditEntry[]; nextCursor: string | null }> {
  checkSlice({ limit });
  const problem = user === undefined ? null : textProblem(toIdentity(user).subject);
  if (problem !== null) throw invalidRequest({ path: "user", message: problem });
  const beforeId = cursor === undefined ? null : decodeAuditCursor(cursor);
  const page = { action: action ?? null, beforeId, limit: limit + 1 };
  const userId = user === undefined ? null : await findUser(deps, user);
  if (user !== undefined && userId === null) return { entries: [], nextCursor: null };
  const rows = await (userId === null ? listAuditRows(deps.db, page) : listAuditRowsOfPerson(deps.db, userId, page));
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : undefined;
  return { entries: shown.map(toAuditEntry), nextCursor: last ? encodeAuditCursor(last.id) : null };
}

function toAuditEntry({ id, at, action, actor, actorKeyId, subject, ...row }: NamedAuditRow): AuditEntry {
  return {
    id,
    at,
    action,
    actor: actor && { user: actor.user },
    actorKeyId,
    subject: subject && { user: subject.user },
    conversationId: conversationIdOf(row),
  };
}

const IV_BYTES = 12;
const TAG_BYTES = 16;

/** An id may say whose it is: an app may have made it of an address. It becomes unreadable with its person's key. */
function sealConversationId({ hmacKey }: AuditPerson, conversationId: string): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", sealingKey(hmacKey), iv, { authTagLength: TAG_BYTES });
  const sealed = Buffer.concat([cipher.update(conversationId, "utf8"), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

/** @returns null when there is none, or nobody can read it any more */
export function conversationIdOf({
  subjectKey,
  sealedConversationId: sealed,
}: Pick<NamedAuditRow, "subjectKey" | "sealedConversationId">): string | null {
  if (subjectKey === null || sealed === null) return null;
  const iv = sealed.subarray(0, IV_BYTES);
  const decipher = createDecipheriv("aes-256-gcm", sealingKey(subjectKey), iv, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
  return decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES), undefined, "utf8") + decipher.final("utf8");
}

/** Not the pseudonym's key itself: each key serves one purpose. */
function sealingKey(hmacKey: Buffer): Buffer {
  return createHmac("sha256", hmacKey).update("conversation id").digest();
}
