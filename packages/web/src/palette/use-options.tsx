import type { ConversationSummary } from "backscroll-client";
import { MessageSquare, Search } from "lucide-react";
import { navigate } from "wouter/use-browser-location";
import { conversationHref } from "../server/conversation-actions.ts";
import { flatten } from "../server/conversation-pages.ts";
import { useConversations } from "../server/conversations.ts";
import { useDebounced } from "../ui/use-debounced.ts";
import { type Option, useCommands } from "./commands.tsx";

interface OptionGroup {
  readonly label: string;
  readonly options: readonly Option[];
}

interface Options {
  readonly groups: readonly OptionGroup[];
  /** why the conversations are not among them */
  readonly error: Error | null;
}

const SETTLED_MS = 120;
const RECENT = 6;
const FOUND = 20;

/** @returns what the palette offers for what was typed: conversations by title, recent ones when nothing was, commands */
export function useOptions(typed: string): Options {
  const q = useDebounced(typed, SETTLED_MS);
  const { data, error, isPlaceholderData } = useConversations(q === "" ? {} : { q });
  // Until the answer to what was typed is there, Enter must not go to something else.
  const isStale = q !== typed || isPlaceholderData;
  const found = isStale ? flatten(data).filter(({ title }) => includes(title, typed)) : flatten(data);
  const conversations = (q === "" ? byActivity(found).slice(0, RECENT) : found.slice(0, FOUND)).map(
    ({ conversation_id: id, title }): Option => ({
      key: id,
      label: title,
      icon: <MessageSquare size={16} aria-hidden />,
      run: () => navigate(conversationHref(id)),
    }),
  );
  const commands = useCommands(typed);
  const all: readonly Option[] = [
    {
      key: "search-typed",
      label: `Search all for “${typed}”`,
      icon: <Search size={16} aria-hidden />,
      run: () => navigate(`/search?q=${encodeURIComponent(typed)}`),
    },
  ];
  const groups = [
    { label: typed === "" ? "Recent" : "Conversations", options: conversations },
    { label: "Commands", options: commands },
    { label: "Search", options: typed === "" ? [] : all },
  ];
  return { groups: groups.filter(({ options }) => options.length > 0), error };
}

function includes(title: string, typed: string): boolean {
  return title.toLowerCase().includes(typed.toLowerCase());
}

/** @returns the last active ones first, pinned or not */
function byActivity(conversations: readonly ConversationSummary[]): readonly ConversationSummary[] {
  return conversations.toSorted((a, b) => (a.updated_at < b.updated_at ? 1 : -1));
}
