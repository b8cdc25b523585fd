import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import type { CacheSettings, ConversationCache, Snapshot } from "../src/cache/conversation-cache.ts";
import type { ConversationRef } from "../src/domain/conversation.ts";
import type { MessageJson } from "../src/domain/message.ts";

/** What every cache promises; each maker runs all of it. */
export const SETTINGS: CacheSettings = { messageLimit: 4, ttlMs: 60_000, fillDeadlineMs: 60_000 };

type Make = (settings?: Partial<CacheSettings>) => Promise<ConversationCache>;

const json = (n: number): MessageJson => JSON.stringify({ seq: n, content: `message ${n} 😀` }) as MessageJson;
const newest = (from: number, to: number): MessageJson[] =>
  Array.from({ length: from - to + 1 }, (_, i) => json(from - i));
const texts = (found: { messages: readonly Uint8Array[] } | null): string[] | null =>
  found && found.messages.map((bytes) => Buffer.from(bytes).toString());
const conversation = (): ConversationRef => ({ userId: 1, id: randomUUID() });

async function fill(cache: ConversationCache, at: ConversationRef, snapshot: Snapshot): Promise<boolean> {
  const token = randomUUID();
  expect(await cache.lease(at, token)).toBe(true);
  return cache.fill(at, token, snapshot);
}

export const CONFORMANCE: Readonly<Record<string, (make: Make) => Promise<void>>> = {
  "nothing there is a miss": async (make) => {
    const cache = await make();
    expect(await cache.read(conversation(), 1)).toBeNull();
    expect(await cache.version(conversation())).toBeNull();
  },

  "a filled conversation answers any limit up to its own, newest first, byte for byte": async (make) => {
    const cache = await make();
    const at = conversation();
    expect(await fill(cache, at, { version: 9, messages: newest(9, 5), whole: false })).toBe(true);
    expect(await cache.version(at)).toBe(9);
    for (const limit of [1, 2, 4]) {
      const found = await cache.read(at, limit);
      expect(texts(found)).toEqual(newest(9, 10 - limit));
      expect(found?.hasMore).toBe(true);
    }
    expect(await cache.read(at, 5)).toBeNull();
  },

  "a whole conversation answers any limit, and says that there is no more": async (make) => {
    const cache = await make();
    const at = conversation();
    await fill(cache, at, { version: 3, messages: newest(3, 1), whole: true });
    expect(await cache.read(at, 200)).toMatchObject({ hasMore: false });
    expect(texts(await cache.read(at, 200))).toEqual(newest(3, 1));
    expect(await cache.read(at, 2)).toMatchObject({ hasMore: true });
  },

  "an empty conversation is a hit": async (make) => {
    const cache = await make();
    const at = conversation();
    await fill(cache, at, { version: 0, messages: [], whole: true });
    expect(await cache.read(at, 20)).toEqual({ messages: [], hasMore: false });
  },

  "an append of the next version extends the list, and the beginning falls off by itself": async (make) => {
    const cache = await make();
    const at = conversation();
    await fill(cache, at, { version: 2, messages: newest(2, 1), whole: true });
    for (let n = 3; n <= 7; n += 1) {
      expect(await cache.append(at, { versionBefore: n - 1, version: n, messages: [json(n)] })).toBe("extended");
      expect(await cache.version(at)).toBe(n);
      const limit = Math.min(n, 4);
      expect(texts(await cache.read(at, limit))).toEqual(newest(n, n - limit + 1));
      expect((await cache.read(at, limit))?.hasMore).toBe(n > 4);
    }
    expect(await cache.read(at, 5)).toBeNull();
  },

  "an append of many keeps their order": async (make) => {
    const cache = await make();
    const at = conversation();
    await fill(cache, at, { version: 1, messages: newest(1, 1), whole: true });
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
    expect(await cache.read(at, 1)).toBeNull();
  },

  "a gap drops the list, an append that was told before changes nothing": async (make) => {
    const cache = await make();
    const at = conversation();
    await fill(cache, at, { version: 5, messages: newest(5, 1), whole: false });
    expect(await cache.append(at, { versionBefore: 4, version: 5, messages: [json(5)] })).toBe("ignored");
    expect(texts(await cache.read(at, 2))).toEqual(newest(5, 4));
    expect(await cache.append(at, { versionBefore: 6, version: 7, messages: [json(7)] })).toBe("dropped");
    expect(await cache.read(at, 1)).toBeNull();
    expect(await cache.version(at)).toBeNull();
  },

  "one reader at a time has the lease": async (make) => {
    const cache = await make();
    const at = conversation();
    expect(await cache.lease(at, "one")).toBe(true);
    expect(await cache.lease(at, "two")).toBe(false);
    expect(await cache.fill(at, "two", { version: 1, messages: newest(1, 1), whole: true })).toBe(false);
    expect(await cache.fill(at, "one", { version: 1, messages: newest(1, 1), whole: true })).toBe(true);
    expect(await cache.fill(at, "one", { version: 1, messages: newest(1, 1), whole: true })).toBe(false);
    expect(await cache.lease(at, "two")).toBe(true);
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
      expect(await cache.fill(at, "reader", { version: 1, messages: newest(1, 1), whole: true })).toBe(false);
      expect(await cache.read(at, 1)).toBeNull();
    }
  },

  "an invalidated conversation is a miss": async (make) => {
    const cache = await make();
    const at = conversation();
    await fill(cache, at, { version: 1, messages: newest(1, 1), whole: true });
    await cache.invalidate(at);
    expect(await cache.read(at, 1)).toBeNull();
    expect(await cache.version(at)).toBeNull();
  },

  "the same id of another user is another conversation": async (make) => {
    const cache = await make();
    const at = conversation();
    await fill(cache, at, { version: 1, messages: newest(1, 1), whole: true });
    expect(await cache.read({ ...at, userId: 2 }, 1)).toBeNull();
  },

  "a lease and a list that nobody touches expire": async (make) => {
    const cache = await make({ ttlMs: 50, fillDeadlineMs: 50 });
    const at = conversation();
    await fill(cache, at, { version: 1, messages: newest(1, 1), whole: true });
    await cache.lease({ ...at, userId: 3 }, "slow");
    await expect.poll(() => cache.version(at)).toBeNull();
    expect(await cache.read(at, 1)).toBeNull();
    await expect.poll(() => cache.lease({ ...at, userId: 3 }, "next")).toBe(true);
    expect(await cache.fill({ ...at, userId: 3 }, "slow", { version: 1, messages: [], whole: true })).toBe(false);
  },

  "dropping takes everything of this cache": async (make) => {
    const cache = await make();
    const all = Array.from({ length: 50 }, conversation);
    for (const at of all) await fill(cache, at, { version: 1, messages: newest(1, 1), whole: true });
    await cache.drop();
    for (const at of all) expect(await cache.read(at, 1)).toBeNull();
  },
};
