import { useEffect } from "react";
import type { ThreadStore } from "./thread-store.ts";
import { followRunning, leaveReply } from "./turns.ts";
import { useThreadState } from "./use-thread.ts";

/** Shows the reply that is being written, whoever asked for it, for as long as somebody looks at the conversation. */
export function useReply(thread: ThreadStore): void {
  const { phase, runningReplyId } = useThreadState(thread);
  useEffect(() => {
    if (phase === "ready") void followRunning(thread);
  }, [thread, phase, runningReplyId]);
  useEffect(() => () => leaveReply(thread), [thread]);
}
