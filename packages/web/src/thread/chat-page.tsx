import type { ReactNode } from "react";
import { ChatHeader } from "./chat-header.tsx";

/** @param conversationId null: a new one, made by its first message */
export function ChatPage({ conversationId }: { readonly conversationId: string | null }): ReactNode {
  return (
    <div className="flex h-full flex-col">
      <ChatHeader conversationId={conversationId} />
    </div>
  );
}
