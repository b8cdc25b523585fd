import { useSyncExternalStore } from "react";

/** `offline`: the last request got no answer, or the browser has no network. */
export type Connection = "online" | "offline";

const PING_MS = 2_000;
let connection: Connection = "online";
let losses = 0;
let timer: ReturnType<typeof setTimeout> | undefined;
const listeners = new Set<() => void>();

/** Learns from every request whether the service can be reached; while it cannot, asks until it can. */
export function watchConnection(fetch: typeof globalThis.fetch): typeof globalThis.fetch {
  return async (input, init) => {
    const lossesBefore = losses;
    try {
      const response = await fetch(input, init);
      // What was on its way when the service was lost says nothing of now.
      if (lossesBefore === losses) become("online");
      return response;
    } catch (error) {
      // Given up by whoever asked: nothing is known of the network.
      if (init?.signal?.aborted !== true) lose();
      throw error;
    }
  };
}

export function useConnection(): Connection {
  return useSyncExternalStore(subscribe, () => connection);
}

function subscribe(listener: () => void): () => void {
  if (listeners.size === 0) {
    globalThis.addEventListener("offline", lose);
    globalThis.addEventListener("online", ping);
  }
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    globalThis.removeEventListener("offline", lose);
    globalThis.removeEventListener("online", ping);
  };
}

function lose(): void {
  losses += 1;
  become("offline");
  timer ??= setTimeout(ping, PING_MS);
}

function ping(): void {
  clearTimeout(timer);
  timer = undefined;
  watchConnection(fetch)("/livez", { cache: "no-store" }).catch(() => undefined);
}

function become(next: Connection): void {
  if (next === connection) return;
  connection = next;
  for (const listener of listeners) listener();
}
