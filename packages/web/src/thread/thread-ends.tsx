import type { ReactNode } from "react";
import { FailureRow } from "../ui/failure-row.tsx";
import type { ThreadEnd } from "./thread-reader.ts";
import type { ThreadStore } from "./thread-store.ts";
import { dateOf } from "./times.ts";
import { useThreadState } from "./use-thread.ts";

/** How much is kept free above the first message, so that what is said there moves nothing. */
export const HEAD_PX = 112;

interface EndProps {
  readonly thread: ThreadStore;
}

/** Above the oldest message that is held: what is known of what is before it. */
export function OlderEnd({ thread }: EndProps): ReactNode {
  const { older } = useThreadState(thread);
  const first = thread.message(thread.ids[0] ?? "");
  return (
    <div
      className="absolute inset-x-0 top-0 grid items-end overflow-hidden pb-2 text-center"
      style={{ height: HEAD_PX }}
    >
      {older.state === "end" && first ? (
        <p className="text-13 text-ink2">
          Start of conversation · <time dateTime={first.created_at}>{dateOf(first.created_at)}</time>
        </p>
      ) : (
        <EndStatus end={older} thread={thread} which="older" />
      )}
    </div>
  );
}

/** Below the newest message that is held. */
export function NewerEnd({ thread }: EndProps): ReactNode {
  const { newer } = useThreadState(thread);
  return newer.state === "end" ? null : <EndStatus end={newer} thread={thread} which="newer" />;
}

function EndStatus({
  end,
  thread,
  which,
}: EndProps & { readonly end: ThreadEnd; readonly which: "older" | "newer" }): ReactNode {
  if (end.state === "error") {
    return <FailureRow what={`Couldn't load ${which} messages.`} error={end.error} onRetry={() => thread.retry()} />;
  }
  return end.state === "loading" ? <p className="p-2 text-13 text-ink2">Loading {which} messages…</p> : null;
}
