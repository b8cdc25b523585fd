import { setTimeout as pause } from "node:timers/promises";
import type { CacheNode } from "../conversation-cache.ts";
import { ClusterLink } from "./cluster.ts";
import { Connection, type ConnectionSettings, nameOf } from "./connection.ts";
import { askSentinels } from "./sentinel.ts";
import type { LocatedLink } from "./redis-link.ts";
import { parseRedisUrl, type RedisTarget, type Server } from "./url.ts";

export interface LinkOptions {
  /** bounds the wait for the first connection, and every attempt at one */
  readonly connectTimeoutMs: number;
  /** how often each server is asked whether it is still the same; one that does not answer for as long is reconnected to */
  readonly checkIntervalMs?: number;
  /** told of every fault of a connection, once while it stays; it mends itself */
  readonly onError: (error: Error) => void;
}

const CHECK_INTERVAL_MS = 1_000;

/**
 * Connects by URL: `redis://user:password@host:6379/0` to one server; `redis+cluster://host:port,host:port` to a Redis
 * Cluster; `redis+sentinel://host:port,host:port/name` to the master of that name. `rediss…` for TLS, to Sentinels too;
 * Node trusts a private certificate authority by `NODE_EXTRA_CA_CERTS=/path/to/ca.pem`. Redis 7.0 or later, or Valkey.
 *
 * Resolves with the first connection or after `connectTimeoutMs`, whichever comes first, and goes on connecting until
 * it is closed. A user without the right to INFO is served, but a restart behind a proxy then goes unnoticed.
 *
 * @throws when the URL is not one of these
 */
export async function connectRedis(url: string, options: LinkOptions): Promise<LocatedLink> {
  const target = parseRedisUrl(url);
  const settings: ConnectionSettings = { checkIntervalMs: CHECK_INTERVAL_MS, ...target, ...options };
  const { link, opened } = linkTo(target, settings);
  const timer = new AbortController();
  await Promise.race([opened, pause(options.connectTimeoutMs, undefined, timer)]);
  timer.abort();
  return link;
}

function linkTo(target: RedisTarget, settings: ConnectionSettings): { link: LocatedLink; opened: Promise<void> } {
  const { topology, servers, masterName } = target;
  if (topology === "cluster") {
    const link = new ClusterLink(servers, settings);
    return { link, opened: link.opened };
  }
  const [server] = servers;
  const isSentinel = topology === "sentinel";
  const locate = isSentinel ? askSentinels(servers, masterName, settings) : async (): Promise<Server> => server;
  const connection = new Connection({ ...settings, locate, mastersOnly: isSentinel });
  return { link: linkOver(connection, isSentinel ? masterName : nameOf(server)), opened: connection.opened };
}

/** @param nameBefore the server's name until it is known */
function linkOver(connection: Connection, nameBefore: string): LocatedLink {
  const nodes = new Map<string, CacheNode>();
  const nameNow = (): string => (connection.server ? nameOf(connection.server) : nameBefore);
  return {
    node: () => {
      const name = nameNow();
      const known = nodes.get(name);
      if (known) return known;
      const node: CacheNode = {
        name,
        get incarnation() {
          return connection.incarnation;
        },
        // A master that was replaced holds nothing any more: whoever waits for it waits no longer.
        ping: async () => void (nameNow() === name && (await connection.send(["PING"]))),
      };
      nodes.set(name, node);
      return node;
    },
    send: (_, args) => connection.send(args),
    sendToAll: async (run) => [await run((args) => connection.send(args))],
    close: () => connection.close(),
    get isOpen() {
      return connection.isOpen;
    },
    get masters() {
      return connection.server ? [connection.server] : [];
    },
  };
}
