import type { Identity } from "./user.ts";

/** A browser that is logged in. */
export interface Login {
  readonly user: Identity;
  /** the key it was made with: it ends with it */
  readonly keyId: string | null;
  readonly isAdmin: boolean;
  /** the conversation that its token named */
  readonly conversationClaim: string | null;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** What a login's cookie looks like: 32 random bytes. */
export const LOGIN_PATTERN = /^[A-Za-z0-9_-]{43}$/;
