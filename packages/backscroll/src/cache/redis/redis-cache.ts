import { LRUCache } from "lru-cache";
import { ErrorReply } from "redis";
import type { ConversationRef } from "../../domain/conversation.ts";
import {
  CacheRefusal,
  type CacheSettings,
  type ConversationCache,
  fillTtlMs,
  fromElements,
  HIT_TTL_SHARE,
  toElements,
} from "../conversation-cache.ts";
import type { RedisLink } from "./redis-link.ts";
import { loadScript, runScript } from "./scripts.ts";
import { unlinkAll } from "./unlink-all.ts";

/** A conversation is renewed at most so often, as a share of `ttlMs`: most hits stay one command. */
const RENEWAL_SHARE = 1 / 8;
const RENEWALS_REMEMBERED = 50_000;

/**
 * The cache in Redis: three keys a conversation, in one hash slot (the braces are literal). The owner is in the
 * key's name, so another person's read is a miss.
 *
 * @param prefix carries the id of the database: a shared or recreated one never meets another's keys
 */
export function createRedisCache(redis: RedisLink, settings: CacheSettings, prefix: string): ConversationCache {
  const link = tellRefusals(redis);
  const { messageLimit, ttlMs, activeTtlMs, fillDeadlineMs } = settings;
  const scripts = { append: loadScript("append"), fill: loadScript("fill") };
  const everyMs = Math.ceil(ttlMs * RENEWAL_SHARE);
  const renewed = new LRUCache<string, true>({ max: RENEWALS_REMEMBERED, ttl: everyMs });
  // The share, and what may pass until the next renewal.
  const hitTtl = String(Math.ceil(ttlMs * HIT_TTL_SHARE) + everyMs);

  const renew = ({ messages, version }: Keys): void => {
    if (renewed.has(messages)) return;
    renewed.set(messages, true);
    // Both live equally long. One that fails only lets the conversation expire sooner.
    for (const key of [messages, version]) link.send(key, ["PEXPIRE", key, hitTtl, "GT"]).catch(() => undefined);
  };

  return {
    messageLimit,
    snapshotLength: messageLimit + 1,

    node: (at) => link.node(keysOf(prefix, at).messages),

    async read(at, limit) {
      const keys = keysOf(prefix, at);
      const elements = (await link.send(keys.messages, ["LRANGE", keys.messages, "0", String(limit)])) as Buffer[];
      const found = fromElements(elements, limit);
      if (typeof found !== "string") renew(keys);
      return found;
    },

    async lease(at, token) {
      const { lease } = keysOf(prefix, at);
      // NX and GET together: Redis 7.0.
      const set = ["SET", lease, token, "NX", "GET", "PX", String(fillDeadlineMs)];
      const holder = (await link.send(lease, set)) as Buffer | null;
      return holder === null ? token : holder.toString();
    },

    async fill(at, token, snapshot) {
      const { all, messages } = keysOf(prefix, at);
      const ttl = fillTtlMs(snapshot, settings);
      const args = [token, String(snapshot.version), String(ttl), ...toElements(snapshot, messageLimit)];
      const installed = (await runScript(link, scripts.fill, all, args)) === 1;
      if (installed && ttl >= ttlMs) renewed.set(messages, true);
      return installed;
    },

    async append(at, { versionBefore, version, messages }) {
      const { all } = keysOf(prefix, at);
      const args = [String(versionBefore), String(version), String(messageLimit), String(activeTtlMs), ...messages];
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
      // A fill whose lease was there when the first pass began may land behind its cursor. After the pass every such
      // lease is gone, used or unlinked, and the second pass finds what they left.
      for (let pass = 1; pass <= 2; pass += 1)
        await link.sendToAll((send) => unlinkAll(send, `${prefix}conversation:`));
    },

    async close() {
      link.close();
    },
  };
}

/** Error replies that mean "not now": the server is starting, or its cluster or its master is not there. */
const NOT_NOW = /^(LOADING|CLUSTERDOWN|MASTERDOWN)/;

/** The same link, whose other error replies are refusals: a server that is full or may not write is there. */
function tellRefusals(link: RedisLink): RedisLink {
  return {
    node: (key) => link.node(key),
    async send(key, args) {
      try {
        return await link.send(key, args);
      } catch (error) {
        if (!(error instanceof ErrorReply) || NOT_NOW.test(error.message)) throw error;
        throw new CacheRefusal(error.message, { cause: error });
      }
    },
    sendToAll: (run) => link.sendToAll(run),
    close: () => link.close(),
  };
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
