import { LRUCache } from "lru-cache";
import type { ConversationRef } from "../domain/conversation.ts";
import { type CacheSettings, type ConversationCache, fromElements, toElements } from "./conversation-cache.ts";

interface Entry {
  version: number;
  /** newest first */
  elements: readonly Buffer[];
}

/** What an entry costs beyond its text. */
const ENTRY_BYTES = 256;

/** The cache of one process, bounded in bytes: for the embedded default and for tests. */
export function createMemoryCache(
  { messageLimit, ttlMs, fillDeadlineMs }: CacheSettings,
  { bytesMax }: { bytesMax: number },
): ConversationCache {
  const entries = new LRUCache<string, Entry>({
    maxSize: bytesMax,
    sizeCalculation: ({ elements }) => elements.reduce((sum, element) => sum + element.length, ENTRY_BYTES),
    ttl: ttlMs,
    updateAgeOnGet: true,
  });
  const leases = new LRUCache<string, string>({ max: 100_000, ttl: fillDeadlineMs });

  return {
    snapshotLength: messageLimit + 1,

    async read(at, limit) {
      const entry = entries.get(keyOf(at));
      return entry ? fromElements(entry.elements.slice(0, limit + 1), limit) : null;
    },

    async lease(at, token) {
      if (leases.has(keyOf(at))) return false;
      leases.set(keyOf(at), token);
      return true;
    },

    async fill(at, token, snapshot) {
      const key = keyOf(at);
      if (leases.get(key) !== token) return false;
      leases.delete(key);
      entries.set(key, { version: snapshot.version, elements: toElements(snapshot, messageLimit) });
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
      entries.set(key, {
        version,
        elements: [
          ...toElements({ version, messages: messages.toReversed(), whole: false }, messageLimit),
          ...entry.elements,
        ].slice(0, messageLimit + 1),
      });
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

function keyOf({ userId, id }: ConversationRef): string {
  return `${userId}:${id}`;
}
