import { type ApiKey, KEY_PATTERN, KEY_PREFIX, type KeyScope } from "../domain/api-key.ts";
import { BackscrollError } from "../domain/errors.ts";
import { logText } from "../domain/logged-error.ts";
import { mintId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { UserName } from "../domain/user.ts";
import * as stored from "../postgres/api-keys.ts";
import { Problems } from "./check.ts";
import type { Deps } from "./deps.ts";
import { hashSecret, mintSecret, rememberSecrets } from "./secret.ts";
import { resolveUser } from "./users.ts";

export type { ApiKey, KeyScope } from "../domain/api-key.ts";

/** A revoked key is accepted for so long at most, on every server: a promise of `docs/security.md`. */
const REMEMBERED_MS = 5_000;
const USE_INTERVAL_MS = 60_000;

export interface ApiKeyRequest {
  /** what people call it, 200 characters at most; may be empty */
  readonly name: string;
  readonly scope: KeyScope;
  /** null: never */
  readonly expiresAt: Date | null;
}

/**
 * @param user who is answerable for what the key does; made on first sight
 * @returns the key itself: it is told here once and stored as its hash
 * @throws {BackscrollError} invalid_request, user_erased
 */
export async function createApiKey(
  deps: Deps,
  user: UserName,
  { name, scope, expiresAt }: ApiKeyRequest,
): Promise<{ secret: string; apiKey: ApiKey }> {
  const problems = new Problems();
  problems.text("name", name, { charsMax: LIMITS.keyNameCharsMax });
  problems.throwIfAny();
  const userId = await resolveUser(deps, user);
  const secret = `${KEY_PREFIX}${mintSecret()}`;
  const key = { id: mintId(), userId, name, scope, sha256: hashSecret(secret), expiresAt };
  const apiKey = await stored.insertApiKey(deps.db, key);
  if (!apiKey) throw new BackscrollError("user_erased", "this person was erased just now");
  return { secret, apiKey };
}

/** @returns every key, revoked and expired ones too, in the order they were made */
export async function listApiKeys({ db }: Pick<Deps, "db">): Promise<ApiKey[]> {
  return stored.listApiKeys(db);
}

/**
 * Every server refuses the key, and ends the logins made with it, within 5 seconds.
 *
 * @returns since when it is revoked; null when there is no such key
 */
export async function revokeApiKey({ db }: Pick<Deps, "db">, id: string): Promise<Date | null> {
  return stored.revokeApiKey(db, id);
}

/** @returns whether any key would be accepted now */
export async function hasUsableApiKey({ db }: Pick<Deps, "db">): Promise<boolean> {
  return stored.hasUsableApiKey(db);
}

/** @returns null for what is no key, or one that was revoked or has expired */
export type FindApiKey = (secret: string) => Promise<ApiKey | null>;

export function createApiKeyFinder(deps: Deps): FindApiKey {
  const keys = rememberSecrets(REMEMBERED_MS, async (sha256) => {
    const key = await stored.findApiKey(deps.db, sha256);
    if (key && !hasExpired(key)) noteUse(deps, key);
    return key;
  });
  return async (secret) => {
    if (!KEY_PATTERN.test(secret)) return null;
    const key = await keys.find(secret);
    return key && !hasExpired(key) ? key : null;
  };
}

function hasExpired({ expiresAt }: ApiKey): boolean {
  return expiresAt !== null && expiresAt.getTime() <= Date.now();
}

/** Beside the request: nobody waits for it, and one that fails is made up for by the next. */
function noteUse(deps: Deps, { id, lastUsedAt }: ApiKey): void {
  if (lastUsedAt !== null && Date.now() - lastUsedAt.getTime() < USE_INTERVAL_MS) return;
  const noted = deps.track(stored.updateKeyUse(deps.db, id));
  noted.catch((error: unknown) =>
    deps.log.warn({ keyId: id, error: logText(error) }, "the use of a key was not noted"),
  );
}
