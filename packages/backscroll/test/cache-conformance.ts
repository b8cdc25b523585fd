import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import type {
  CachedMessages,
  CacheMiss,
  CacheSettings,
  ConversationCache,
  Snapshot,
} from "../src/cache/conversation-cache.ts";
import type { ConversationRef } from "../src/domain/conversation.ts";
import type { MessageJson } from "../src/domain/message.ts";

/** What every cache promises; each maker runs all of it. */
export const SETTINGS: CacheSettings = {
  messageLimit: 4,
  ttlMs: 60_000,
  activeTtlMs: 60_000,
  idleTtlMs: 60_000,
  fillDeadlineMs: 60_000,
};

type Make = (settings?: Partial<CacheSettings>) => Promise<ConversationCache>;

const json = (n: number): MessageJson => JSON.stringify({ seq: n, content: `message ${n} 😀` }) as MessageJson;
const newest = (from: number, to: number): MessageJson[] =>
  Array.from({ length: from - to + 1 }, (_, i) => json(from - i));
const texts = (found: CachedMessages | CacheMiss): string[] | CacheMiss =>
  typeof found === "string" ? found : found.messages.map((bytes) => Buffer.from(bytes).toString());
const conversation = (): ConversationRef => ({ userId: 1, id: randomUUID() });

/** A snapshot of a conversation in use, unless it says otherwise. */
const snapshot = (version: number, messages: MessageJson[], whole: boolean, idleMs = 0): Snapshot => ({
  version,
  messages,
  whole,
  idleMs,
});

async function fill(cache: ConversationCache, at: ConversationRef, snapshot: Snapshot): Promise<boolean> {
  const token = randomUUID();
  expect(await cache.lease(at, token)).toBe(token);
  return cache.fill(at, token, snapshot);
}

