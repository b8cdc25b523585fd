import type { ChangeFeed } from "./change-feed.ts";
import type { ReplyStreams } from "./reply-streams.ts";
import type { Signals } from "./signals.ts";

/** What is true only now, shared by all servers. All of it may be lost at any moment; PostgreSQL knows what matters. */
export interface Live {
  readonly streams: ReplyStreams;
  readonly signals: Signals;
  readonly feed: ChangeFeed;
}
