import { hash, randomBytes } from "node:crypto";
import { LRUCache } from "lru-cache";

/** @returns 32 random bytes, as 43 characters */
export function mintSecret(): string {
  return randomBytes(32).toString("base64url");
}

/** @returns what is stored of a secret. Nobody can guess one: a slow hash, as passwords need it, would protect nothing. */
export function hashSecret(secret: string): Buffer {
  return hash("sha256", secret, "buffer");
}

const REMEMBERED_MAX = 10_000;

/** What a secret opens, looked up once in a while. */
export interface RememberedSecrets<Found> {
  find(secret: string): Promise<Found | null>;
  /** Lets the next `find` look again. */
  forget(secret: string): void;
}

/**
 * Keeps what was found from the moment it was asked for: whatever ends it in the database, here it ends `ttlMs` later
 * at most. Who asks meanwhile shares the lookup. What was not found is not kept.
 */
export function rememberSecrets<Found extends object>(
  ttlMs: number,
  load: (sha256: Buffer) => Promise<Found | null>,
): RememberedSecrets<Found> {
  const known = new LRUCache<string, Promise<Found | null>>({ max: REMEMBERED_MAX, ttl: ttlMs });
  return {
    async find(secret) {
      const sha256 = hashSecret(secret);
      const key = sha256.toString("base64");
      const before = known.get(key);
      if (before) return before;
      const asked = load(sha256);
      known.set(key, asked);
      const drop = (): void => void (known.peek(key) === asked && known.delete(key));
      asked.then((found) => found ?? drop(), drop);
      return asked;
    },
    forget(secret) {
      known.delete(hashSecret(secret).toString("base64"));
    },
  };
}
