import type { LocatedLink } from "../../cache/redis/redis-link.ts";
import { openSubscriber, type SubscriberOptions } from "../../cache/redis/subscriber.ts";
import { Listeners } from "../listeners.ts";
import type { Signals } from "../signals.ts";

export interface RedisSignals extends Signals {
  close(): void;
}

/**
 * Signals by PUBLISH: one connection listens for the whole server.
 *
 * @param prefix carries the id of the database
 */
export function createRedisSignals(
  url: string,
  link: LocatedLink,
  prefix: string,
  options: Omit<SubscriberOptions, "onMessage" | "onListening">,
): RedisSignals {
  const listeners = new Listeners();
  const nameOf = (channel: string): string => `${prefix}signals:${channel}`;
  const channelOf = (name: string): string => name.slice(nameOf("").length);
  const subscriber = openSubscriber(url, link, {
    ...options,
    onMessage: (name, payload) => listeners.signal(channelOf(name), payload),
    onListening: (names) => listeners.missed(names.map(channelOf)),
  });
  return {
    send(channel, payload) {
      const name = nameOf(channel);
      link.send(name, ["PUBLISH", name, payload]).catch(() => undefined);
    },
    listen(channel, onSignal, onMissed) {
      const listener = { onSignal, onMissed };
      if (listeners.add(channel, listener)) subscriber.subscribe(nameOf(channel));
      return () => {
        if (listeners.remove(channel, listener)) subscriber.unsubscribe(nameOf(channel));
      };
    },
    close: () => subscriber.close(),
  };
}
