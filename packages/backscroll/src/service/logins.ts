import { type Login, LOGIN_PATTERN } from "../domain/login.ts";
import { deleteLogin, findLogin, insertLogin, type NewLogin } from "../postgres/logins.ts";
import type { Deps } from "./deps.ts";
import { hashSecret, mintSecret, rememberSecrets } from "./secret.ts";

export type { Login } from "../domain/login.ts";

/** What ends on another server, or with a key, is over here so much later at most. */
const REMEMBERED_MS = 5_000;

/** Browsers that are logged in, by the secret in their cookie. */
export interface Logins {
  /** @returns the cookie's secret: it is told here once and stored as its hash */
  open(login: Omit<NewLogin, "sha256">): Promise<string>;
  /** @returns null for what is no login, or one that has ended */
  find(secret: string): Promise<Login | null>;
  /** Ends it: here at once, on other servers within 5 seconds. */
  close(secret: string): Promise<void>;
}

export function createLogins({ db }: Deps): Logins {
  const logins = rememberSecrets(REMEMBERED_MS, (sha256) => findLogin(db, sha256));
  return {
    async open(login) {
      const secret = mintSecret();
      await insertLogin(db, { ...login, sha256: hashSecret(secret) });
      return secret;
    },
    async find(secret) {
      if (!LOGIN_PATTERN.test(secret)) return null;
      const login = await logins.find(secret);
      return login && login.expiresAt.getTime() > Date.now() ? login : null;
    },
    async close(secret) {
      await deleteLogin(db, hashSecret(secret));
      logins.forget(secret);
    },
  };
}
