import type { Identity } from "./user.ts";

/** own: its owner's history. admin: may act for everybody, and sees what only admins see */
export const KEY_SCOPES = ["own", "admin"] as const;
export type KeyScope = (typeof KEY_SCOPES)[number];

/** A key as it is stored: the secret itself is nowhere. */
export interface ApiKey {
  readonly id: string;
  /** who is answerable for what it does */
  readonly user: Identity;
  readonly name: string;
  readonly scope: KeyScope;
  readonly createdAt: Date;
  /** to the minute */
  readonly lastUsedAt: Date | null;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
}

/** Tells a key from a token, and lets scanners of leaked secrets find it. */
export const KEY_PREFIX = "bsk_";
/** 32 random bytes follow. */
export const KEY_PATTERN = /^bsk_[A-Za-z0-9_-]{43}$/;
