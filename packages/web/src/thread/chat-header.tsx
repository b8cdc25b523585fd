import type { ConversationSummary } from "backscroll-client";
import { Download, FileText } from "lucide-react";
import { type ReactNode, useRef, useState } from "react";
import { archiveItem, deleteItem, exportItems, pinItem, renameItem } from "../list/conversation-menu.tsx";
import { RenameField } from "../list/rename-field.tsx";
import { conversationHref, renameConversation } from "../server/conversation-actions.ts";
import { useConversation } from "../server/conversations.ts";
import { PageHeader } from "../shell/page-header.tsx";
import { useNarrow } from "../shell/use-narrow.ts";
import { classNames } from "../ui/class-names.ts";
import { LazyMenu } from "../ui/lazy-menu.tsx";
import type { MenuItem } from "../ui/menu.tsx";
import { useDocumentTitle } from "../ui/use-document-title.ts";

/** @param conversationId null: there is none yet */
export function ChatHeader({ conversationId }: { readonly conversationId: string | null }): ReactNode {
  const { data: conversation, isPending } = useConversation(conversationId);
  useDocumentTitle(conversation?.title);
  if (conversationId !== null && conversation) return <ConversationHeader conversation={conversation} />;
  const isComing = conversationId !== null && isPending;
  return (
    <PageHeader>
      <h1 className={classNames("truncate text-15 font-medium", isComing && "sr-only")}>
        {conversationId === null ? "New chat" : "Conversation"}
      </h1>
    </PageHeader>
  );
}

function ConversationHeader({ conversation }: { readonly conversation: ConversationSummary }): ReactNode {
  const { conversation_id: id, title, message_count: count, archived } = conversation;
  const isNarrow = useNarrow();
  const [isRenaming, setRenaming] = useState(false);
  const titleButton = useRef<HTMLButtonElement>(null);
  const rename = (): void => setRenaming(true);
  const endRename = (next: string | null, by: "key" | "blur"): void => {
    if (next !== null) void renameConversation(id, next);
    setRenaming(false);
    // Once the title is there again.
    if (by === "key") requestAnimationFrame(() => titleButton.current?.focus());
  };
  return (
    <PageHeader>
      <div className="flex min-w-0 flex-1 items-baseline gap-x-3 max-md:flex-col max-md:justify-center">
        {isRenaming ? (
          <RenameField title={title} onEnd={endRename} className="h-8 w-full max-w-120 text-15 font-medium" />
        ) : (
          <h1 className="max-w-full min-w-0 text-15 leading-6 font-medium">
            {isNarrow ? (
              <span className="block truncate px-1">{title}</span>
            ) : (
              <button
                ref={titleButton}
                type="button"
                onClick={rename}
                title="Rename"
                aria-description="Rename"
                className="block max-w-full truncate rounded-s px-2 text-start hover:bg-soft"
              >
                {title}
              </button>
            )}
          </h1>
        )}
        {!(isNarrow && isRenaming) && (
          <p className="shrink-0 text-13 leading-5 text-ink2 max-md:px-1 max-md:text-12 max-md:leading-4">
            {count === 1 ? "1 message" : `${count.toLocaleString("en")} messages`}
            {archived && " · Archived"}
          </p>
        )}
      </div>
      {!isNarrow && (
        <LazyMenu label="Export" icon={<Download size={18} aria-hidden />} items={exportItems(conversation)} />
      )}
      <LazyMenu
        label="More actions"
        items={moreItems(conversation, isNarrow ? rename : null)}
        className="max-md:size-11"
      />
    </PageHeader>
  );
}

/** @param rename null: what else is in the header needs no place in the menu */
function moreItems(conversation: ConversationSummary, rename: (() => void) | null): readonly MenuItem[] {
  return [
    ...(rename === null ? [] : [renameItem(rename)]),
    pinItem(conversation),
    archiveItem(conversation),
    ...(rename === null ? [] : exportItems(conversation)),
    plainPageItem(conversation),
    deleteItem(conversation),
  ];
}

function plainPageItem({ conversation_id: id }: ConversationSummary): MenuItem {
  return {
    label: "Plain page",
    icon: <FileText size={16} aria-hidden />,
    run: () => location.assign(`${conversationHref(id)}/plain`),
  };
}
