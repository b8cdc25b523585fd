import type { ChangeFeed } from "./change-feed.ts";

/** What is written past the service comes in bursts; and the cache has to hear of it first. */
const SOON_MS = 250;

/** Has users' clients read everything again, a moment later, and once for all that came within it. */
export interface Resyncs {
  owe(userId: number): void;
  /** Tells those who are still owed. */
  close(): void;
}

export function createResyncs(feed: Pick<ChangeFeed, "tell">): Resyncs {
  const owed = new Set<number>();
  let timer: NodeJS.Timeout | undefined;
  const tell = (): void => {
    clearTimeout(timer);
    timer = undefined;
    for (const userId of owed) feed.tell(userId, { type: "resync" });
    owed.clear();
  };
  return {
    owe(userId) {
      owed.add(userId);
      timer ??= setTimeout(tell, SOON_MS).unref();
    },
    close: tell,
  };
}
