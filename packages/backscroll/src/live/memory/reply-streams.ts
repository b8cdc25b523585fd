import { LRUCache } from "lru-cache";
import {
  REPLY_ENTRIES_READ,
  REPLY_STREAM_ENTRIES,
  REPLY_STREAM_TTL_MS,
  type ReplyEntry,
  type ReplyRef,
  type ReplyStreams,
} from "../reply-streams.ts";

const STREAMS_MAX = 10_000;

interface Stream {
  /** those that are still kept, after `dropped` others */
  readonly entries: ReplyEntry[];
  dropped: number;
  ended: boolean;
}

/** Reply streams for a server that is alone. */
export function createMemoryReplyStreams(): ReplyStreams {
  // Purged by timers, not when they are next asked for: nobody asks for a reply that has ended.
  const streams = new LRUCache<string, Stream>({
    max: STREAMS_MAX,
    ttl: REPLY_STREAM_TTL_MS.running,
    ttlAutopurge: true,
    updateAgeOnGet: true,
  });
  const streamOf = (at: ReplyRef): Stream => {
    const known = streams.get(nameOf(at));
    if (known) return known;
    const stream = { entries: [], dropped: 0, ended: false };
    streams.set(nameOf(at), stream);
    return stream;
  };
  return {
    publish(at, entry) {
      const stream = streamOf(at);
      if (stream.ended) return;
      stream.entries.push(entry);
      if (stream.entries.length <= REPLY_STREAM_ENTRIES) return;
      stream.entries.shift();
      stream.dropped += 1;
    },
    end(at) {
      const stream = streamOf(at);
      stream.ended = true;
      streams.set(nameOf(at), stream, { ttl: REPLY_STREAM_TTL_MS.ended });
    },
    drop: (at) => void streams.delete(nameOf(at)),
    async forget(userId) {
      for (const name of streams.keys()) if (name.startsWith(`${userId}:`)) streams.delete(name);
    },
    async read(at, cursor) {
      const stream = streams.get(nameOf(at));
      if (!stream) return { entries: [], cursor: "0", ended: false };
      const { entries, dropped, ended } = stream;
      const from = Math.max(0, Number(cursor ?? 0) - dropped);
      const shown = entries.slice(from, from + REPLY_ENTRIES_READ);
      const upTo = from + shown.length;
      return { entries: shown, cursor: String(dropped + upTo), ended: ended && upTo === entries.length };
    },
  };
}

function nameOf({ userId, id, messageId }: ReplyRef): string {
  return `${userId}:${id}:${messageId}`;
}
