import { createLocalJWKSet, createRemoteJWKSet, errors, type JWTVerifyGetKey } from "jose";
import { BackscrollError } from "../domain/errors.ts";
import { logText } from "../domain/logged-error.ts";
import type { Deps } from "../service/deps.ts";

/** Beside the requests: a key that the provider no longer shows is refused so much later at most. */
const REFRESH_MS = 600_000;
/** How long keys are good that cannot be read again: a provider may be away for as long. */
const KEEP_MS = 3_600_000;
const TIMEOUT_MS = 5_000;
/** Between attempts, while the provider does not answer. */
const RETRY_MS = 5_000;
/** A key that nobody has seen is looked for at once, but no more often: anybody may make one up. */
const UNKNOWN_KEY_MS = 10_000;

/**
 * The keys that a provider signs tokens with, read when they are needed and kept.
 *
 * @param options `unknownKeyMs` and `refreshMs` are shorter in tests
 * @returns what throws identity_provider_unavailable as long as the keys cannot be read
 */
export function createRemoteKeys(
  { log }: Pick<Deps, "log">,
  url: string,
  { unknownKeyMs = UNKNOWN_KEY_MS, refreshMs = REFRESH_MS }: { unknownKeyMs?: number; refreshMs?: number } = {},
): JWTVerifyGetKey {
  const keys = createRemoteJWKSet(new URL(url), {
    timeoutDuration: TIMEOUT_MS,
    cooldownDuration: unknownKeyMs,
    cacheMaxAge: KEEP_MS,
  });
  const retryMs = Math.min(RETRY_MS, refreshMs);
  let nextRefreshAt = 0;
  let failedAt = Number.NEGATIVE_INFINITY;
  /** finds among the keys that were read before the provider failed; null: none were */
  let findKnown: JWTVerifyGetKey | null = null;
  const onFailure = (error: unknown): void => {
    failedAt = Date.now();
    nextRefreshAt = failedAt + retryMs;
    const known = keys.fresh ? keys.jwks() : undefined;
    findKnown = known ? createLocalJWKSet(known) : null;
    const reason = logText(error instanceof Error ? (error.cause ?? error) : error);
    log.warn({ error: reason }, "the keys of JWT_JWKS_URL cannot be read");
  };
  return async (header, token) => {
    const now = Date.now();
    // It would be asked again for every key that it has not shown, and anybody may make one up.
    const find = now - failedAt < retryMs ? findKnown : keys;
    if (find === null) throw unavailable();
    if (now >= nextRefreshAt) {
      nextRefreshAt = now + refreshMs;
      if (keys.fresh) keys.reload().catch(onFailure);
    }
    try {
      return await find(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSMultipleMatchingKeys) throw error;
      const isUnknown = error instanceof errors.JWKSNoMatchingKey;
      if (isUnknown && find === keys) throw error;
      if (!isUnknown) onFailure(error);
      throw unavailable(error);
    }
  };
}

function unavailable(cause?: unknown): BackscrollError {
  return new BackscrollError(
    "identity_provider_unavailable",
    "the token cannot be checked: its issuer's keys cannot be read just now",
    { retryAfterSeconds: RETRY_MS / 1_000 },
    { cause },
  );
}
