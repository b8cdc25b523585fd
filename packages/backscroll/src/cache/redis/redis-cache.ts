import type { ConversationRef } from "../../domain/conversation.ts";
import { type CacheSettings, type ConversationCache, fromElements, toElements } from "../conversation-cache.ts";
import type { RedisLink } from "./link.ts";
import { loadScript, runScript } from "./scripts.ts";

/** Renewed at most this often a conversation: a hit stays one command. */
const RENEW_SHARE = 4;
const RENEWALS_REMEMBERED = 10_000;
const SCAN_COUNT = "1000";

/**
 * The cache in Redis: three keys a conversation, in one hash slot (the braces are literal). The owner is in the
 * key's name, so another person's read is a miss.
 *
 * @param prefix carries the id of the database: a shared or recreated one never meets another's keys
 */
export function createRedisCache(
  link: RedisLink,
  { messageLimit, ttlMs, fillDeadlineMs }: CacheSettings,
  prefix: string,
): ConversationCache {
  const scripts = { append: loadScript("append"), fill: loadScript("fill") };
  const ttl = String(ttlMs);
  const renewedAt = new Map<string, number>();

  const renew = (keys: Keys): void => {
    const now = performance.now();
    const last = renewedAt.get(keys.messages);
    if (last !== undefined && now - last < ttlMs / RENEW_SHARE) return;
    if (renewedAt.size >= RENEWALS_REMEMBERED) renewedAt.clear();
    renewedAt.set(keys.messages, now);
    if (last === undefined) return;
    // Both live equally long. One that fails only lets the conversation expire sooner.
    for (const key of [keys.messages, keys.version]) link.send(key, ["PEXPIRE", key, ttl]).catch(() => undefined);
  };

  return {
    snapshotLength: messageLimit + 1,

    async read(at, limit) {
      const keys = keysOf(prefix, at);
      const elements = (await link.send(keys.messages, ["LRANGE", keys.messages, "0", String(limit)])) as Buffer[];
      const found = fromElements(elements, limit);
      if (found) renew(keys);
      return found;
    },

    async lease(at, token) {
      const { lease } = keysOf(prefix, at);
      return (await link.send(lease, ["SET", lease, token, "NX", "PX", String(fillDeadlineMs)])) !== null;
    },

    async fill(at, token, snapshot) {
      const { all } = keysOf(prefix, at);
      const elements = toElements(snapshot, messageLimit);
      return (await runScript(link, scripts.fill, all, [token, String(snapshot.version), ttl, ...elements])) === 1;
    },

    async append(at, { versionBefore, version, messages }) {
      const { all } = keysOf(prefix, at);
      const elements = messages.map((json) => Buffer.from(json));
      const args = [String(versionBefore), String(version), String(messageLimit), ttl, ...elements];
      const result = await runScript(link, scripts.append, all, args);
      return result === 1 ? "extended" : result === 0 ? "ignored" : "dropped";
    },

    async invalidate(at) {
      const { all } = keysOf(prefix, at);
      await link.send(all[0], ["DEL", ...all]);
    },

    async version(at) {
      const { version } = keysOf(prefix, at);
      const found = (await link.send(version, ["GET", version])) as Buffer | null;
      return found === null ? null : Number(found.toString());
    },

    async drop() {
      await link.sendToAll((send) => dropAll(send, `${prefix.replaceAll(/[\\*?[\]]/g, "\\$&")}conversation:*`));
    },

    async close() {
      link.close();
    },
  };
}

/** SCAN and UNLINK, never FLUSHDB: the Redis may be shared. */
async function dropAll(send: (args: readonly string[]) => Promise<unknown>, pattern: string): Promise<void> {
  let cursor = "0";
  do {
    const [next, keys] = (await send(["SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT])) as [Buffer, Buffer[]];
    // One key a command: in a cluster they lie in many slots.
    await Promise.all(keys.map((key) => send(["UNLINK", key.toString()])));
    cursor = next.toString();
  } while (cursor !== "0");
}

interface Keys {
  readonly messages: string;
  readonly version: string;
  readonly lease: string;
  /** in the order the scripts take them */
  readonly all: readonly [string, string, string];
}

function keysOf(prefix: string, { userId, id }: ConversationRef): Keys {
  const of = `${prefix}conversation:{${userId}:${id}}`;
  const [messages, version, lease] = [`${of}:messages`, `${of}:version`, `${of}:lease`];
  return { messages, version, lease, all: [messages, version, lease] };
}
