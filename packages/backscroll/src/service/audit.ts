import { createCipheriv, createHmac, randomBytes } from "node:crypto";
import type { Actor } from "../domain/actor.ts";
import type { AuditAction } from "../domain/audit.ts";
import { BackscrollError } from "../domain/errors.ts";
import { type AuditPerson, insertAuditPerson, insertAuditRow, listAuditPersons } from "../postgres/audit.ts";
import type { Queryable } from "../postgres/pool.ts";
import type { Deps } from "./deps.ts";

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
 * @throws {BackscrollError} user_erased when the actor or the subject is not there any more
 */
export async function recordAudit(db: Queryable, { action, actor, subjectId, conversationId }: Deed): Promise<void> {
  const persons = await findPersons(
    db,
    [actor?.userId, subjectId].filter((id) => id !== undefined && id !== null),
  );
  const subject = subjectId === null ? undefined : persons.get(subjectId);
  await insertAuditRow(db, {
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
  { db }: Deps,
  change: (db: Queryable) => Promise<Result>,
  deedOf: (result: Result) => Deed | null,
): Promise<Result> {
  return db.transaction(async (transaction) => {
    const result = await change(transaction);
    const deed = deedOf(result);
    if (deed) await recordAudit(transaction, deed);
    return result;
  });
}

/** Writes down, before anything is done, that somebody acts for somebody else: once a key, person and UTC day. */
export async function noteActedFor(deps: Deps, actor: Actor, subjectId: number): Promise<void> {
  const day = new Date().toISOString().slice(0, 10);
  const noted = `${actor.keyId} ${actor.userId} ${subjectId} ${day}`;
  if (deps.notedActedFor.has(noted)) return;
  await recordAudit(deps.db, { action: "acted_for", actor, subjectId });
  deps.notedActedFor.set(noted, true);
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

const IV_BYTES = 12;
const TAG_BYTES = 16;

/** An id may say whose it is: an app may have made it of an address. It becomes unreadable with its person's key. */
function sealConversationId(person: AuditPerson, conversationId: string): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", sealingKey(person), iv, { authTagLength: TAG_BYTES });
  const sealed = Buffer.concat([cipher.update(conversationId, "utf8"), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

function sealingKey({ hmacKey }: AuditPerson): Buffer {
  return createHmac("sha256", hmacKey).update("conversation id").digest();
}
