import { LRUCache } from "lru-cache";
import type { ConversationRef } from "../domain/conversation.ts";
import type { MessageJson } from "../domain/message.ts";
import {
  type CacheNode,
  type CacheSettings,
  type ConversationCache,
  fillTtlMs,
  fromElements,
  HIT_TTL_SHARE,
  toElements,
} from "./conversation-cache.ts";

interface Entry {
  readonly version: number;
  /** newest first */
  readonly elements: readonly MessageJson[];
}

/** What an entry, and each text in it, costs beyond its characters. */
const ENTRY_BYTES = 256;
const TEXT_BYTES = 24;

/** The cache of one process, bounded in bytes: for the embedded default and for tests. */
export function createMemoryCache(settings: CacheSettings, { bytesMax }: { bytesMax: number }): ConversationCache {
  const { messageLimit, activeTtlMs, fillDeadlineMs } = settings;
  const hitTtlMs = settings.ttlMs * HIT_TTL_SHARE;
  const entries = new LRUCache<string, Entry>({
    maxSize: bytesMax,
    sizeCalculation: ({ elements }) => elements.reduce((sum, text) => sum + sizeOf(text), ENTRY_BYTES),
  });
  const leases = new LRUCache<string, string>({ max: 100_000, ttl: fillDeadlineMs });
  const node: CacheNode = { name: "memory", incarnation: {}, ping: async () => undefined };

  return {
    messageLimit,
    snapshotLength: messageLimit + 1,

    node: () => node,

    async read(at, limit) {
      const key = keyOf(at);
      const entry = entries.get(key);
      if (!entry) return "absent";
      const found = fromElements(entry.elements.slice(0, limit + 1), limit);
      if (found !== "short" && entries.getRemainingTTL(key) < hitTtlMs) entries.set(key, entry, { ttl: hitTtlMs });
      return found;
    },

    async lease(at, token) {
      const key = keyOf(at);
      const holder = leases.get(key);
      if (holder !== undefined) return holder;
      leases.set(key, token);
      return token;
    },

    async fill(at, token, snapshot) {
      const key = keyOf(at);
      if (leases.get(key) !== token) return false;
      leases.delete(key);
      const elements = toElements(snapshot, messageLimit);
      entries.set(key, { version: snapshot.version, elements }, { ttl: fillTtlMs(snapshot, settings) });
      return true;
    },

    async append(at, { versionBefore, version, messages }) {
      const key = keyOf(at);
      leases.delete(key);
      const entry = entries.get(key);
      if (!entry || entry.version >= version) return "ignored";
      if (entry.version !== versionBefore) {
        entries.delete(key);
        return "dropped";
      }
      const elements = [...messages.toReversed(), ...entry.elements].slice(0, messageLimit + 1);
      entries.set(key, { version, elements }, { ttl: activeTtlMs });
      return "extended";
    },

    async invalidate(at) {
      leases.delete(keyOf(at));
      entries.delete(keyOf(at));
    },

    async version(at) {
      return entries.peek(keyOf(at))?.version ?? null;
    },

    async drop() {
      leases.clear();
      entries.clear();
    },

    async close() {
      leases.clear();
      entries.clear();
    },
  };
}

/** V8 keeps a text in one byte a character, or in two when there is a character beyond Latin-1. */
function sizeOf(text: string): number {
  return TEXT_BYTES + text.length * (BEYOND_LATIN_1.test(text) ? 2 : 1);
}

const BEYOND_LATIN_1 = /[\u0100-\uffff]/;

function keyOf({ userId, id }: ConversationRef): string {
  return `${userId}:${id}`;
}
