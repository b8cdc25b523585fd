import type { Logger } from "pino";
import type { Config } from "./config.ts";
import type { Live } from "./live/live.ts";
import { createMemoryChangeFeed } from "./live/memory/change-feed.ts";
import { createMemoryReplyStreams } from "./live/memory/reply-streams.ts";
import { createMemorySignals } from "./live/memory/signals.ts";

export interface CreatedLive extends Live {
  close(): Promise<void>;
}

export interface LiveSurroundings {
  readonly databaseId: string;
  readonly log: Logger;
}

/** Puts together what is true only now: in the Redis of `redisUrl`, or in this process when there is none. */
export async function createLive(_config: Config, _surroundings: LiveSurroundings): Promise<CreatedLive> {
  const feed = createMemoryChangeFeed();
  return {
    streams: createMemoryReplyStreams(),
    signals: createMemorySignals(),
    feed,
    close: () => feed.close(),
  };
}
