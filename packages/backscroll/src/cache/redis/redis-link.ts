import type { CacheNode } from "../conversation-cache.ts";
import type { Server } from "./url.ts";

/** One way to Redis, whatever its topology. Replies come as Buffers. */
export interface RedisLink {
  /** @returns the server that `send` would send to now */
  node(key: string): CacheNode;
  /**
   * Refused at once while there is no connection; never sent twice.
   *
   * @param key decides the node; every key of the command has its hash tag
   */
  send(key: string, args: readonly (string | Buffer)[]): Promise<unknown>;
  /** Sends to every node that holds keys, and gathers the replies. @throws when one of them is not connected */
  sendToAll<Reply>(
    run: (send: (args: readonly string[]) => Promise<unknown>) => Promise<Reply>,
  ): Promise<readonly Reply[]>;
  close(): void;
}

/** A link that says where it leads. */
export interface LocatedLink extends RedisLink {
  /** servers that hold keys and can be reached, as far as it is known */
  readonly masters: readonly Server[];
  /** whether every server that holds keys is connected to, as far as it is known */
  readonly isOpen: boolean;
}
