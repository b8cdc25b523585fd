import type { HistoryCache } from "./history-cache.ts";
import type { CacheMetrics } from "./metrics.ts";

/**
 * PostgreSQL answers every read.
 *
 * @param announce tells the servers that do have a cache of every change; absent: there are none
 */
export function createNoCache(metrics: CacheMetrics, announce?: HistoryCache["changed"]): HistoryCache {
  const tell: HistoryCache["changed"] = announce ?? (() => Promise.resolve());
  return {
    state: "off",
    async readRecent(_, limit, load) {
      const snapshot = await load(limit + 1);
      if (snapshot === null) return null;
      metrics.read("bypass");
      const { messages } = snapshot;
      return { messages: messages.slice(0, limit), hasMore: messages.length > limit, source: "bypass" };
    },
    readAside: () => metrics.read("bypass"),
    appended: tell,
    changed: tell,
    uncertain: (at) => void tell(at),
    close: () => Promise.resolve(),
  };
}
