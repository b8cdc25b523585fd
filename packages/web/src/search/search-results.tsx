import type { ConversationSummary } from "backscroll-client";
import { type ReactNode, useEffect, useRef } from "react";
import { Link } from "wouter";
import { conversationHref } from "../server/conversation-actions.ts";
import { flatten } from "../server/conversation-pages.ts";
import { useConversations } from "../server/conversations.ts";
import { Delayed } from "../ui/delayed.tsx";
import { FailureRow } from "../ui/failure-row.tsx";
import { MarkedText } from "../ui/marked-text.tsx";

const DATE = new Intl.DateTimeFormat("en", { dateStyle: "medium" });

/** Those in the list first, then those in the archive. */
export function SearchResults({ q }: { readonly q: string }): ReactNode {
  const enabled = q !== "";
  const listed = useConversations({ q }, { enabled });
  const archived = useConversations(
    { q, archived: true },
    { enabled: enabled && listed.isSuccess && !listed.hasNextPage },
  );
  if (!enabled) return null;
  const inList = flatten(listed.data);
  const inArchive = listed.hasNextPage ? [] : flatten(archived.data);
  const isSettled =
    !listed.isPending && !listed.isPlaceholderData && !archived.isLoading && !archived.isPlaceholderData;
  const failed = listed.error ? listed : archived.error ? archived : null;
  return (
    <>
      <p role="status" className="sr-only">
        {isSettled && !failed && count(inList.length + inArchive.length, listed.hasNextPage || archived.hasNextPage)}
      </p>
      {!isSettled && !failed && inList.length + inArchive.length === 0 && <Delayed>Searching…</Delayed>}
      <Results conversations={inList} q={q} label="Conversations" />
      {inArchive.length > 0 && <h2 className="px-3 pt-6 pb-1 text-13 font-medium text-ink2">In the archive</h2>}
      <Results conversations={inArchive} q={q} label="Archived conversations" />
      {failed && (
        <FailureRow
          what={failed.isFetchNextPageError ? "Couldn't load more." : "Couldn't search."}
          error={failed.error}
          onRetry={() => void (failed.isFetchNextPageError ? failed.fetchNextPage() : failed.refetch())}
        />
      )}
      {isSettled && !failed && inList.length + inArchive.length === 0 && (
        <p className="px-3 py-6 text-14 text-ink2">No title has “{q}” in it.</p>
      )}
      {!failed && (listed.hasNextPage || archived.hasNextPage) && (
        <More
          key={inList.length + inArchive.length}
          load={() => void (listed.hasNextPage ? listed.fetchNextPage() : archived.fetchNextPage())}
        />
      )}
    </>
  );
}

interface ResultsProps {
  readonly conversations: readonly ConversationSummary[];
  readonly q: string;
  readonly label: string;
}

function Results({ conversations, q, label }: ResultsProps): ReactNode {
  if (conversations.length === 0) return null;
  return (
    <ul aria-label={label}>
      {conversations.map(({ conversation_id: id, title, last_message_preview: preview, updated_at }) => (
        // What is far from sight is not laid out: a search may find thousands.
        <li key={id} className="[contain-intrinsic-size:auto_64px] [content-visibility:auto]">
          <Link href={conversationHref(id)} className="block rounded-m px-3 py-2.5 -outline-offset-2 hover:bg-soft">
            <span className="flex items-baseline gap-4">
              <span className="min-w-0 flex-1 truncate text-15">
                <MarkedText text={title} query={q} />
              </span>
              <time dateTime={updated_at} className="shrink-0 text-12 text-ink2">
                {DATE.format(new Date(updated_at))}
              </time>
            </span>
            <span className="block truncate text-13 text-ink2">{preview ?? "No messages"}</span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

/** Where the results end so far: the next page is read as soon as that comes into sight. */
function More({ load }: { readonly load: () => void }): ReactNode {
  const element = useRef<HTMLDivElement>(null);
  const latest = useRef(load);
  useEffect(() => {
    latest.current = load;
  });
  useEffect(() => {
    const observer = new IntersectionObserver(([seen]) => seen?.isIntersecting === true && latest.current(), {
      rootMargin: "600px",
    });
    if (element.current) observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return (
    <div ref={element} className="px-3 py-4 text-center text-13 text-ink2">
      Loading more…
    </div>
  );
}

function count(found: number, isMore: boolean): string {
  if (found === 0) return "Nothing found";
  return `${found}${isMore ? " or more" : ""} ${found === 1 && !isMore ? "conversation" : "conversations"} found`;
}
