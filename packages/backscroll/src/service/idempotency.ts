import { setTimeout as delay } from "node:timers/promises";
import { BackscrollError } from "../domain/errors.ts";
import { logText } from "../domain/logged-error.ts";
import { mintId } from "../domain/ids.ts";
import {
  answerIdempotencyKey,
  claimIdempotencyKey,
  releaseIdempotencyKey,
  renewIdempotencyKey,
  type StoredResponse,
} from "../postgres/idempotency.ts";
import type { Deps } from "./deps.ts";

export type { StoredResponse } from "../postgres/idempotency.ts";

/** A process that has not said for so long that it lives is taken for dead, and a retry takes its request over. */
const RUNNING_MS = 10_000;
const RENEW_MS = 3_000;
/** Further back than a time is rounded. */
const NEVER_RUNNING_MS = -1_000;
/** How long a retry waits for the first try's answer. */
const JOIN_MS = 30_000;

export interface KeyedRequest {
  readonly userId: number;
  /** 1 to 255 printable ASCII characters */
  readonly key: string;
  /** SHA-256 of everything that makes it this request */
  readonly requestHash: Buffer;
}

/**
 * Makes a request exactly-once: the first one runs, every other one with its key gets its answer, waiting for it
 * if need be. What `run` creates takes its ids from the seed, which a second try after a crash gets again: so it
 * meets what the first one stored instead of storing it twice.
 *
 * @param run answers; one that throws, or whose answer a retry may better (5xx, 429), is not kept
 * @throws {BackscrollError} idempotency_key_reused, idempotency_key_in_progress
 */
export async function runOnce(
  deps: Deps,
  request: KeyedRequest,
  run: (seed: string) => Promise<StoredResponse>,
): Promise<{ response: StoredResponse; replayed: boolean }> {
  const deadline = Date.now() + JOIN_MS;
  for (let waitMs = 20; ; waitMs = Math.min(waitMs * 2, 500)) {
    const claim = await claimIdempotencyKey(deps.db, request, {
      seed: mintId(),
      runningMs: RUNNING_MS,
      keepMs: deps.settings.idempotencyKeepMs,
    });
    switch (claim.state) {
      case "answered":
        return { response: claim.response, replayed: true };
      case "reused":
        throw keyReused();
      case "claimed":
        return { response: await runClaimed(deps, { ...request, seed: claim.seed }, run), replayed: false };
      case "running":
        if (Date.now() > deadline) {
          throw new BackscrollError(
            "idempotency_key_in_progress",
            "the first request with this Idempotency-Key is still running: try again later",
            { retryAfterSeconds: 5 },
          );
        }
        await delay(waitMs);
    }
  }
}

/**
 * The same for a request that its own ids make exactly-once, once they are taken from the key: a turn. Nothing of it is
 * kept, and a second try does not wait for the first.
 *
 * @returns the seed of its ids
 * @throws {BackscrollError} idempotency_key_reused
 */
export async function claimSeed(deps: Deps, request: KeyedRequest): Promise<string> {
  for (;;) {
    const claim = await claimIdempotencyKey(deps.db, request, {
      seed: mintId(),
      runningMs: NEVER_RUNNING_MS,
      keepMs: deps.settings.idempotencyKeepMs,
    });
    if (claim.state === "reused") throw keyReused();
    // Otherwise somebody claimed it at the same moment: it is there now.
    if (claim.state !== "running") return claim.seed;
  }
}

function keyReused(): BackscrollError {
  return new BackscrollError(
    "idempotency_key_reused",
    "this Idempotency-Key was used with another request: use a new key",
  );
}

async function runClaimed(
  deps: Deps,
  claimed: { userId: number; key: string; seed: string },
  run: (seed: string) => Promise<StoredResponse>,
): Promise<StoredResponse> {
  const renewal = setInterval(() => {
    // One that fails is made up for by the next.
    renewIdempotencyKey(deps.db, claimed, RUNNING_MS).catch((error: unknown) =>
      deps.log.warn({ error: logText(error) }, "an Idempotency-Key could not be renewed"),
    );
  }, RENEW_MS);
  try {
    const response = await run(claimed.seed);
    if (response.status < 500 && response.status !== 429) await answerIdempotencyKey(deps.db, claimed, response);
    else await releaseIdempotencyKey(deps.db, claimed);
    return response;
  } catch (error) {
    await releaseIdempotencyKey(deps.db, claimed);
    throw error;
  } finally {
    clearInterval(renewal);
  }
}
