import { expect, test } from "vitest";
import { eraseUser } from "../src/service/erase-user.ts";
import { resolveUser } from "../src/service/users.ts";
import { ADA, startCached } from "./cache-fixture.ts";
import type { FaultyRedis } from "./faulty-redis.ts";

interface Outage {
  begin(redis: FaultyRedis): Promise<void>;
  end(redis: FaultyRedis): Promise<void>;
}

const OUTAGES: Record<string, Outage> = {
  "is frozen": { begin: async (redis) => redis.freeze(), end: async (redis) => redis.thaw() },
  "is dead, and comes back with what it had,": {
    async begin(redis) {
      await redis.ask("SAVE");
      await redis.kill();
    },
    end: (redis) => redis.restart(),
  },
};

test.for<[string, Outage]>(Object.entries(OUTAGES))(
  "what a Redis that %s has of an erased person leaves it",
  { timeout: 60_000 },
  async ([, outage]) => {
    const { services, redis } = await startCached(1);
    const userId = await resolveUser(services.deps, ADA);
    const keys = (): Promise<unknown> => redis.ask("KEYS", `*{${userId}:*`);
    const read = async (path: string): Promise<string | null> =>
      (await services.call(ADA, "GET", path)).headers.get("x-backscroll-cache");
    await services.call(ADA, "POST", "/api/conversations", { id: "cached" });
    await services.call(ADA, "PUT", "/api/sessions/s", { conversation_id: "cached" });
    for (const path of ["/api/conversations/cached/messages", "/api/sessions/s"]) {
      await expect.poll(() => read(path)).toBe("hit");
    }
    expect(await keys()).toHaveLength(4);

    await outage.begin(redis);
    expect(await eraseUser(services.deps, { userId, actor: null })).toMatchObject({ conversations: 2 });
    await outage.end(redis);

    await expect.poll(keys, { timeout: 20_000 }).toEqual([]);
  },
);
