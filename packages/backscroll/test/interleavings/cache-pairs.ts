import type { CacheSettings, ConversationCache } from "../../src/cache/conversation-cache.ts";
import type { createRedisCache } from "../../src/cache/redis/redis-cache.ts";
import type { RedisLink } from "../../src/cache/redis/redis-link.ts";

/** Two servers' caches of the same keys. */
export interface CachePair {
  readonly prefix: string;
  readonly A: Maker;
  readonly B: Maker;
}

interface Maker {
  readonly cache: ConversationCache;
  /** the way to Redis from now on */
  use(link: RedisLink): void;
}

const LIVE_MS = 3_600_000;
const LIVES = { ttlMs: LIVE_MS, activeTtlMs: LIVE_MS, idleTtlMs: LIVE_MS, fillDeadlineMs: LIVE_MS };

/** Making one takes longer than an interleaving; its only memory is which conversations it has renewed. */
export class CachePairs {
  readonly #create: typeof createRedisCache;
  readonly #free: CachePair[] = [];

  readonly #settings: CacheSettings;
  #made = 0;

  constructor(create: typeof createRedisCache, messageLimit: number) {
    this.#create = create;
    this.#settings = { ...LIVES, messageLimit };
  }

  take(): CachePair {
    const free = this.#free.pop();
    if (free) return free;
    const prefix = `interleaving-${(this.#made += 1)}:`;
    return { prefix, A: this.#make(prefix), B: this.#make(prefix) };
  }

  giveBack(pair: CachePair): void {
    this.#free.push(pair);
  }

  #make(prefix: string): Maker {
    let to: RedisLink | undefined;
    const link = (): RedisLink => {
      if (!to) throw new Error("no interleaving has begun");
      return to;
    };
    const switched: RedisLink = {
      node: (key) => link().node(key),
      send: (key, args) => link().send(key, args),
      sendToAll: (run) => link().sendToAll(run),
      close: () => undefined,
    };
    return {
      cache: this.#create(switched, this.#settings, prefix),
      use(link) {
        to = link;
      },
    };
  }
}
