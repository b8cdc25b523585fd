import { createHmac } from "node:crypto";
import { BackscrollError } from "../domain/errors.ts";
import { type Identity, toIdentity, type UserName } from "../domain/user.ts";
import { findUser as findStoredUser, findUserState, upsertUser } from "../postgres/users.ts";
import { checkIdentity } from "./check.ts";
import type { Deps } from "./deps.ts";

/** What a server remembers of somebody for a moment, so that a cached read asks nobody. */
export interface KnownUser {
  readonly id: number;
  /** when somebody of this name was last erased; null: not within a day */
  readonly erasedAt: Date | null;
}

/** How it is known who somebody is. */
export interface Vouching {
  /** of the credentials that name them; null: they are named now, by a host or this machine */
  readonly issuedAt?: Date | null;
  /** somebody else says so, and does not know whether they have come back */
  readonly isActedFor?: boolean;
  /** what names them says nothing of their address: one that is stored stays. A name that is text says nothing, either */
  readonly keepsEmail?: boolean;
}

/**
 * Somebody who was erased comes back as a new person, with credentials from after that: those from before, and
 * whoever acts for them, are refused for a day.
 *
 * @returns the user's number, made on first sight
 * @throws {BackscrollError} user_erased, invalid_request, database_unavailable
 */
export async function resolveUser(deps: Deps, user: UserName, vouching: Vouching = {}): Promise<number> {
  const identity = toIdentity(user);
  const key = cacheKey(identity);
  const remembered = deps.userIds.get(key);
  const isHere = remembered !== undefined && !deps.erasedUsers.has(remembered.id);
  const known = isHere
    ? remembered
    : await lookUp(deps, identity, typeof user === "string" ? { ...vouching, keepsEmail: true } : vouching);
  // Remembered or not: two credentials may name one person, and only one of them be from before.
  if (isFromBefore(known.erasedAt, vouching)) throw userErased();
  // Erased since it was looked up.
  if (deps.erasedUsers.has(known.id)) throw userErased({ retryAfterSeconds: RETRY_S });
  if (!isHere) deps.userIds.set(key, known);
  return known.id;
}

async function lookUp(deps: Deps, identity: Identity, vouching: Vouching): Promise<KnownUser> {
  checkIdentity(identity);
  const { keepsEmail = false } = vouching;
  const hmac = identityHmac(deps, identity);
  // Another round only for somebody who is erased at this moment.
  for (;;) {
    const { user, erasedAt } = await findUserState(deps.db, identity, hmac);
    if (user?.isErasing === true) throw userErased({ retryAfterSeconds: RETRY_S });
    if (isFromBefore(erasedAt, vouching)) throw userErased();
    if (user && (keepsEmail || user.email === identity.email)) return { id: user.id, erasedAt };
    const id = await upsertUser(deps.db, identity, { identityHmac: hmac, seenErasedAt: erasedAt, keepsEmail });
    if (id !== null) return { id, erasedAt };
  }
}

/** An erasure takes seconds; one whose server died is taken up within two minutes. */
const RETRY_S = 5;

function isFromBefore(erasedAt: Date | null, { issuedAt = null, isActedFor = false }: Vouching): boolean {
  if (erasedAt === null) return false;
  // Tokens say the second: one from that same second may be from before.
  return isActedFor || (issuedAt !== null && issuedAt.getTime() <= erasedAt.getTime());
}

export function userErased(details: { retryAfterSeconds?: number } = {}): BackscrollError {
  return new BackscrollError("user_erased", "this person was erased: log in again to begin anew", details);
}

/** @returns the user's number; null when nobody of this name was ever here */
export async function findUser(deps: Pick<Deps, "db">, user: UserName): Promise<number | null> {
  return (await findStoredUser(deps.db, toIdentity(user)))?.id ?? null;
}

/** @returns what is kept of an erased person for a day: it tells whether a name is theirs, and not which name it was */
export function identityHmac(
  { secret }: Pick<Deps, "secret">,
  { issuer, subject }: Pick<Identity, "issuer" | "subject">,
): Buffer {
  return createHmac("sha256", secret)
    .update(JSON.stringify(["erased person", issuer, subject]))
    .digest();
}

/** The email is part of it: when the issuer says another one, the stored one follows. */
function cacheKey({ issuer, subject, email }: Identity): string {
  return JSON.stringify([issuer, subject, email]);
}
