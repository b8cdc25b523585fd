import { CoherentCache } from "../../src/cache/coherent-cache.ts";
import { connectRedis } from "../../src/cache/redis/link.ts";
import { createRedisCache } from "../../src/cache/redis/redis-cache.ts";
import type { RedisLink } from "../../src/cache/redis/redis-link.ts";
import { loadScript } from "../../src/cache/redis/scripts.ts";
import { CachePairs } from "./cache-pairs.ts";

/** The modules under test: the project's own, or a copy of them with a guard taken out. */
export interface CodeUnderTest {
  readonly CoherentCache: typeof CoherentCache;
  readonly createRedisCache: typeof createRedisCache;
  readonly loadScript: typeof loadScript;
}

/** What interleavings share: the code, and a real Redis. */
export interface Lab {
  readonly code: CodeUnderTest;
  readonly pairs: CachePairs;
  readonly link: RedisLink;
  readonly scripts: ReadonlyMap<string, "append" | "fill">;
}

/** Messages a hit can answer. */
export const MESSAGE_LIMIT = 2;

export const PROJECT: CodeUnderTest = { CoherentCache, createRedisCache, loadScript };

/** @param url of a Redis of its own */
export async function openLab(code: CodeUnderTest, url: string): Promise<Lab & { close(): void }> {
  // Not asked meanwhile whether it is still the same: a busy process may hear the answer late, and would reconnect.
  const link = await connectRedis(url, {
    connectTimeoutMs: 5_000,
    checkIntervalMs: 3_600_000,
    onError: () => undefined,
  });
  const names = ["append", "fill"] as const;
  const scripts = new Map<string, (typeof names)[number]>();
  for (const name of names) {
    const { sha1, source } = code.loadScript(name);
    // A script that Redis does not know yet would cost a step more.
    await link.send("", ["SCRIPT", "LOAD", source]);
    scripts.set(sha1, name);
  }
  return {
    code,
    pairs: new CachePairs(code.createRedisCache, MESSAGE_LIMIT),
    link,
    scripts,
    close: () => link.close(),
  };
}
