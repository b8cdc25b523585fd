import { expect, onTestFinished } from "vitest";
import type { BackscrollOptions } from "../src/create.ts";
import { toStoredId } from "../src/domain/ids.ts";
import { resolveUser } from "../src/service/users.ts";
import { type FaultyRedis, startFaultyRedis } from "./faulty-redis.ts";
import { type Answer, createServices, newSchema, type Services } from "./services.ts";

export const ADA = "ada@example.com";
export const MESSAGES = "/api/conversations/c/messages";
/** No audit comes by itself while a test runs, and a busy machine is no reason to leave the cache aside. */
const STEADY = { cacheAuditIntervalMs: 86_400_000, cacheTimeoutMs: 5_000 };

export interface Cached {
  readonly services: Services;
  readonly redis: FaultyRedis;
  /** @returns another server on the same database and Redis */
  readonly another: (options?: BackscrollOptions) => Promise<Services>;
}

/** A server, its Redis, and Ada's conversation `c` with the messages `m1` … `m<n>`. */
export async function startCached(n: number, options: BackscrollOptions = {}): Promise<Cached> {
  const redis = await startFaultyRedis();
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const another: Cached["another"] = async (more = {}) => {
    const services = await createServices({ ...STEADY, redisUrl: redis.url, ...options, ...more, databaseUrl });
    onTestFinished(() => services.close());
    return services;
  };
  const services = await another();
  await services.call(ADA, "POST", "/api/conversations", { id: "c" });
  for (let i = 1; i <= n; i += 1) await save(services, `m${i}`);
  return { services, redis, another };
}

export async function save(services: Services, id: string): Promise<Answer> {
  const saved = await services.call(ADA, "POST", MESSAGES, { id, role: "user", content: `text of ${id}` });
  expect(saved.status, saved.text).toBe(201);
  return saved;
}

export function read(services: Services, query = ""): Promise<Answer> {
  return services.call(ADA, "GET", `${MESSAGES}${query}`);
}

/** @returns where the answer came from; null when it does not say */
export async function sourceOf(services: Services, query = ""): Promise<string | null> {
  return (await read(services, query)).headers.get("x-backscroll-cache");
}

/** Reads until the cache answers: it learns what a miss read beside the answer. */
export async function untilHit(services: Services): Promise<void> {
  await expect.poll(() => sourceOf(services)).toBe("hit");
}

export async function idsOf(services: Services, query = ""): Promise<string[]> {
  return (await read(services, query)).json.messages.map(({ id }: { id: string }) => id);
}

/** @returns the keys of `c` in Redis */
export async function keysOf(services: Services): Promise<{ messages: string; version: string; lease: string }> {
  const userId = await resolveUser(services.deps, ADA);
  const { rows } = await services.deps.db.pool.query<{ database_id: string }>("select database_id from installation");
  const of = `backscroll:${rows[0]?.database_id}:conversation:{${userId}:${toStoredId(userId, "c").id}}`;
  return { messages: `${of}:messages`, version: `${of}:version`, lease: `${of}:lease` };
}
