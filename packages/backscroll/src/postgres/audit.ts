import type { AuditAction } from "../domain/audit.ts";
import type { Queryable } from "./pool.ts";

/** A person as the audit log knows them: what is written of them can be read as long as this is there. */
export interface AuditPerson {
  readonly userId: number;
  /** 32 random bytes; erasing the person destroys them */
  readonly hmacKey: Buffer;
  readonly pseudonym: Buffer;
}

interface AuditPersonRow {
  id: string;
  issuer: string;
  subject: string;
  hmac_key: Buffer | null;
  pseudonym: Buffer | null;
}

/** @returns these users, in no order; `person` null: nothing was ever written of them */
export async function listAuditPersons(
  db: Queryable,
  userIds: readonly number[],
): Promise<readonly { userId: number; issuer: string; subject: string; person: AuditPerson | null }[]> {
  const rows = await db.query<AuditPersonRow>({
    name: "list_audit_persons",
    text: `
      select u.id, u.issuer, u.subject, p.hmac_key, p.pseudonym
        from users as u left join audit_persons as p on p.user_id = u.id
       where u.id = any($1)`,
    values: [userIds],
  });
  return rows.map(({ id, issuer, subject, hmac_key: hmacKey, pseudonym }) => {
    const userId = Number(id);
    return { userId, issuer, subject, person: hmacKey && pseudonym && { userId, hmacKey, pseudonym } };
  });
}

/** Waits for whoever inserts the same person at the same time, and then leaves theirs. */
export async function insertAuditPerson(db: Queryable, { userId, hmacKey, pseudonym }: AuditPerson): Promise<void> {
  await db.query({
    name: "insert_audit_person",
    text: `
      insert into audit_persons (user_id, hmac_key, pseudonym) values ($1, $2, $3)
      on conflict on constraint audit_persons_pkey do nothing`,
    values: [userId, hmacKey, pseudonym],
  });
}

export interface AuditRow {
  readonly action: AuditAction;
  readonly actor: Buffer | null;
  readonly actorKeyId: string | null;
  readonly subject: Buffer | null;
  readonly sealedConversationId: Buffer | null;
}

/** Acting for somebody is written once a day, whichever server sees it first. */
export async function insertAuditRow(db: Queryable, row: AuditRow): Promise<void> {
  await db.query({
    name: "insert_audit_row",
    text: `
      insert into audit_log (action, actor, actor_key_id, subject, sealed_conversation_id)
      values ($1, $2, $3, $4, $5) on conflict do nothing`,
    values: [row.action, row.actor, row.actorKeyId, row.subject, row.sealedConversationId],
  });
}