export const CONFORMANCE: Readonly<Record<string, (make: Make) => Promise<void>>> = {
  "nothing there is a miss": async (make) => {
    const cache = await make();
    expect(await cache.read(conversation(), 1)).toBe("absent");
    expect(await cache.version(conversation())).toBeNull();
  },

  "a filled conversation answers any limit up to its own, newest first, byte for byte": async (make) => {
    const cache = await make();
    const at = conversation();
    expect(await fill(cache, at, snapshot(9, newest(9, 5), false))).toBe(true);
    expect(await cache.version(at)).toBe(9);
    for (const limit of [1, 2, 4]) {
      const found = await cache.read(at, limit);
      expect(texts(found)).toEqual(newest(9, 10 - limit));
      expect(found).toMatchObject({ hasMore: true });
    }
    expect(await cache.read(at, 5)).toBe("short");
  },

  "a whole conversation answers any limit, and says that there is no more": async (make) => {
    const cache = await make();
    const at = conversation();
    await fill(cache, at, snapshot(3, newest(3, 1), true));
    expect(await cache.read(at, 200)).toMatchObject({ hasMore: false });
    expect(texts(await cache.read(at, 200))).toEqual(newest(3, 1));
    expect(await cache.read(at, 2)).toMatchObject({ hasMore: true });
  },

  "an empty conversation is a hit": async (make) => {
    const cache = await make();
    const at = conversation();
    await fill(cache, at, snapshot(0, [], true));
    expect(await cache.read(at, 20)).toEqual({ messages: [], hasMore: false });
  },

  "an append of the next version extends the list, and the beginning falls off by itself": async (make) => {
    const cache = await make();
    const at = conversation();
    await fill(cache, at, snapshot(2, newest(2, 1), true));
    for (let n = 3; n <= 7; n += 1) {
      expect(await cache.append(at, { versionBefore: n - 1, version: n, messages: [json(n)] })).toBe("extended");
      expect(await cache.version(at)).toBe(n);
      const limit = Math.min(n, 4);
      expect(texts(await cache.read(at, limit))).toEqual(newest(n, n - limit + 1));
      expect(await cache.read(at, limit)).toMatchObject({ hasMore: n > 4 });
    }
    expect(await cache.read(at, 5)).toBe("short");
  },

  "an append of many keeps their order": async (make) => {
    const cache = await make();
    const at = conversation();
    await fill(cache, at, snapshot(1, newest(1, 1), true));
    await cache.append(at, { versionBefore: 1, version: 2, messages: [json(2), json(3), json(4)] });
    expect(texts(await cache.read(at, 4))).toEqual(newest(4, 1));
    const many = Array.from({ length: 100 }, (_, i) => json(5 + i));
    await cache.append(at, { versionBefore: 2, version: 3, messages: many });
    expect(texts(await cache.read(at, 4))).toEqual(newest(104, 101));
  },

  "an append to nothing caches nothing": async (make) => {
    const cache = await make();
    const at = conversation();
    expect(await cache.append(at, { versionBefore: 8, version: 9, messages: [json(9)] })).toBe("ignored");
    expect(await cache.read(at, 1)).toBe("absent");
  },

  "a gap drops the list, an append that was told before changes nothing": async (make) => {
    const cache = await make();
    const at = conversation();
    await fill(cache, at, snapshot(5, newest(5, 1), false));
    expect(await cache.append(at, { versionBefore: 4, version: 5, messages: [json(5)] })).toBe("ignored");
    expect(texts(await cache.read(at, 2))).toEqual(newest(5, 4));
    expect(await cache.append(at, { versionBefore: 6, version: 7, messages: [json(7)] })).toBe("dropped");
    expect(await cache.read(at, 1)).toBe("absent");
    expect(await cache.version(at)).toBeNull();
  },

  "one reader at a time has the lease, and the others learn who": async (make) => {
    const cache = await make();
    const at = conversation();
    expect(await cache.lease(at, "one")).toBe("one");
    expect(await cache.lease(at, "two")).toBe("one");
    expect(await cache.fill(at, "two", snapshot(1, newest(1, 1), true))).toBe(false);
    expect(await cache.fill(at, "one", snapshot(1, newest(1, 1), true))).toBe(true);
    expect(await cache.fill(at, "one", snapshot(1, newest(1, 1), true))).toBe(false);
    expect(await cache.lease(at, "two")).toBe("two");
  },

  "a change between lease and fill refuses the fill": async (make) => {
    const cache = await make();
    for (const change of [
      (at: ConversationRef) => cache.append(at, { versionBefore: 1, version: 2, messages: [json(2)] }),
      (at: ConversationRef) => cache.invalidate(at),
    ]) {
      const at = conversation();
      await cache.lease(at, "reader");
      await change(at);
      expect(await cache.fill(at, "reader", snapshot(1, newest(1, 1), true))).toBe(false);
      expect(await cache.read(at, 1)).toBe("absent");
    }
  },

  "an invalidated conversation is a miss": async (make) => {
    const cache = await make();
    const at = conversation();
    await fill(cache, at, snapshot(1, newest(1, 1), true));
    await cache.invalidate(at);
    expect(await cache.read(at, 1)).toBe("absent");
    expect(await cache.version(at)).toBeNull();
  },

  "the same id of another user is another conversation": async (make) => {
    const cache = await make();
    const at = conversation();
    await fill(cache, at, snapshot(1, newest(1, 1), true));
    expect(await cache.read({ ...at, userId: 2 }, 1)).toBe("absent");
  },

  "a change takes the lease from its holder": async (make) => {
    const cache = await make();
    for (const change of [
      (at: ConversationRef) => cache.append(at, { versionBefore: 1, version: 2, messages: [json(2)] }),
      (at: ConversationRef) => cache.invalidate(at),
    ]) {
      const at = conversation();
      await cache.lease(at, "one");
      await change(at);
      expect(await cache.lease(at, "two")).toBe("two");
    }
  },

  "a lease and a list that nobody touches expire": async (make) => {
    const cache = await make({ ttlMs: 50, fillDeadlineMs: 50 });
    const at = conversation();
    const other = { ...at, userId: 3 };
    await fill(cache, at, snapshot(1, newest(1, 1), true));
    await cache.lease(other, "slow");
    await expect.poll(() => cache.version(at)).toBeNull();
    expect(await cache.read(at, 1)).toBe("absent");
    await expect.poll(() => cache.lease(other, "next")).toBe("next");
    expect(await cache.fill(other, "slow", snapshot(1, [], true))).toBe(false);
  },

  "a conversation in use stays for the ttl, an idle one for the idle ttl": async (make) => {
    const cache = await make({ ttlMs: 60, activeTtlMs: 1_000, idleTtlMs: 60_000 });
    const [used, idle] = [conversation(), conversation()];
    await fill(cache, used, snapshot(1, newest(1, 1), true, 1_000));
    await fill(cache, idle, snapshot(1, newest(1, 1), true, 1_001));
    await expect.poll(() => cache.version(used), { timeout: 1_000 }).toBeNull();
    expect(await cache.version(idle)).toBe(1);
  },

  "an append lets it stay for the active ttl, be that longer or shorter": async (make) => {
    const longer = await make({ ttlMs: 200, activeTtlMs: 60_000 });
    const shorter = await make({ ttlMs: 60_000, activeTtlMs: 60 });
    const [kept, gone] = [conversation(), conversation()];
    const left = conversation();
    await fill(longer, left, snapshot(1, newest(1, 1), true));
    await fill(longer, kept, snapshot(1, newest(1, 1), true));
    await fill(shorter, gone, snapshot(1, newest(1, 1), true));
    for (const [cache, at] of [[longer, kept] as const, [shorter, gone] as const])
      expect(await cache.append(at, { versionBefore: 1, version: 2, messages: [json(2)] })).toBe("extended");
    await expect.poll(() => longer.version(left)).toBeNull();
    await expect.poll(() => shorter.version(gone)).toBeNull();
    expect(await longer.version(kept)).toBe(2);
  },

  "hits keep a conversation for as long as they come, and half the ttl longer": async (make) => {
    const cache = await make({ ttlMs: 1_000 });
    const at = conversation();
    await fill(cache, at, snapshot(1, newest(1, 1), true));
    const filledAt = performance.now();
    let hitAt = filledAt;
    await expect
      .poll(
        async () => {
          expect(await cache.read(at, 1)).toMatchObject({ hasMore: false });
          hitAt = performance.now();
          return hitAt - filledAt;
        },
        { interval: 20, timeout: 8_000 },
      )
      .toBeGreaterThan(2_000);
    // Asking for the version is no use of it.
    await expect.poll(() => cache.version(at), { interval: 10, timeout: 3_000 }).toBeNull();
    expect(performance.now() - hitAt).toBeGreaterThan(499);
  },

  "a hit never takes time from a conversation": async (make) => {
    const cache = await make({ ttlMs: 100, activeTtlMs: 0, idleTtlMs: 60_000 });
    const at = conversation();
    await fill(cache, at, snapshot(1, newest(1, 1), true, 1));
    const readAt = performance.now();
    await cache.read(at, 1);
    await expect.poll(() => performance.now() - readAt).toBeGreaterThan(150);
    expect(await cache.version(at)).toBe(1);
  },

  "dropping takes everything of this cache, and every lease": async (make) => {
    const cache = await make();
    const all = Array.from({ length: 50 }, conversation);
    const leased = conversation();
    for (const at of all) await fill(cache, at, snapshot(1, newest(1, 1), true));
    await cache.lease(leased, "before");
    await cache.drop();
    for (const at of all) expect(await cache.read(at, 1)).toBe("absent");
    expect(await cache.fill(leased, "before", snapshot(1, newest(1, 1), true))).toBe(false);
  },

  "its server answers, and stays the same while nothing happens to it": async (make) => {
    const cache = await make();
    const at = conversation();
    const { incarnation, name } = cache.node(at);
    await cache.node(at).ping();
    expect(cache.node(at).incarnation).toBe(incarnation);
    expect(cache.node(at).name).toBe(name);
    expect(cache.messageLimit).toBe(4);
    expect(cache.snapshotLength).toBe(5);
  },
};
