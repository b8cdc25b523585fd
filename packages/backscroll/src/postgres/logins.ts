import type { Login } from "../domain/login.ts";
import type { Queryable } from "./pool.ts";

// A login is looked for before it is known whose it is: these statements name no owner.

export interface NewLogin extends Pick<Login, "keyId" | "isAdmin" | "conversationClaim" | "expiresAt"> {
  readonly sha256: Buffer;
  readonly userId: number;
}

export async function insertLogin(db: Queryable, login: NewLogin): Promise<void> {
  await db.query({
    name: "insert_login",
    text: `
      insert into logins (cookie_sha256, user_id, api_key_id, is_admin, conversation_claim, expires_at)
      values ($1, $2, $3, $4, $5, $6)`,
    values: [login.sha256, login.userId, login.keyId, login.isAdmin, login.conversationClaim, login.expiresAt],
  });
}

/** @returns null for one that has ended: by logging out, or with its key; one that has expired may be found */
export async function findLogin(db: Queryable, sha256: Buffer): Promise<Login | null> {
  const [row] = await db.query<{
    issuer: string;
    subject: string;
    email: string | null;
    api_key_id: string | null;
    is_admin: boolean;
    conversation_claim: string | null;
    created_at: Date;
    expires_at: Date;
  }>({
    name: "find_login",
    text: `
      select issuer, subject, email, api_key_id, is_admin, conversation_claim, logins.created_at, logins.expires_at
        from logins join users on users.id = logins.user_id left join api_keys on api_keys.id = api_key_id
       where cookie_sha256 = $1 and revoked_at is null`,
    values: [sha256],
  });
  if (!row) return null;
  return {
    user: { issuer: row.issuer, subject: row.subject, email: row.email },
    keyId: row.api_key_id,
    isAdmin: row.is_admin,
    conversationClaim: row.conversation_claim,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  };
}

export async function deleteLogin(db: Queryable, sha256: Buffer): Promise<void> {
  await db.query({ name: "delete_login", text: "delete from logins where cookie_sha256 = $1", values: [sha256] });
}

/** @returns how many of them it deleted */
export async function deleteExpiredLogins(db: Queryable, limit: number): Promise<number> {
  const rows = await db.query({
    name: "delete_expired_logins",
    text: `
      delete from logins where cookie_sha256 in (
        select cookie_sha256 from logins where expires_at <= statement_timestamp()
         order by expires_at limit $1 for update skip locked)
      returning user_id`,
    values: [limit],
  });
  return rows.length;
}
