import type { Identity } from "../domain/user.ts";
import type { Queryable } from "./pool.ts";

/** How long a person's erasure is remembered: until then credentials from before it are refused. */
const REMEMBERED = "interval '24 hours'";

/** Whether somebody is here, under whatever email, and whether they may be. */
export interface UserState {
  readonly user: { readonly id: number; readonly email: string | null; readonly isErasing: boolean } | null;
  /** when somebody of this name was last erased; null: not within a day */
  readonly erasedAt: Date | null;
}

/** @param identityHmac see `identityHmac` in `service/users.ts` */
export async function findUserState(
  db: Queryable,
  { issuer, subject }: Pick<Identity, "issuer" | "subject">,
  identityHmac: Buffer,
): Promise<UserState> {
  const [row] = await db.query<{
    id: string | null;
    email: string | null;
    is_erasing: boolean;
    erased_at: Date | null;
  }>({
    name: "find_user_state",
    text: `
      select u.id, u.email, u.erasing_at is not null as is_erasing,
             (select erased_at from erased_users
               where identity_hmac = $3 and erased_at > statement_timestamp() - ${REMEMBERED}) as erased_at
        from (select) as nobody left join users as u on u.issuer = $1 and u.subject = $2`,
    values: [issuer, subject, identityHmac],
  });
  if (!row) throw new Error("an outer join always returns a row");
  const { id, email, is_erasing: isErasing, erased_at: erasedAt } = row;
  return { user: id === null ? null : { id: Number(id), email, isErasing }, erasedAt };
}

/**
 * Makes a user, or gives a known one the email that their issuer says now.
 *
 * @param seenErasedAt as `findUserState` told it
 * @param keepsEmail a known one keeps theirs
 * @returns the user's number; null when somebody of this name is being erased, or was erased since that look
 */
export async function upsertUser(
  db: Queryable,
  { issuer, subject, email }: Identity,
  { identityHmac, seenErasedAt, keepsEmail }: { identityHmac: Buffer; seenErasedAt: Date | null; keepsEmail: boolean },
): Promise<number | null> {
  const [row] = await db.query<{ id: string }>({
    name: "upsert_user",
    text: `
      insert into users (issuer, subject, email)
      select $1, $2, $3
       where not exists (select from erased_users
                          where identity_hmac = $4 and erased_at > statement_timestamp() - ${REMEMBERED}
                            and erased_at is distinct from $5::timestamptz)
      on conflict on constraint users_issuer_subject_key do update
         set email = case when $6 then users.email else excluded.email end
       where users.erasing_at is null
      returning id`,
    values: [issuer, subject, email, identityHmac, seenErasedAt, keepsEmail],
  });
  return row ? Number(row.id) : null;
}

/** @returns how many erasures it forgot, at most `limit` */
export async function deleteOldErasures(db: Queryable, limit: number): Promise<number> {
  const rows = await db.query({
    name: "delete_old_erasures",
    text: `
      delete from erased_users where identity_hmac in (
        select identity_hmac from erased_users where erased_at <= statement_timestamp() - ${REMEMBERED}
         limit $1 for update skip locked)
      returning identity_hmac`,
    values: [limit],
  });
  return rows.length;
}

export async function findUser(
  db: Queryable,
  { issuer, subject }: Pick<Identity, "issuer" | "subject">,
): Promise<{ id: number; email: string | null } | null> {
  const [row] = await db.query<{ id: string; email: string | null }>({
    name: "find_user",
    text: "select id, email from users where issuer = $1 and subject = $2",
    values: [issuer, subject],
  });
  return row ? { id: Number(row.id), email: row.email } : null;
}

/** @returns null when there is no such user */
export async function findIdentity(db: Queryable, userId: number): Promise<Identity | null> {
  const [row] = await db.query<{ issuer: string; subject: string; email: string | null }>({
    name: "find_identity",
    text: "select issuer, subject, email from users where id = $1",
    values: [userId],
  });
  return row ?? null;
}

/** @returns everybody known, in the order they came */
export async function listUsers(db: Queryable): Promise<(Identity & { id: number })[]> {
  const rows = await db.query<{ id: string } & Identity>({
    name: "list_users",
    text: "select id, issuer, subject, email from users order by id",
    values: [],
  });
  return rows.map(({ id, issuer, subject, email }) => ({ id: Number(id), issuer, subject, email }));
}
