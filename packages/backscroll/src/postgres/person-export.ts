import type { Identity } from "../domain/user.ts";
import type { Queryable } from "./pool.ts";

/** @returns null when there is no such user */
export async function findUserToExport(
  db: Queryable,
  userId: number,
): Promise<(Identity & { readonly created_at: Date }) | null> {
  const [row] = await db.query<Identity & { created_at: Date }>({
    name: "find_user_to_export",
    text: "select issuer, subject, email, created_at from users where id = $1",
    values: [userId],
  });
  return row ?? null;
}

/**
 * What a person has beside conversations, as their export shows it: pages of a list in the order of its key. `after` is
 * the last row's `key`; null: from the first.
 */
interface ExportedRow {
  readonly key: readonly unknown[];
  readonly item: object;
}
export type ListExported = (
  db: Queryable,
  userId: number,
  page: { readonly after: readonly unknown[] | null; readonly limit: number },
) => Promise<readonly ExportedRow[]>;

export const listSessionsToExport: ListExported = async (db, userId, { after, limit }) => {
  const rows = await db.query<{ session_id: string }>({
    name: "list_sessions_to_export",
    text: `
      select s.session_id, coalesce(c.client_id, c.id::text) as conversation_id, s.context, s.created_at, s.updated_at,
             s.expires_at
        from sessions as s join conversations as c on c.user_id = s.user_id and c.id = s.conversation_id
       where s.user_id = $1 and ($2::text is null or s.session_id > $2)
       order by s.session_id limit $3`,
    values: [userId, after?.[0] ?? null, limit],
  });
  return rows.map((item) => ({ key: [item.session_id], item }));
};

export const listUsageToExport: ListExported = async (db, userId, { after, limit }) => {
  const rows = await db.query<{ day: string; role: string; model: string; messages: string; tokens_used: string }>({
    name: "list_usage_to_export",
    text: `
      select to_char(day, 'YYYY-MM-DD') as day, role, model, messages, tokens_used from usage_daily
       where user_id = $1 and ($2::date is null or (usage_daily.day, role, model) > ($2, $3, $4))
       order by usage_daily.day, role, model limit $5`,
    values: [userId, after?.[0] ?? null, after?.[1] ?? null, after?.[2] ?? null, limit],
  });
  return rows.map(({ day, role, model, messages, tokens_used }) => ({
    key: [day, role, model],
    item: {
      day,
      role,
      model: model === "" ? null : model,
      messages: Number(messages),
      tokens_used: Number(tokens_used),
    },
  }));
};

/** Never the hash. */
export const listApiKeysToExport: ListExported = async (db, userId, { after, limit }) => {
  const rows = await db.query<{ id: string }>({
    name: "list_api_keys_to_export",
    text: `
      select id, name, scope, created_at, last_used_at, expires_at, revoked_at from api_keys
       where user_id = $1 and ($2::uuid is null or id > $2) order by id limit $3`,
    values: [userId, after?.[0] ?? null, limit],
  });
  return rows.map((item) => ({ key: [item.id], item }));
};

/** Browsers that are logged in; never the cookie's hash. */
export const listLoginsToExport: ListExported = async (db, userId, { after, limit }) => {
  const rows = await db.query<{ cookie_sha256: Buffer }>({
    name: "list_logins_to_export",
    text: `
      select cookie_sha256, api_key_id, is_admin, conversation_claim, created_at, expires_at from logins
       where user_id = $1 and ($2::bytea is null or cookie_sha256 > $2) order by cookie_sha256 limit $3`,
    values: [userId, after?.[0] ?? null, limit],
  });
  return rows.map(({ cookie_sha256, ...item }) => ({ key: [cookie_sha256], item }));
};
