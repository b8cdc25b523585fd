import type { ReactNode } from "react";
import { Link } from "wouter";
import { archiveConversation, conversationHref } from "../server/conversation-actions.ts";
import { useConversations } from "../server/conversations.ts";
import { Button } from "../ui/button.tsx";
import { FailureRow } from "../ui/failure-row.tsx";
import { Section } from "./section.tsx";

export function Archive(): ReactNode {
  const { data, error, refetch, hasNextPage, fetchNextPage } = useConversations({ archived: true });
  const archived = data?.pages.flatMap(({ conversations }) => conversations) ?? [];
  return (
    <Section id="archive" title="Archive">
      {error && <FailureRow what="Couldn't load the archive." error={error} onRetry={() => void refetch()} />}
      {data && archived.length === 0 && <p className="text-14 text-ink2">Nothing is archived.</p>}
      {archived.length > 0 && (
        <ul className="divide-y divide-line rounded-m border border-line">
          {archived.map(({ conversation_id: id, title }) => (
            <li key={id} className="flex items-center gap-3 px-3 py-2">
              <Link href={conversationHref(id)} className="min-w-0 flex-1 truncate text-14 hover:underline">
                {title}
              </Link>
              <Button aria-label={`Unarchive ${title}`} onClick={() => void archiveConversation(id, false)}>
                Unarchive
              </Button>
            </li>
          ))}
        </ul>
      )}
      {hasNextPage && <Button onClick={() => void fetchNextPage()}>Show more</Button>}
    </Section>
  );
}
