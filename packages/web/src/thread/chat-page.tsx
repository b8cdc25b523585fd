import type { ReactNode } from "react";
import { PageHeader } from "../shell/page-header.tsx";

/** @param conversationId null: a new one, made by its first message */
export function ChatPage({ conversationId }: { readonly conversationId: string | null }): ReactNode {
  return (
    <div className="flex h-full flex-col">
      <PageHeader>
        <h1 className="truncate text-15 font-medium">{conversationId ?? "New chat"}</h1>
      </PageHeader>
    </div>
  );
}
