import { parse } from "hono/utils/cookie";
import { KEY_PREFIX } from "../domain/api-key.ts";
import { BackscrollError } from "../domain/errors.ts";
import type { FindApiKey } from "../service/api-keys.ts";
import type { Logins } from "../service/logins.ts";
import type { Credentials, FindCredentials, IsAdmin } from "./auth.ts";
import { checkOrigin, type OwnOrigins } from "./origin.ts";
import type { VerifyToken } from "./token-auth.ts";

/** What knows the credentials of each kind. */
export interface CredentialSources {
  /** null: tokens are not accepted */
  readonly verifyToken: VerifyToken | null;
  readonly findKey: FindApiKey;
  readonly logins: Logins;
  readonly isAdmin: IsAdmin;
  readonly cookieName: string;
  readonly origins: OwnOrigins;
}

/** Valid credentials, and until when they are. */
export interface Proof {
  readonly credentials: Credentials;
  /** null: until they are revoked */
  readonly expiresAt: Date | null;
}

/**
 * Looks for a header's token or key first. One that is not valid is refused: the cookie is not tried in its place, for
 * it may be somebody else's.
 *
 * @returns null when the request carries none, or the cookie of a login that has ended
 */
export function createFindCredentials(sources: CredentialSources): FindCredentials {
  return async (request) => {
    const secret = secretInHeaders(request.headers);
    if (secret !== null) return (await prove(sources, secret)).credentials;
    const cookie = cookieOf(request, sources.cookieName);
    if (cookie === null) return null;
    if (!SAFE_METHODS.has(request.method)) checkOrigin(request, sources.origins);
    return credentialsOfLogin(sources, cookie);
  };
}

/** They change nothing (RFC 9110, 9.2.1), and another site's page cannot read their answers. */
const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** @throws {BackscrollError} unauthenticated, when the headers do not name one credential in a way that is known */
function secretInHeaders(headers: Headers): string | null {
  const key = headers.get("x-api-key");
  const authorization = headers.get("authorization");
  if (authorization === null) {
    if (key !== null && !key.startsWith(KEY_PREFIX))
      throw refused("x-api-key must be a key of `backscroll key create`");
    return key;
  }
  if (key !== null) throw refused("send either authorization or x-api-key");
  const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  if (token === undefined) throw refused("authorization must be: Bearer, a space, and a token or a key");
  return token;
}

export function cookieOf(request: Request, name: string): string | null {
  return parse(request.headers.get("cookie") ?? "", name)[name] ?? null;
}

/**
 * @param secret a token or a key
 * @throws {BackscrollError} unauthenticated, saying why; identity_provider_unavailable
 */
export async function prove({ verifyToken, findKey, isAdmin }: CredentialSources, secret: string): Promise<Proof> {
  if (secret.startsWith(KEY_PREFIX) || verifyToken === null) {
    const key = await findKey(secret);
    if (key === null) throw refused("there is no such key, or it was revoked or has expired");
    const { id: keyId, user, createdAt: issuedAt, expiresAt, scope } = key;
    const every = scope === "admin";
    const credentials = { user, issuedAt, keyId, mayActForOthers: every, isAdmin: every, isLogin: false };
    return { credentials: { ...credentials, conversationClaim: null }, expiresAt };
  }
  const { user, issuedAt, expiresAt, conversationClaim } = await verifyToken(secret);
  const credentials = { user, issuedAt, keyId: null, mayActForOthers: false, isAdmin: isAdmin(user), isLogin: false };
  return { credentials: { ...credentials, conversationClaim }, expiresAt };
}

async function credentialsOfLogin({ logins, isAdmin }: CredentialSources, cookie: string): Promise<Credentials | null> {
  const login = await logins.find(cookie);
  if (login === null) return null;
  const { user, createdAt: issuedAt, keyId, conversationClaim } = login;
  return {
    user,
    issuedAt,
    keyId,
    // That is for backends: a page that is tricked would act for everybody.
    mayActForOthers: false,
    // Who is no longer in ADMINS is no longer one.
    isAdmin: login.isAdmin && (keyId !== null || isAdmin(user)),
    isLogin: true,
    conversationClaim,
  };
}

function refused(reason: string): BackscrollError {
  return new BackscrollError("unauthenticated", reason);
}
