import type { Queryable } from "./pool.ts";

export interface StoredResponse {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
}

/** How the request with a key stands. */
export type IdempotencyClaim =
  /** ours to run; what it creates takes its ids from the seed */
  | { readonly state: "claimed"; readonly seed: string }
  | { readonly state: "answered"; readonly response: StoredResponse; readonly seed: string }
  | { readonly state: "running" }
  /** the key belongs to another request */
  | { readonly state: "reused" };

interface KeyRow {
  request_hash: Buffer;
  seed: string;
  response_status: number | null;
  response_type: string | null;
  response_body: Buffer | null;
  claimed: boolean;
}

/**
 * Claims a key for a request, or says how the request that has it stands. A request that died is taken over
 * after `runningMs`, with its seed.
 *
 * @param seed a new UUID, used when the key is new
 * @param runningMs negative: every try of the request may claim it, at the same time too
 */
export async function claimIdempotencyKey(
  db: Queryable,
  { userId, key, requestHash }: { userId: number; key: string; requestHash: Buffer },
  { seed, runningMs, keepMs }: { seed: string; runningMs: number; keepMs: number },
): Promise<IdempotencyClaim> {
  const [row] = await db.query<KeyRow>({
    name: "claim_idempotency_key",
    text: `
      with claimed as (
        insert into idempotency_keys as k (user_id, key, request_hash, seed, running_until, expires_at)
        values ($1, $2, $3, $4, statement_timestamp() + $5 * interval '1 ms', statement_timestamp() + $6 * interval '1 ms')
        on conflict on constraint idempotency_keys_pkey do update
           set request_hash = excluded.request_hash, running_until = excluded.running_until,
               expires_at = case when k.expires_at <= statement_timestamp() then excluded.expires_at else k.expires_at end,
               seed = case when k.expires_at <= statement_timestamp() then excluded.seed else k.seed end,
               response_status = null, response_type = null, response_body = null
         where k.expires_at <= statement_timestamp()
            or (k.response_status is null and k.request_hash = excluded.request_hash
                and k.running_until <= statement_timestamp())
        returning *
      )
      select request_hash, seed, response_status, response_type, response_body, true as claimed from claimed
      union all
      select request_hash, seed, response_status, response_type, response_body, false from idempotency_keys
       where user_id = $1 and key = $2 and not exists (select from claimed) and expires_at > statement_timestamp()`,
    values: [userId, key, requestHash, seed, runningMs, keepMs],
  });
  // Somebody else's claim committed after this statement's snapshot: it runs.
  if (!row) return { state: "running" };
  if (row.claimed) return { state: "claimed", seed: row.seed };
  if (!row.request_hash.equals(requestHash)) return { state: "reused" };
  if (row.response_status === null || row.response_type === null || row.response_body === null) {
    return { state: "running" };
  }
  return {
    state: "answered",
    seed: row.seed,
    response: { status: row.response_status, contentType: row.response_type, body: row.response_body },
  };
}

/** The request still runs. */
export async function renewIdempotencyKey(
  db: Queryable,
  { userId, key, seed }: { userId: number; key: string; seed: string },
  runningMs: number,
): Promise<void> {
  await db.query({
    name: "renew_idempotency_key",
    text: `
      update idempotency_keys set running_until = statement_timestamp() + $4 * interval '1 ms'
       where user_id = $1 and key = $2 and seed = $3 and response_status is null`,
    values: [userId, key, seed, runningMs],
  });
}

/** Keeps the answer for every retry. */
export async function answerIdempotencyKey(
  db: Queryable,
  { userId, key, seed }: { userId: number; key: string; seed: string },
  response: StoredResponse,
): Promise<void> {
  await db.query({
    name: "answer_idempotency_key",
    text: `
      update idempotency_keys set response_status = $4, response_type = $5, response_body = $6
       where user_id = $1 and key = $2 and seed = $3`,
    values: [userId, key, seed, response.status, response.contentType, response.body],
  });
}

/** The request failed in a way that a retry may mend: the next one runs it again, with the same seed. */
export async function releaseIdempotencyKey(
  db: Queryable,
  { userId, key, seed }: { userId: number; key: string; seed: string },
): Promise<void> {
  await db.query({
    name: "release_idempotency_key",
    text: `
      update idempotency_keys set running_until = statement_timestamp()
       where user_id = $1 and key = $2 and seed = $3 and response_status is null`,
    values: [userId, key, seed],
  });
}

/** @returns how many were deleted, at most `limit` */
export async function deleteExpiredIdempotencyKeys(db: Queryable, limit: number): Promise<number> {
  const rows = await db.query({
    name: "delete_expired_idempotency_keys",
    text: `
      delete from idempotency_keys where (user_id, key) in (
        select user_id, key from idempotency_keys where expires_at <= statement_timestamp()
         order by expires_at limit $1 for update skip locked)
      returning user_id`,
    values: [limit],
  });
  return rows.length;
}
