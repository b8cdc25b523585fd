import type { Identity } from "../domain/user.ts";
import type { Queryable } from "./pool.ts";

/** @returns the user's number, made on first sight; the stored email follows what the issuer says */
export async function upsertUser(db: Queryable, { issuer, subject, email }: Identity): Promise<number> {
  // A plain look first: an upsert would write, and use up a number, every time.
  const known = await findUser(db, { issuer, subject });
  if (known !== null && known.email === email) return known.id;
  const [row] = await db.query<{ id: string }>({
    name: "upsert_user",
    text: `
      insert into users (issuer, subject, email) values ($1, $2, $3)
      on conflict on constraint users_issuer_subject_key do update set email = excluded.email
      returning id`,
    values: [issuer, subject, email],
  });
  if (!row) throw new Error("an upsert always returns a row");
  return Number(row.id);
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

/** @returns everybody known, in the order they came */
export async function listUsers(db: Queryable): Promise<(Identity & { id: number })[]> {
  const rows = await db.query<{ id: string } & Identity>({
    name: "list_users",
    text: "select id, issuer, subject, email from users order by id",
    values: [],
  });
  return rows.map(({ id, issuer, subject, email }) => ({ id: Number(id), issuer, subject, email }));
}
