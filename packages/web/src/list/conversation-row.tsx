import type { ConversationSummary } from "backscroll-client";
import { type KeyboardEvent, memo, type ReactNode } from "react";
import { Link } from "wouter";
import { conversationHref } from "../server/conversation-actions.ts";
import { useIsReplying } from "../server/replying.ts";
import { classNames } from "../ui/class-names.ts";
import { LazyMenu } from "../ui/lazy-menu.tsx";
import { archiveItem, deleteItem, exportItems, pinItem, renameItem } from "./conversation-menu.tsx";
import { RenameField } from "./rename-field.tsx";

export interface RowActions {
  startRename(id: string): void;
  /** @param title null: it stays */
  endRename(id: string, title: string | null, by: "key" | "blur"): void;
  /** before it leaves the list: the focus goes to its neighbour */
  leave(id: string): void;
  remove(id: string): void;
}

interface ConversationRowProps {
  readonly conversation: ConversationSummary;
  readonly isCurrent: boolean;
  readonly isRenamed: boolean;
  /** going there takes the place of what is open, which was the drawer */
  readonly replace: boolean;
  readonly actions: RowActions;
}

/** One conversation of the list: a link, and what can be done with it (F2 renames, Delete deletes). */
export const ConversationRow: React.NamedExoticComponent<ConversationRowProps> = memo(function ConversationRow({
  conversation,
  isCurrent,
  isRenamed,
  replace,
  actions,
}: ConversationRowProps): ReactNode {
  const { conversation_id: id, title } = conversation;
  if (isRenamed) {
    return (
      <RenameField
        title={title}
        onEnd={(title, by) => actions.endRename(id, title, by)}
        className="mx-1 my-0.5 h-8 w-[calc(100%-8px)] pointer-coarse:h-10"
      />
    );
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "F2") actions.startRename(id);
    else if (event.key === "Delete") actions.remove(id);
    else return;
    event.preventDefault();
  };
  return (
    <div
      className={classNames(
        "group/row relative flex h-full items-center rounded-m hover:bg-soft",
        isCurrent && "bg-soft font-medium",
      )}
    >
      <Link
        href={conversationHref(id)}
        replace={replace}
        aria-current={isCurrent ? "page" : undefined}
        aria-keyshortcuts="F2 Delete"
        title={title}
        onKeyDown={onKeyDown}
        className={classNames(
          "flex h-full min-w-0 flex-1 items-center gap-2 rounded-m ps-3 pe-2 text-14 -outline-offset-2",
          "group-hover/row:pe-10 group-focus-within/row:pe-10 pointer-coarse:pe-12",
        )}
      >
        <span className="truncate">{title}</span>
        <ReplyingDot id={id} />
      </Link>
      <LazyMenu
        label={`Actions for ${title}`}
        items={rowItems(conversation, actions)}
        className={classNames(
          "absolute end-0.5 opacity-0 group-focus-within/row:opacity-100 group-hover/row:opacity-100",
          "data-[state=open]:opacity-100 pointer-coarse:opacity-100",
        )}
      />
    </div>
  );
});

function rowItems(
  conversation: ConversationSummary,
  actions: RowActions,
): readonly React.ComponentProps<typeof LazyMenu>["items"][number][] {
  const { conversation_id: id } = conversation;
  const archive = archiveItem(conversation);
  return [
    renameItem(() => actions.startRename(id)),
    pinItem(conversation),
    {
      ...archive,
      run: () => {
        actions.leave(id);
        archive.run();
      },
    },
    ...exportItems(conversation),
    { ...deleteItem(conversation), run: () => actions.remove(id) },
  ];
}

function ReplyingDot({ id }: { readonly id: string }): ReactNode {
  const isReplying = useIsReplying(id);
  if (!isReplying) return null;
  return (
    <span role="img" aria-label="A reply is being written" title="A reply is being written" className="shrink-0">
      <span className="block size-2 animate-pulse rounded-full bg-accent forced-colors:bg-[Highlight]" />
    </span>
  );
}
