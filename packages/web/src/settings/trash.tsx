import { useInfiniteQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { client } from "../server/client.ts";
import { restoreConversation } from "../server/conversation-actions.ts";
import { inWords } from "../server/query-client.ts";
import { announce } from "../ui/announcer.tsx";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { FailureRow } from "../ui/failure-row.tsx";
import { toastError } from "../ui/toasts.tsx";
import { Section } from "./section.tsx";

const PAGE = 50;
const KEPT_DAYS = 30;
const DAY_MS = 86_400_000;

export function Trash(): ReactNode {
  const [asked, setAsked] = useState<{ readonly id: string; readonly title: string } | null>(null);
  const { data, error, refetch, hasNextPage, fetchNextPage } = useInfiniteQuery({
    queryKey: ["trash"],
    queryFn: ({ pageParam, signal }) =>
      client.listDeletedConversations({ page: pageParam, page_size: PAGE }, { signal }),
    initialPageParam: 1,
    getNextPageParam: ({ pagination: { page, has_next: hasNext } }) => (hasNext ? page + 1 : null),
  });
  const deleted = data?.pages.flatMap(({ conversations }) => conversations) ?? [];
  const restore = async (id: string): Promise<void> => {
    if (await restoreConversation(id)) announce("Restored");
    await refetch();
  };
  const erase = async (id: string): Promise<void> => {
    setAsked(null);
    try {
      await client.deleteConversation(id, { permanent: true });
      announce("Deleted forever");
    } catch (error) {
      toastError(`Not deleted. ${inWords(error)}`);
    }
    await refetch();
  };
  return (
    <Section id="trash" title="Trash">
      <p className="text-14 text-ink2">What was deleted can be restored for {KEPT_DAYS} days.</p>
      {error && <FailureRow what="Couldn't load the trash." error={error} onRetry={() => void refetch()} />}
      {data && deleted.length === 0 && <p className="text-14 text-ink2">The trash is empty.</p>}
      {deleted.length > 0 && (
        <ul className="divide-y divide-line rounded-m border border-line">
          {deleted.map(({ conversation_id: id, title, deleted_at: at }) => (
            <li key={id} className="flex flex-wrap items-center gap-x-3 gap-y-1 px-3 py-2">
              <span className="min-w-40 flex-1 truncate text-14">{title}</span>
              <span className="text-12 text-ink2">{daysLeft(at)}</span>
              <Button aria-label={`Restore ${title}`} onClick={() => void restore(id)}>
                Restore
              </Button>
              <Button kind="danger" aria-label={`Delete forever: ${title}`} onClick={() => setAsked({ id, title })}>
                Delete forever
              </Button>
            </li>
          ))}
        </ul>
      )}
      {hasNextPage && <Button onClick={() => void fetchNextPage()}>Show more</Button>}
      {asked && (
        <Dialog title="Delete forever?" onClose={() => setAsked(null)}>
          <p className="text-14 wrap-anywhere">“{asked.title}” and all its messages are gone then.</p>
          <div className="mt-4 flex justify-end gap-2">
            <Button onClick={() => setAsked(null)}>Cancel</Button>
            <Button kind="danger" onClick={() => void erase(asked.id)}>
              Delete forever
            </Button>
          </div>
        </Dialog>
      )}
    </Section>
  );
}

function daysLeft(deletedAt: string): string {
  const days = Math.max(0, Math.ceil(KEPT_DAYS - (Date.now() - Date.parse(deletedAt)) / DAY_MS));
  return days === 1 ? "1 day left" : `${days} days left`;
}
