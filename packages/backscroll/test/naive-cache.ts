import { createClient } from "redis";
import type { HistoryCache } from "../src/cache/history-cache.ts";
import type { ConversationRef } from "../src/domain/conversation.ts";
import type { MessageJson } from "../src/domain/message.ts";

const CACHE_MESSAGE_LIMIT = 20;
const CACHE_TTL = 3600;

/**
 * The cache of the guide that Backscroll began from, line by line: what `cache-lies.test.ts` must catch lying.
 * LPUSH, LTRIM and EXPIRE after a write; LRANGE on a read, and RPUSH of what the reader asked for on a miss; DEL on
 * a change; a key without the owner; no deadline; an error is nobody's business.
 *
 * @param seesRetries false: a retry that finds its message stored does not touch the cache, as in the guide
 */
export async function createNaiveCache(
  redisUrl: string,
  { seesRetries = true }: { seesRetries?: boolean } = {},
): Promise<HistoryCache> {
  const redis = createClient({ url: redisUrl, disableOfflineQueue: true });
  redis.on("error", () => undefined); // it reconnects by itself, as the guide's does
  await redis.connect();

  const fill = async (key: string, messages: readonly MessageJson[]): Promise<void> => {
    if (messages.length === 0) return;
    await redis.rPush(key, [...messages]);
    await redis.expire(key, CACHE_TTL);
  };

  return {
    state: "ok",

    async appended(at, { messages }) {
      const key = keyOf(at);
      try {
        for (const json of messages) await redis.lPush(key, json);
        await redis.lTrim(key, 0, CACHE_MESSAGE_LIMIT - 1);
        await redis.expire(key, CACHE_TTL);
      } catch {
        return;
      }
    },

    readAside: (_, read) => read(),

    async readRecent(at, limit, load) {
      const key = keyOf(at);
      const cached = await redis.lRange(key, 0, limit - 1).catch(() => []);
      if (cached.length > 0) {
        return { messages: cached as MessageJson[], hasMore: cached.length === limit, source: "hit" };
      }
      const snapshot = await load(limit + 1);
      if (snapshot === null) return null;
      const messages = snapshot.messages.slice(0, limit);
      await fill(key, messages).catch(() => undefined);
      return { messages, hasMore: snapshot.messages.length > limit, source: "miss" };
    },

    async changed(at) {
      // The service tells it of a retry as of an edit; the guide has neither.
      if (seesRetries) await redis.del(keyOf(at)).catch(() => undefined);
    },

    uncertain() {
      // The guide does not know of it.
    },

    async close() {
      redis.destroy();
    },
  };
}

function keyOf({ id }: ConversationRef): string {
  return `conversation:${id}:messages`;
}
