import { errorMessage } from "../../domain/errors.ts";
import { Connection, nameOf, tellOnce } from "./connection.ts";
import type { LocatedLink } from "./redis-link.ts";
import type { Session } from "./session.ts";
import { parseRedisUrl, type Server } from "./url.ts";

/** Listens to channels of Redis on a connection of its own, for as long as they are wanted. */
export interface Subscriber {
  /** Wants a channel that is not wanted yet. */
  subscribe(channel: string): void;
  unsubscribe(channel: string): void;
  close(): void;
}

export interface SubscriberOptions {
  readonly connectTimeoutMs: number;
  /** how often the server is asked whether it is still there; one that is silent for as long is left */
  readonly checkIntervalMs?: number;
  readonly onMessage: (channel: string, payload: string) => void;
  /** from now on nothing that is published on these is missed; what was published before may have been */
  readonly onListening: (channels: readonly string[]) => void;
  /** told of every fault, once while it stays; it mends itself */
  readonly onError: (error: Error) => void;
}

/** One connection. */
interface Listening {
  readonly session: Session;
  readonly channels: Set<string>;
  /** those whose being wanted has changed since */
  readonly unsettled: Set<string>;
  settling: boolean;
}

const CHECK_INTERVAL_MS = 1_000;

/**
 * Follows the link to its master. A cluster carries what is published to all of its nodes: any master will do, and
 * the same one as long as it is a master.
 *
 * @param url the one that the link was made with
 */
export function openSubscriber(url: string, link: LocatedLink, options: SubscriberOptions): Subscriber {
  const tell = tellOnce(options.onError);
  const wanted = new Set<string>();
  let current: Listening | null = null;
  let server: Server | undefined;

  /** Until it listens to what is wanted. One step after the other: node-redis confuses steps that cross each other. */
  const settle = async (on: Listening): Promise<void> => {
    if (on.settling) return;
    on.settling = true;
    try {
      for (;;) {
        const changed = [...on.unsettled];
        on.unsettled.clear();
        const added = changed.filter((channel) => wanted.has(channel) && !on.channels.has(channel));
        const removed = changed.filter((channel) => !wanted.has(channel) && on.channels.has(channel));
        if (added.length === 0 && removed.length === 0) return;
        if (removed.length > 0) await on.session.unsubscribe(removed);
        if (added.length > 0) await on.session.subscribe(added, options.onMessage);
        if (on !== current) return;
        for (const channel of removed) on.channels.delete(channel);
        for (const channel of added) on.channels.add(channel);
        options.onListening(added);
      }
    } catch (error) {
      // A connection that was lost tells so by itself; what is left is a user that may not listen.
      if (on === current) tell(new Error(`cannot listen: ${errorMessage(error)}`, { cause: error }));
    } finally {
      on.settling = false;
    }
  };
  const change = (channel: string): void => {
    current?.unsettled.add(channel);
    if (current) void settle(current);
  };

  const connection = new Connection({
    checkIntervalMs: CHECK_INTERVAL_MS,
    ...parseRedisUrl(url),
    ...options,
    // While the link has none either, that tells why.
    onError: (error) => link.masters.length > 0 && options.onError(error),
    mastersOnly: false,
    async locate() {
      server = stillOneOf(link.masters, server);
      if (!server) throw new Error("no master is known to listen to");
      return server;
    },
    onOpen(session) {
      current = { session, channels: new Set(), unsettled: new Set(wanted), settling: false };
      void settle(current);
    },
    onLost: () => (current = null),
  });

  return {
    subscribe(channel) {
      wanted.add(channel);
      change(channel);
    },
    unsubscribe(channel) {
      wanted.delete(channel);
      change(channel);
    },
    close() {
      current = null;
      connection.close();
    },
  };
}

/** @returns the server that is in use, if it is still one of them; otherwise any of them */
function stillOneOf(servers: readonly Server[], current: Server | undefined): Server | undefined {
  const same = current && servers.find((server) => nameOf(server) === nameOf(current));
  return same ?? servers[Math.floor(Math.random() * servers.length)];
}
