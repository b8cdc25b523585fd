import type { RedisLink } from "../../cache/redis/redis-link.ts";
import type { Change, ChangeFeed, FeedEntry, ReadyEntry } from "../change-feed.ts";
import type { Signals } from "../signals.ts";
import { type ChangeStreamOptions, createChangeStreams } from "./change-streams.ts";
import { InFlight } from "./in-flight.ts";
import { inTime } from "./in-time.ts";
import { ListenedUser, NOWHERE } from "./listened-user.ts";
import { changesChannel, OwedResyncs } from "./owed-resyncs.ts";

export interface RedisFeedOptions extends ChangeStreamOptions {
  /** how often a listened user's stream is looked at without a signal: signals may be lost */
  readonly tickMs: number;
}

const OPTIONS: RedisFeedOptions = { entriesMax: 1_000, keepMs: 3_600_000, tickMs: 15_000 };
/** How many changes whoever listens may be behind, in memory: some 300 bytes each, of each user who listens here. */
const BEHIND_MAX = 256;
const CLOSE_MS = 500;
const FORGET_MS = 2_000;

/**
 * The change feed over Redis: one stream a user, and signals that say that there is something new in it. What Redis
 * loses, it loses visibly: a cursor is good only while its own entry is there.
 *
 * @param prefix carries the id of the database
 */
export function createRedisChangeFeed(
  link: RedisLink,
  signals: Signals,
  prefix: string,
  options: Partial<RedisFeedOptions> = {},
): ChangeFeed {
  const { tickMs, ...kept } = { ...OPTIONS, ...options };
  const behindMax = Math.min(kept.entriesMax, BEHIND_MAX);
  const streams = createChangeStreams(link, prefix, kept);
  const owed = new OwedResyncs(streams, signals);
  const listened = new Map<number, ListenedUser>();
  const inFlight = new InFlight();

  const lookAtAll = (): void => {
    for (const user of listened.values()) void user.look();
  };
  const stopListening = signals.listen(changesChannel(), lookAtAll, () => undefined);

  const tell = async (userId: number, change: Change): Promise<void> => {
    const incarnation = streams.incarnation(userId);
    try {
      if ((await streams.add(userId, change)) === null) return;
      owed.told(userId, incarnation);
      signals.send(changesChannel(userId), "");
    } catch {
      owed.owe(userId);
      listened.get(userId)?.tellHere(change);
    }
  };
  const join = (userId: number): ListenedUser => {
    const user = listened.get(userId) ?? new ListenedUser(userId, { streams, signals, tickMs, entriesMax: behindMax });
    listened.set(userId, user);
    user.followers += 1;
    return user;
  };
  const leave = (userId: number, user: ListenedUser): void => {
    user.followers -= 1;
    if (user.followers > 0) return;
    listened.delete(userId);
    void user.close();
  };

  /** @returns what came after the cursor, up to where the user has been read; null when that is not known */
  const readSince = async (
    userId: number,
    user: ListenedUser,
    cursor: string,
  ): Promise<readonly (FeedEntry | ReadyEntry)[] | null> => {
    if (cursor === NOWHERE || !ID.test(cursor) || user.cursor === NOWHERE) return null;
    return streams.read(userId, cursor, user.cursor).catch(() => null);
  };

  return {
    tell: (userId, change) => inFlight.add(tell(userId, change)),
    async *follow(userId, cursor, signal) {
      const user = join(userId);
      try {
        await user.looked;
        // The cursor may be of what another server has read sooner.
        if (cursor !== null) await user.look();
        // Together: what comes to the log from now on is not in what is read.
        const { end } = user.log;
        const newest = user.cursor;
        const since = cursor === null ? [] : await readSince(userId, user, cursor);
        yield { id: (since && cursor) ?? newest, change: null };
        if (since === null) yield { id: newest, change: { type: "resync" } };
        for (const entry of since ?? []) {
          if (signal.aborted) return;
          if (entry.change !== null) yield entry;
        }
        yield* user.log.follow(end, signal);
      } finally {
        leave(userId, user);
      }
    },
    async forget(userId) {
      // A look that is under way would open the stream again.
      const dropping = (listened.get(userId)?.close() ?? Promise.resolve()).then(() => streams.drop(userId));
      await inTime(dropping, FORGET_MS).catch(() => owed.owe(userId));
    },
    async close() {
      await inFlight.ended(CLOSE_MS);
      stopListening();
      owed.close();
      for (const user of listened.values()) void user.close();
    },
  };
}

/** An id of a Redis Stream. */
const ID = /^\d{1,20}-\d{1,20}$/;
