import { type Config, isAuthRequired } from "./config.ts";
import { LOCAL_ISSUER, toIdentity } from "./domain/user.ts";
import {
  type Authenticate,
  type Credentials,
  credentialsOfHost,
  type FindCredentials,
  type IsAdmin,
} from "./http/auth.ts";
import { createFindCredentials, type CredentialSources } from "./http/credentials.ts";
import { authenticateLocally } from "./http/local-auth.ts";
import { loginCookieName, type LoginOptions } from "./http/login.ts";
import { createTokenVerifier, type TokenSettings } from "./http/token-auth.ts";
import { createRemoteKeys } from "./http/token-keys.ts";
import { createApiKeyFinder } from "./service/api-keys.ts";
import type { Deps } from "./service/deps.ts";
import { createLogins } from "./service/logins.ts";

/** How callers say who they are. */
export interface Auth {
  readonly findCredentials: FindCredentials;
  /** null: nobody logs in */
  readonly login: LoginOptions | null;
  /** everybody on this machine is one user */
  readonly isLocal: boolean;
  /** for people */
  readonly description: string;
}

const DAY_MS = 86_400_000;

/** Chooses how callers say who they are: to the host that mounts this, as configured, or not at all. */
export function createAuth(config: Config, deps: Deps, authenticate: Authenticate | undefined): Auth {
  const isAdmin = createIsAdmin(config.admins);
  if (authenticate) {
    const findCredentials = credentialsOfHost(authenticate, isAdmin);
    return { findCredentials, login: null, isLocal: false, description: "those of the host" };
  }
  if (!isAuthRequired(config)) {
    const description = "no authentication: everybody on this machine is you@localhost";
    return { findCredentials: findLocalCredentials, login: null, isLocal: true, description };
  }
  const secure = config.publicUrl?.startsWith("https://") ?? false;
  const tokens = tokenSettings(config, deps);
  const sources: CredentialSources = {
    verifyToken: tokens && createTokenVerifier(tokens),
    findKey: createApiKeyFinder(deps),
    logins: createLogins(deps),
    isAdmin,
    cookieName: loginCookieName({ secure }),
    origins: { publicUrl: config.publicUrl, corsOrigins: config.corsOrigins },
  };
  return {
    findCredentials: createFindCredentials(sources),
    login: { sources, loginMs: config.loginDays * DAY_MS, secure },
    isLocal: false,
    description: tokens ? `tokens (${describeTokens(config, tokens)}) and API keys` : "API keys",
  };
}

/** Only names that are an address, or whatever stands in its place: another issuer's may be somebody else's. */
function createIsAdmin(admins: readonly string[]): IsAdmin {
  const names = new Set(admins);
  return (user) => {
    const { issuer, subject } = toIdentity(user);
    return issuer === LOCAL_ISSUER && names.has(subject);
  };
}

/** Whoever reaches a service on loopback is its operator. */
async function findLocalCredentials(request: Request): Promise<Credentials> {
  const user = authenticateLocally(request);
  const local = { issuedAt: null, keyId: null, conversationClaim: null };
  return { user, mayActForOthers: false, isAdmin: true, isLogin: false, ...local };
}

/** @returns null when tokens are not configured */
function tokenSettings(config: Config, deps: Deps): TokenSettings | null {
  const { jwtSecret, jwtJwksUrl } = config;
  const key = jwtSecret ?? (jwtJwksUrl === undefined ? undefined : createRemoteKeys(deps, jwtJwksUrl));
  if (key === undefined) return null;
  return {
    key,
    algorithm: config.jwtAlgorithm ?? (jwtSecret === undefined ? "RS256" : "HS256"),
    issuer: config.jwtIssuer,
    audience: config.jwtAudience,
    userClaim: config.jwtEmailClaim,
    conversationClaim: config.sessionClaim,
    clockToleranceS: config.jwtClockToleranceS,
  };
}

function describeTokens({ jwtJwksUrl }: Config, { algorithm }: TokenSettings): string {
  if (jwtJwksUrl === undefined) return algorithm;
  const { origin, pathname } = new URL(jwtJwksUrl);
  return `${algorithm}, ${origin}${pathname}`;
}
