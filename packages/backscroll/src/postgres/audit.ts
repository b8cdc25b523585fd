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

/**
 * Acting for somebody is written once a day, whichever server sees it first.
 *
 * @returns the day by which that counts, in UTC
 */
export async function insertAuditRow(db: Queryable, row: AuditRow): Promise<string> {
  const [written] = await db.query<{ day: string }>({
    name: "insert_audit_row",
    text: `
      with written as (
        insert into audit_log (action, actor, actor_key_id, subject, sealed_conversation_id)
        values ($1, $2, $3, $4, $5) on conflict do nothing
      )
      select to_char(statement_timestamp() at time zone 'UTC', 'YYYY-MM-DD') as day`,
    values: [row.action, row.actor, row.actorKeyId, row.subject, row.sealedConversationId],
  });
  if (!written) throw new Error("a select without a table always returns a row");
  return written.day;
}

/** Both null: erased. */
interface NamedPerson {
  readonly userId: number | null;
  readonly user: string | null;
}

/** One row, with who is meant as long as they are here. */
export interface NamedAuditRow {
  readonly id: string;
  readonly at: Date;
  readonly action: AuditAction;
  /** null: the service, or its operator */
  readonly actor: NamedPerson | null;
  readonly actorKeyId: string | null;
  /** null: everybody's history */
  readonly subject: NamedPerson | null;
  readonly subjectKey: Buffer | null;
  readonly sealedConversationId: Buffer | null;
}

export interface AuditPage {
  /** null: all */
  readonly action: AuditAction | null;
  /** only what was written before this one; null: from the newest */
  readonly beforeId: string | null;
  readonly limit: number;
}

const MATCHES = "($1::text is null or action = $1) and ($2::bigint is null or id < $2)";

/** @returns rows of `page`, with the names of those who are here */
function named(page: string): string {
  return `
    select l.*, actor_user.id as actor_user_id, actor_user.subject as actor_name,
           subject_user.id as subject_user_id, subject_user.subject as subject_name,
           subject_person.hmac_key as subject_key
      from (${page}) as l
      left join audit_persons as actor_person on actor_person.pseudonym = l.actor
      left join users as actor_user on actor_user.id = actor_person.user_id
      left join audit_persons as subject_person on subject_person.pseudonym = l.subject
      left join users as subject_user on subject_user.id = subject_person.user_id
     order by l.id desc`;
}

/** @returns what was written, newest first */
export async function listAuditRows(
  db: Queryable,
  { action, beforeId, limit }: AuditPage,
): Promise<readonly NamedAuditRow[]> {
  const rows = await db.query<AuditRowColumns>({
    name: "list_audit_rows",
    text: named(`select * from audit_log where ${MATCHES} order by id desc limit $3`),
    values: [action, beforeId, limit],
  });
  return rows.map(toNamedAuditRow);
}

/** @returns what was written of a person, as the one who did it or whose history it was; newest first */
export async function listAuditRowsOfPerson(
  db: Queryable,
  userId: number,
  { action, beforeId, limit }: AuditPage,
): Promise<readonly NamedAuditRow[]> {
  const rows = await db.query<AuditRowColumns>({
    name: "list_audit_rows_of_person",
    // Each part along its index.
    text: named(`
      (select * from audit_log where ${MATCHES} and subject = (select pseudonym from audit_persons where user_id = $4)
        order by id desc limit $3)
      union
      (select * from audit_log where ${MATCHES} and actor = (select pseudonym from audit_persons where user_id = $4)
        order by id desc limit $3)
      order by id desc limit $3`),
    values: [action, beforeId, limit, userId],
  });
  return rows.map(toNamedAuditRow);
}

interface AuditRowColumns {
  id: string;
  at: Date;
  action: AuditAction;
  actor: Buffer | null;
  actor_key_id: string | null;
  subject: Buffer | null;
  sealed_conversation_id: Buffer | null;
  actor_user_id: string | null;
  actor_name: string | null;
  subject_user_id: string | null;
  subject_name: string | null;
  subject_key: Buffer | null;
}

function toNamedAuditRow(row: AuditRowColumns): NamedAuditRow {
  return {
    id: row.id,
    at: row.at,
    action: row.action,
    actor: row.actor && toNamedPerson(row.actor_user_id, row.actor_name),
    actorKeyId: row.actor_key_id,
    subject: row.subject && toNamedPerson(row.subject_user_id, row.subject_name),
    subjectKey: row.subject_key,
    sealedConversationId: row.sealed_conversation_id,
  };
}

function toNamedPerson(id: string | null, user: string | null): NamedPerson {
  return { userId: id === null ? null : Number(id), user };
}
