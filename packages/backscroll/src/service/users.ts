import { type Identity, toIdentity, type UserName } from "../domain/user.ts";
import { findUser as findStoredUser, upsertUser } from "../postgres/users.ts";
import { checkIdentity } from "./check.ts";
import type { Deps } from "./deps.ts";

/**
 * @param issuedAt of the credentials that name the user; null: now
 * @returns the user's number, made on first sight
 * @throws {BackscrollError} invalid_request, database_unavailable
 */
export async function resolveUser(
  deps: Deps,
  user: UserName,
  { issuedAt: _issuedAt = null }: { issuedAt?: Date | null } = {},
): Promise<number> {
  const identity = toIdentity(user);
  const key = cacheKey(identity);
  const known = deps.userIds.get(key);
  if (known !== undefined) return known;
  checkIdentity(identity);
  const id = await upsertUser(deps.db, identity);
  deps.userIds.set(key, id);
  return id;
}

/** @returns the user's number; null when nobody of this name was ever here */
export async function findUser(deps: Deps, user: UserName): Promise<number | null> {
  return (await findStoredUser(deps.db, toIdentity(user)))?.id ?? null;
}

/** The email is part of it: when the issuer says another one, the stored one follows. */
function cacheKey({ issuer, subject, email }: Identity): string {
  return JSON.stringify([issuer, subject, email]);
}
