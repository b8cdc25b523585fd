import type { HistoryCache } from "./history-cache.ts";
import type { CacheMetrics } from "./metrics.ts";

/**
 * PostgreSQL answers every read.
 *
 * @param announce tells the servers that do have a cache of every change; absent: there are none
 */
export function createNoCache(metrics: CacheMetrics, announce?: HistoryCache["changed"]): HistoryCache {
  const tell: HistoryCache["changed"] = announce ?? (() => Promise.resolve());
  const readAside: HistoryCache["readAside"] = async (_, read) => {
    const startedAt = performance.now();
    const result = await read();
    if (result !== null) metrics.read("bypass", performance.now() - startedAt);
    return result;
  };
  return {
    state: "off",
    async readRecent(at, limit, load) {
      const snapshot = await readAside(at, () => load(limit + 1));
      if (snapshot === null) return null;
      const { messages } = snapshot;
      return { messages: messages.slice(0, limit), hasMore: messages.length > limit, source: "bypass" };
    },
    readAside,
    appended: tell,
    changed: tell,
    uncertain: (at) => void tell(at),
    close: () => Promise.resolve(),
  };
}
