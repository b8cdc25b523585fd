import { randomUUID } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { Change, ChangeFeed } from "../change-feed.ts";
import { ChangeLog } from "../change-log.ts";

export interface MemoryFeedLimits {
  /** how many changes a listener may be behind, or come back after */
  readonly entriesMax: number;
  /** of whom changes are kept while nobody listens */
  readonly usersMax: number;
  /** for so long */
  readonly keepMs: number;
}

/** A change is some 200 bytes: 50 MB at the very most. */
const LIMITS: MemoryFeedLimits = { entriesMax: 256, usersMax: 1_000, keepMs: 3_600_000 };

interface Listened {
  readonly log: ChangeLog;
  followers: number;
}

/** The change feed of a server that is alone. Nothing is kept of users who never listened. */
export function createMemoryChangeFeed(limits: Partial<MemoryFeedLimits> = {}): ChangeFeed {
  const { entriesMax, usersMax, keepMs } = { ...LIMITS, ...limits };
  // A cursor of an earlier process, or of a log that was given up, is in no log.
  const run = randomUUID();
  let told = 0;
  const nextId = (): string => `${run}-${(told += 1)}`;
  const listened = new Map<number, Listened>();
  const idle = new LRUCache<number, ChangeLog>({ max: usersMax, ttl: keepMs });

  const join = (userId: number): Listened => {
    const user = listened.get(userId) ?? { log: idle.get(userId) ?? new ChangeLog(nextId(), entriesMax), followers: 0 };
    listened.set(userId, user);
    user.followers += 1;
    return user;
  };
  const leave = (userId: number, user: Listened): void => {
    user.followers -= 1;
    if (user.followers > 0) return;
    listened.delete(userId);
    idle.set(userId, user.log);
  };

  return {
    tell(userId: number, change: Change) {
      const log = listened.get(userId)?.log ?? idle.peek(userId);
      log?.push({ id: nextId(), change });
    },
    async *follow(userId, cursor, signal) {
      const user = join(userId);
      try {
        const { id, end } = user.log;
        const place = cursor === null ? end : user.log.placeAfter(cursor);
        yield { id: (place === null ? null : cursor) ?? id, change: null };
        if (place === null) yield { id, change: { type: "resync" } };
        yield* user.log.follow(place ?? end, signal);
      } finally {
        leave(userId, user);
      }
    },
    async forget(userId) {
      idle.delete(userId);
    },
    close: () => Promise.resolve(),
  };
}
