import { type ReactNode, useEffect, useState } from "react";
import { Link } from "wouter";
import { useConnection } from "../server/connection.ts";
import { FailureRow } from "../ui/failure-row.tsx";
import { toastError } from "../ui/toasts.tsx";
import { MessageList, type Target } from "./message-list.tsx";
import { ThreadSkeleton } from "./thread-skeleton.tsx";
import type { ThreadStore } from "./thread-store.ts";
import { useThreadState } from "./use-thread.ts";

interface ThreadProps {
  readonly thread: ThreadStore;
  /** how many messages the whole conversation has; undefined: not known */
  readonly count: number | undefined;
  /** a message to begin at; null: the newest, or where the reader left */
  readonly messageId: string | null;
  readonly onJumpToLatest: () => void;
}

/** A conversation's messages, or why they are not there. */
export function Thread({ thread, count, messageId, onJumpToLatest }: ThreadProps): ReactNode {
  const { phase, error } = useThreadState(thread);
  const target = useOpened(thread, messageId);
  useRetryOnline(thread);
  switch (phase) {
    case "unknown":
      return <ThreadSkeleton />;
    case "error":
      return (
        <div className="grid min-h-0 flex-1 place-items-center">
          <FailureRow what="Couldn't load this conversation." error={error} onRetry={() => thread.retry()} />
        </div>
      );
    case "gone":
      return <NotFound />;
    case "ready":
      return <MessageList thread={thread} count={count} target={target} onJumpToLatest={onJumpToLatest} />;
  }
}

/** Reads what is to be shown first. @returns the message that was asked for, once it is held */
function useOpened(thread: ThreadStore, messageId: string | null): Target | null {
  const [target, setTarget] = useState<Target | null>(null);
  useEffect(() => {
    setTarget(null);
    if (messageId === null) return void thread.open();
    let isLeft = false;
    void thread.openAround(messageId).then((opened) => {
      if (isLeft) return;
      if (opened === "shown") return setTarget({ id: messageId });
      if (opened === "missing") toastError("This message is not there any more.");
      return thread.open();
    });
    return () => {
      isLeft = true;
    };
  }, [thread, messageId]);
  return target;
}

/** What could not be read while the service could not be reached is read when it can. */
function useRetryOnline(thread: ThreadStore): void {
  const connection = useConnection();
  useEffect(() => {
    if (connection === "online") thread.retry();
  }, [connection, thread]);
}

function NotFound(): ReactNode {
  return (
    <div className="grid min-h-0 flex-1 place-content-center justify-items-center gap-2 p-6 text-center">
      <h2 className="text-20 font-semibold">No such conversation</h2>
      <p className="text-14 text-ink2">
        It was deleted, or the address is not right. What was deleted in the last 30 days is in the trash.
      </p>
      <p className="mt-2 flex flex-wrap justify-center gap-2 text-14">
        <Link href="/" className="rounded-m border border-control bg-raise px-3 py-1.5 hover:bg-soft">
          New chat
        </Link>
        <Link href="/settings" className="rounded-m border border-control bg-raise px-3 py-1.5 hover:bg-soft">
          Open the trash
        </Link>
      </p>
    </div>
  );
}
