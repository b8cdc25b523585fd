import { Listeners } from "../listeners.ts";
import type { Signals } from "../signals.ts";

/** Signals for a server that is alone. None is ever missed. */
export function createMemorySignals(): Signals {
  const listeners = new Listeners();
  return {
    // As from another server: not before the sender has gone on.
    send: (channel, payload) => queueMicrotask(() => listeners.signal(channel, payload)),
    listen(channel, onSignal, onMissed) {
      const listener = { onSignal, onMissed };
      listeners.add(channel, listener);
      return () => void listeners.remove(channel, listener);
    },
  };
}
