import { randomUUID } from "node:crypto";
import { describe, test } from "vitest";
import { LIMITS_CONFORMANCE } from "./budget-conformance.ts";
import { CONFORMANCE } from "./live-conformance.ts";
import { memoryServers, redisServers } from "./live-fixture.ts";
import { startRedis, startRedisCluster } from "./redis-server.ts";

describe.for(Object.entries({ ...CONFORMANCE, ...LIMITS_CONFORMANCE }))("%s", ([, checks]) => {
  test.for(Object.entries(checks))("in memory: %s", ([, check]) => check(async (options) => memoryServers(options)));

  test.for(Object.entries(checks))("in Redis: %s", async ([, check]) => {
    const { url } = await startRedis();
    await check((options) => redisServers(url, `${randomUUID()}:`, options));
  });

  test("in a cluster of three: all of it", { timeout: 120_000 }, async () => {
    const url = await startRedisCluster();
    for (const check of Object.values(checks)) await check((options) => redisServers(url, `${randomUUID()}:`, options));
  });
});
