import { LRUCache } from "lru-cache";
import type { RedisLink } from "../../cache/redis/redis-link.ts";
import { loadScript } from "../../cache/redis/scripts.ts";
import { unlinkAll } from "../../cache/redis/unlink-all.ts";
import {
  REPLY_ENTRIES_READ,
  REPLY_STREAM_ENTRIES,
  REPLY_STREAM_TTL_MS,
  type ReplyEntry,
  type ReplyRef,
  type ReplyStreams,
} from "../reply-streams.ts";
import { InFlight } from "./in-flight.ts";
import { inTime } from "./in-time.ts";

/** What Redis may owe an answer to, all replies together: a second of 1,000 of them. More is a gap. */
const IN_FLIGHT_MAX = 4_000;
const CHARS_IN_FLIGHT_MAX = 16_777_216;
/** The time to live is renewed after a quarter of it: most entries stay one plain command. */
const RENEW_AFTER_MS = REPLY_STREAM_TTL_MS.running / 4;
const STREAMS_REMEMBERED = 20_000;
/** A cursor before everything. */
const BEGINNING = "0";

export interface RedisReplyStreams extends ReplyStreams {
  /** Waits a moment for what was published. */
  close(): Promise<void>;
}

/**
 * One Redis Stream a reply, in the slot of its conversation (the braces of the key are literal).
 *
 * @param prefix carries the id of the database
 */
export function createRedisReplyStreams(
  link: RedisLink,
  prefix: string,
  { readDeadlineMs = 1_000, forgetMs = 10_000, closeMs = 500 } = {},
): RedisReplyStreams {
  const { source } = loadScript("extend-reply");
  const renewed = new LRUCache<string, true>({ max: STREAMS_REMEMBERED, ttl: RENEW_AFTER_MS });
  const inFlight = new InFlight();
  let charsInFlight = 0;

  const send = (key: string, args: readonly string[], chars: number): Promise<unknown> => {
    charsInFlight += chars;
    const sent = link
      .send(key, args)
      .catch(() => null) // a gap shows
      .finally(() => (charsInFlight -= chars));
    inFlight.add(sent);
    return sent;
  };
  // By its source: that it is unknown and sent again would change its place among the others.
  const extend = (key: string, ttlMs: number, field: string, value: string): Promise<unknown> =>
    send(
      key,
      ["EVAL", source, "1", key, String(REPLY_STREAM_ENTRIES), String(ttlMs), field, value],
      value.length + source.length,
    );

  return {
    publish(at, entry) {
      const key = keyOf(prefix, at);
      const value = JSON.stringify(entry);
      if (inFlight.count >= IN_FLIGHT_MAX || charsInFlight + value.length > CHARS_IN_FLIGHT_MAX) return;
      if (renewed.has(key)) {
        const added = ["XADD", key, "NOMKSTREAM", "MAXLEN", "~", String(REPLY_STREAM_ENTRIES), "*", "said", value];
        // It is gone: the next one makes it anew, with a time to live.
        void send(key, added, value.length).then((id) => id ?? renewed.delete(key));
      } else {
        const { running } = REPLY_STREAM_TTL_MS;
        void extend(key, running, "said", value).then((kept) => kept !== null && renewed.set(key, true));
      }
    },
    end(at) {
      const key = keyOf(prefix, at);
      renewed.delete(key);
      void extend(key, REPLY_STREAM_TTL_MS.ended, "ended", "");
    },
    drop(at) {
      const key = keyOf(prefix, at);
      renewed.delete(key);
      void send(key, ["UNLINK", key], 0);
    },
    async forget(userId) {
      // Cached conversations begin so, too, and may go at any moment. Which replies there are, nothing else tells.
      const begins = `${prefix}conversation:{${userId}:`;
      const forgetting = link.sendToAll((sendToOne) => unlinkAll(sendToOne, begins));
      await inTime(forgetting, forgetMs).catch(() => undefined);
    },
    async read(at, cursor) {
      const key = keyOf(prefix, at);
      return inTime(readFrom(link, key, cursor), readDeadlineMs).catch(() => null);
    },
    close: () => inFlight.ended(closeMs),
  };
}

type Row = readonly [id: Buffer, fields: readonly [name: Buffer, value: Buffer]];

async function readFrom(link: RedisLink, key: string, cursor: string | null): ReturnType<ReplyStreams["read"]> {
  const range = async (from: string, count: number): Promise<readonly Row[]> =>
    (await link.send(key, ["XRANGE", key, from, "+", "COUNT", String(count)])) as readonly Row[];
  let rows: readonly Row[];
  if (cursor === null || cursor === BEGINNING) rows = await range("-", REPLY_ENTRIES_READ);
  else {
    const [at, ...after] = await range(cursor, REPLY_ENTRIES_READ + 1);
    // Entries go from the beginning: while the cursor's own is there, so is all that follows.
    rows = at && String(at[0]) === cursor ? after : await range("-", REPLY_ENTRIES_READ);
    if (rows === after && after.length === 0) return { entries: [], cursor, ended: isEnd(at) };
  }
  const ended = isEnd(rows.at(-1));
  return {
    entries: (ended ? rows.slice(0, -1) : rows).map(([, [, value]]) => JSON.parse(value.toString()) as ReplyEntry),
    cursor: String(rows.at(-1)?.[0] ?? BEGINNING),
    ended,
  };
}

function isEnd(row: Row | undefined): boolean {
  return String(row?.[1][0]) === "ended";
}

function keyOf(prefix: string, { userId, id, messageId }: ReplyRef): string {
  return `${prefix}conversation:{${userId}:${id}}:stream:${messageId}`;
}
