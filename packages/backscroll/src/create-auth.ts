import { type Config, isAuthRequired } from "./config.ts";
import { type Authenticate, type Credentials, credentialsOfHost, type FindCredentials } from "./http/auth.ts";
import { authenticateLocally } from "./http/local-auth.ts";
import type { Deps } from "./service/deps.ts";

/** Chooses how callers say who they are: to the host that mounts this, as configured, or not at all. */
export function createAuth(
  config: Config,
  _deps: Deps,
  authenticate: Authenticate | undefined,
): { readonly findCredentials: FindCredentials; readonly isLocal: boolean } {
  if (authenticate) return { findCredentials: credentialsOfHost(authenticate), isLocal: false };
  if (!isAuthRequired(config)) return { findCredentials: findLocalCredentials, isLocal: true };
  throw new Error("not there yet");
}

/** Whoever reaches a service on loopback is its operator. */
function findLocalCredentials(request: Request): Promise<Credentials> {
  const user = authenticateLocally(request);
  const local = { issuedAt: null, keyId: null, conversationClaim: null };
  return Promise.resolve({ user, mayActForOthers: false, isAdmin: true, ...local });
}
