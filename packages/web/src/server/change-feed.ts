import type { FollowedChange } from "backscroll-client";
import { client } from "./client.ts";

type Listener = (change: FollowedChange) => void;

const NAME = "backscroll.changes";
const listeners = new Set<Listener>();
let lastEventId: string | undefined;

/**
 * Tells of every change, of `resync`, and of `ready` when what was read before may be from before the feed began.
 *
 * @returns stops listening
 */
export function onChange(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/**
 * Follows what changes in this user's conversations. One of the browser's tabs does so for all of them, since a browser
 * opens six connections to a server and no more; when that tab goes, another one goes on where it was.
 *
 * @returns stops following
 */
export function startChangeFeed(): () => void {
  const stop = new AbortController();
  const channel = new BroadcastChannel(NAME);
  channel.addEventListener("message", ({ data }: MessageEvent<FollowedChange>) => tell(data));
  const lead = (): Promise<void> =>
    follow(stop.signal, (change) => {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel is its origin's own
      channel.postMessage(change);
      tell(change);
    });
  // Locks are for secure contexts: without TLS, and not on this machine, every tab follows by itself.
  const leading = "locks" in navigator ? navigator.locks.request(NAME, { signal: stop.signal }, lead) : lead();
  leading.catch((error: unknown) => {
    if (!stop.signal.aborted) reportError(error);
  });
  return () => {
    stop.abort();
    channel.close();
  };
}

async function follow(signal: AbortSignal, onEach: Listener): Promise<void> {
  for await (const change of client.followChanges({ signal, lastEventId })) onEach(change);
}

function tell(change: FollowedChange): void {
  // From a place that is known on, nothing was missed.
  const isKnown = lastEventId !== undefined;
  lastEventId = change.event_id;
  if (change.type === "ready" && isKnown) return;
  for (const listener of listeners) listener(change);
}
