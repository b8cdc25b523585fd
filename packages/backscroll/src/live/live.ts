import type { Budgets } from "./budgets.ts";
import type { ChangeFeed } from "./change-feed.ts";
import type { ReplyStreams } from "./reply-streams.ts";
import type { Signals } from "./signals.ts";
import type { StreamSlots } from "./stream-slots.ts";

/** What is true only now, shared by all servers. All of it may be lost at any moment; PostgreSQL knows what matters. */
export interface Live {
  readonly streams: ReplyStreams;
  readonly signals: Signals;
  readonly feed: ChangeFeed;
  readonly budgets: Budgets;
  readonly slots: StreamSlots;
}
