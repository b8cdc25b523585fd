import { BackscrollConnectionError, unreadableAnswer } from "./errors.ts";
import type { Send, StreamOptions } from "./operation.ts";
import { lostConnection } from "./reconnecting.ts";
import type { Failure } from "./retry.ts";
import type { Change } from "./types.ts";

export interface FollowChangesOptions extends Omit<StreamOptions, "retries"> {
  /** `event_id` of the last change seen: what came since then comes first. Absent: from now on */
  readonly lastEventId?: string | undefined;
}

/** A change, and the cursor to come back with. */
export type FollowedChange = Change & { readonly event_id: string };

/** Every method throws `BackscrollApiError` and `BackscrollConnectionError`; codes named here are each one's own. */
export interface ChangeMethods {
  /**
   * What changes in the user's conversations, wherever that is done: kinds and ids, no bodies. It begins with a
   * `ready`: what is read after that and changes later is told. A connection that is lost is opened again, for as long
   * as it takes, and misses nothing; where that cannot be promised there is a `resync`: read everything again. A change
   * may be told twice.
   *
   * It ends with the signal, rejecting with its reason, or when the loop is left. An answer that no retry changes
   * (unauthenticated, say) is thrown.
   */
  followChanges(options?: FollowChangesOptions): AsyncGenerator<FollowedChange, void, undefined>;
}

/** A connection that held for so long was not refused: the next wait is short again. */
const HELD_MS = 10_000;

export function changeMethods(send: Send): ChangeMethods {
  return {
    async *followChanges({ lastEventId, ...options } = {}) {
      const connection = send.connect({ ...options, retries: Number.POSITIVE_INFINITY }, Number.POSITIVE_INFINITY);
      let cursor = lastEventId;
      for (let isReady = false; ;) {
        const headers = { accept: "text/event-stream", ...(cursor !== undefined && { "last-event-id": cursor }) };
        const opened = await connection.open({ method: "GET", path: "/api/events", headers });
        if (opened === null) return;
        const openedAt = Date.now();
        let lost: Failure;
        try {
          for await (const { data, id } of opened.events) {
            const change = parseChange(data);
            cursor = id;
            if (change.type !== "ready") connection.progressed();
            else if (isReady) continue;
            isReady = true;
            yield { ...change, event_id: id };
          }
          lost = lostConnection(new BackscrollConnectionError("the stream ended"));
        } catch (error) {
          lost = lostConnection(error);
        }
        if (Date.now() - openedAt >= HELD_MS) connection.progressed();
        await connection.waitAfter(lost);
      }
    },
  };
}

function parseChange(data: string): Change {
  try {
    return JSON.parse(data) as Change;
  } catch {
    throw unreadableAnswer(`not a change: ${data.slice(0, 200)}`);
  }
}
