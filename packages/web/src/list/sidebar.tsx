import { SquarePen } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { useConversations } from "../server/conversations.ts";
import { FailureRow } from "../ui/failure-row.tsx";

export function Sidebar(): ReactNode {
  const { data, error, refetch } = useConversations();
  const conversations = data?.pages.flatMap(({ conversations }) => conversations) ?? [];
  return (
    <div className="flex h-full flex-col gap-2 p-3">
      <Link href="/" className="flex items-center gap-2 rounded-m px-3 py-2 text-14 hover:bg-soft">
        <SquarePen size={16} aria-hidden /> New chat
      </Link>
      {error && <FailureRow what="Couldn't load conversations." error={error} onRetry={() => void refetch()} />}
      <ul className="min-h-0 flex-1 overflow-y-auto">
        {conversations.map(({ conversation_id: id, title }) => (
          <li key={id}>
            <Link
              href={`/c/${encodeURIComponent(id)}`}
              className="block truncate rounded-m px-3 py-1.5 text-14 hover:bg-soft"
            >
              {title}
            </Link>
          </li>
        ))}
      </ul>
    </div>
  );
}
