import { lazy, type ReactNode, Suspense, useMemo } from "react";
import { useSearch } from "wouter";
import { navigate } from "wouter/use-browser-location";
import { conversationHref } from "../server/conversation-actions.ts";
import { useConversation } from "../server/conversations.ts";
import { ChatHeader } from "./chat-header.tsx";
import { loadPart } from "../ui/load-part.ts";
import { Composer } from "./composer.tsx";
import type { Thread as ThreadView } from "./thread.tsx";
import { threadOf } from "./open-threads.ts";
import { ThreadSkeleton } from "./thread-skeleton.tsx";
import { useReply } from "./use-reply.ts";
import { useThreadState } from "./use-thread.ts";

const SOON_MS = 300;

const loadThread = async (): Promise<{ default: typeof ThreadView }> => ({
  default: (await loadPart(() => import("./thread.tsx"))).Thread,
});
/** What shows messages is a third of the app: read beside the first answers, and before it is needed. */
const Thread = lazy(loadThread);
setTimeout(() => void loadThread(), location.pathname.startsWith("/c/") ? 0 : SOON_MS);

/** @param conversationId null: a new one, made by its first message */
export function ChatPage({ conversationId }: { readonly conversationId: string | null }): ReactNode {
  return (
    <div className="flex h-full flex-col">
      <ChatHeader conversationId={conversationId} />
      {conversationId === null ? <Empty /> : <Conversation conversationId={conversationId} />}
    </div>
  );
}

function Empty(): ReactNode {
  return (
    <>
      <div className="grid min-h-0 flex-1 place-items-center overflow-y-auto p-6 text-center">
        <p className="text-20 text-ink2">What would you like to talk about?</p>
      </div>
      <Composer conversationId={null} />
    </>
  );
}

function Conversation({ conversationId }: { readonly conversationId: string }): ReactNode {
  const thread = useMemo(() => threadOf(conversationId), [conversationId]);
  const messageId = new URLSearchParams(useSearch()).get("m");
  const { data: conversation } = useConversation(conversationId);
  const { phase } = useThreadState(thread);
  useReply(thread);
  const forgetMessage = (): void => {
    if (messageId !== null) navigate(conversationHref(conversationId), { replace: true });
  };
  return (
    <>
      <Suspense fallback={<ThreadSkeleton />}>
        <Thread
          thread={thread}
          count={conversation?.message_count}
          messageId={messageId}
          onJumpToLatest={forgetMessage}
        />
      </Suspense>
      {phase !== "gone" && <Composer conversationId={conversationId} />}
    </>
  );
}
