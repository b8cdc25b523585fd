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
  const streams = new LRUCache<string, Stream>({ max: STREAMS_MAX, ttl: REPLY_STREAM_TTL_MS.running });
  const streamOf = (at: ReplyRef, ttl: number): Stream => {
    const stream = streams.get(nameOf(at)) ?? { entries: [], dropped: 0, ended: false };
    streams.set(nameOf(at), stream, { ttl });
    return stream;
  };
  return {
    publish(at, entry) {
      const stream = streamOf(at, REPLY_STREAM_TTL_MS.running);
      if (stream.ended) return;
      stream.entries.push(entry);
      if (stream.entries.length <= REPLY_STREAM_ENTRIES) return;
      stream.entries.shift();
      stream.dropped += 1;
    },
    end(at) {
      streamOf(at, REPLY_STREAM_TTL_MS.ended).ended = true;
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
