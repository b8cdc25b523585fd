import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { CachedMessages, CacheMiss, ConversationCache, Snapshot } from "../src/cache/conversation-cache.ts";
import { createMemoryCache } from "../src/cache/memory.ts";
import { createRedisCache } from "../src/cache/redis/redis-cache.ts";
import type { MessageJson } from "../src/domain/message.ts";
import { SETTINGS } from "./cache-conformance.ts";
import { linkTo, startRedis } from "./redis-server.ts";

/** Any order of operations, right or wrong ones; versions and tokens are few, so that they meet. */
type Operation =
  | { readonly do: "read"; readonly limit: number }
  | { readonly do: "lease"; readonly token: string }
  | { readonly do: "fill"; readonly token: string; readonly snapshot: Snapshot }
  | { readonly do: "append"; readonly versionBefore: number; readonly by: number; readonly count: number }
  | { readonly do: "invalidate" | "version" | "drop" };

const versions = fc.integer({ min: 0, max: 4 });
const tokens = fc.constantFrom("one", "two");

const snapshots = fc
  .record({ version: versions, length: fc.integer({ min: 1, max: 6 }), whole: fc.boolean() })
  .map(({ version, length, whole }): Snapshot => {
    const messages = Array.from({ length: whole ? length - 1 : length }, (_, n) => json(length - n));
    return { version, messages, whole, idleMs: 0 };
  });

const reads = fc.record({ do: fc.constant("read" as const), limit: fc.integer({ min: 1, max: 7 }) });
const leases = fc.record({ do: fc.constant("lease" as const), token: tokens });
const fills = fc.record({ do: fc.constant("fill" as const), token: tokens, snapshot: snapshots });
const appends = fc.record({
  do: fc.constant("append" as const),
  versionBefore: versions,
  by: fc.integer({ min: 1, max: 2 }),
  count: fc.integer({ min: 1, max: 7 }),
});
const others = fc
  .constantFrom("invalidate" as const, "version" as const, "drop" as const)
  .map((name) => ({ do: name }));
// Most sequences would fill nothing by luck.
const filled = fc.tuple(leases, fills).map(([lease, fill]) => [lease, { ...fill, token: lease.token }]);

const operations = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: filled },
      { weight: 4, arbitrary: fc.tuple(appends) },
      { weight: 3, arbitrary: fc.tuple(reads) },
      { weight: 2, arbitrary: fc.tuple(leases) },
      { weight: 2, arbitrary: fc.tuple(fills) },
      { weight: 1, arbitrary: fc.tuple(others) },
    ),
    { minLength: 1, maxLength: 20 },
  )
  .map((steps): readonly Operation[] => steps.flat());

test("memory answers every sequence of operations as Redis does", { timeout: 60_000 }, async () => {
  const link = await linkTo((await startRedis()).url);
  const replies = new Set<string>();
  await fc.assert(
    fc.asyncProperty(operations, async (sequence: readonly Operation[]) => {
      const memory = createMemoryCache(SETTINGS, { bytesMax: 1_000_000 });
      const redis = createRedisCache(link, SETTINGS, `${randomUUID()}:`);
      for (const operation of sequence) {
        const [expected, found] = [await run(redis, operation), await run(memory, operation)];
        expect(found).toEqual(expected);
        replies.add(`${operation.do} ${typeof expected === "object" && expected !== null ? "hit" : String(expected)}`);
      }
    }),
    { numRuns: 200 },
  );
  // The sequences went everywhere.
  const everywhere = ["read hit", "read short", "read absent", "lease one", "lease two", "fill true", "fill false"];
  expect([...replies]).toEqual(
    expect.arrayContaining([...everywhere, "append extended", "append dropped", "append ignored"]),
  );
});

function json(n: number): MessageJson {
  return JSON.stringify({ seq: n, content: "😀".repeat(n) }) as MessageJson;
}

const AT = { userId: 1, id: "c" };

async function run(cache: ConversationCache, operation: Operation): Promise<unknown> {
  switch (operation.do) {
    case "read":
      return readable(await cache.read(AT, operation.limit));
    case "lease":
      return cache.lease(AT, operation.token);
    case "fill":
      return cache.fill(AT, operation.token, operation.snapshot);
    case "append": {
      const { versionBefore, by, count } = operation;
      const messages = Array.from({ length: count }, (_, n) => json(10 * versionBefore + n));
      return cache.append(AT, { versionBefore, version: versionBefore + by, messages });
    }
    case "invalidate":
      return cache.invalidate(AT);
    case "version":
      return cache.version(AT);
    case "drop":
      return cache.drop();
  }
}

function readable(found: CachedMessages | CacheMiss): unknown {
  if (typeof found === "string") return found;
  return { ...found, messages: found.messages.map((bytes) => Buffer.from(bytes).toString()) };
}
