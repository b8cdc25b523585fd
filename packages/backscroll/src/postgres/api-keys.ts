import type { ApiKey, KeyScope } from "../domain/api-key.ts";
import type { Queryable } from "./pool.ts";

// A key is looked for before it is known whose it is: these statements name no owner.

interface Row {
  id: string;
  name: string;
  scope: KeyScope;
  created_at: Date;
  last_used_at: Date | null;
  expires_at: Date | null;
  revoked_at: Date | null;
  issuer: string;
  subject: string;
  email: string | null;
}

export interface NewApiKey {
  readonly id: string;
  readonly userId: number;
  readonly name: string;
  readonly scope: KeyScope;
  readonly sha256: Buffer;
  readonly expiresAt: Date | null;
}

/** @returns null when the user has gone meanwhile */
export async function insertApiKey(db: Queryable, key: NewApiKey): Promise<ApiKey | null> {
  const [row] = await db.query<Row>({
    name: "insert_api_key",
    text: `
      with owner as (
        select id, issuer, subject, email from users where id = $2
      ), stored as (
        insert into api_keys (id, user_id, name, scope, key_sha256, expires_at)
        select $1, owner.id, $3, $4, $5, $6 from owner
        returning id, name, scope, created_at, last_used_at, expires_at, revoked_at
      )
      select stored.*, owner.issuer, owner.subject, owner.email from stored, owner`,
    values: [key.id, key.userId, key.name, key.scope, key.sha256, key.expiresAt],
  });
  return row ? toApiKey(row) : null;
}

/** @returns null for a key that was never there, or was revoked; one that has expired is found */
export async function findApiKey(db: Queryable, sha256: Buffer): Promise<ApiKey | null> {
  const [row] = await db.query<Row>({
    name: "find_api_key",
    text: `
      select api_keys.id, name, scope, api_keys.created_at, last_used_at, expires_at, revoked_at,
             issuer, subject, email
        from api_keys join users on users.id = user_id
       where key_sha256 = $1 and revoked_at is null`,
    values: [sha256],
  });
  return row ? toApiKey(row) : null;
}

/** @returns every key, revoked and expired ones too, in the order they were made */
export async function listApiKeys(db: Queryable): Promise<ApiKey[]> {
  const rows = await db.query<Row>({
    name: "list_api_keys",
    text: `
      select api_keys.id, name, scope, api_keys.created_at, last_used_at, expires_at, revoked_at,
             issuer, subject, email
        from api_keys join users on users.id = user_id
       order by api_keys.created_at, api_keys.id`,
    values: [],
  });
  return rows.map(toApiKey);
}

/** @returns the time of the first revocation; null when there is no such key */
export async function revokeApiKey(db: Queryable, id: string): Promise<Date | null> {
  const [row] = await db.query<{ revoked_at: Date }>({
    name: "revoke_api_key",
    text: `
      update api_keys set revoked_at = coalesce(revoked_at, statement_timestamp()) where id = $1
      returning revoked_at`,
    values: [id],
  });
  return row?.revoked_at ?? null;
}

/** At most once a minute, however many servers notice that it is used. */
export async function updateKeyUse(db: Queryable, id: string): Promise<void> {
  await db.query({
    name: "update_key_use",
    text: `
      update api_keys set last_used_at = statement_timestamp()
       where id = $1 and (last_used_at is null or last_used_at < statement_timestamp() - interval '1 minute')`,
    values: [id],
  });
}

/** @returns whether any key would be accepted now */
export async function hasUsableApiKey(db: Queryable): Promise<boolean> {
  const rows = await db.query({
    name: "has_usable_api_key",
    text: `
      select 1 from api_keys
       where revoked_at is null and (expires_at is null or expires_at > statement_timestamp()) limit 1`,
    values: [],
  });
  return rows.length > 0;
}

function toApiKey(row: Row): ApiKey {
  return {
    id: row.id,
    user: { issuer: row.issuer, subject: row.subject, email: row.email },
    name: row.name,
    scope: row.scope,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
  };
}
