import { Search, SquarePen, X } from "lucide-react";
import { type ReactNode, useCallback, useRef } from "react";
import { Link, useLocation } from "wouter";
import { useShell } from "../shell/shell-context.ts";
import { IconButton } from "../ui/button.tsx";
import { classNames } from "../ui/class-names.ts";
import { keyNames } from "../ui/keys.ts";
import { ConversationList } from "./conversation-list.tsx";
import { SidebarFooter } from "./sidebar-footer.tsx";

const ENTRY =
  "group/entry flex w-full items-center gap-3 rounded-m px-3 py-2 text-start text-14 leading-5 hover:bg-soft " +
  "pointer-coarse:min-h-11 -outline-offset-2";

/** @param isDrawer it lies over the page: going somewhere takes the place of the drawer in the browser's history */
export function Sidebar({ isDrawer = false }: { readonly isDrawer?: boolean }): ReactNode {
  const { openPalette, toggleSidebar } = useShell();
  const [location] = useLocation();
  const newChat = useRef<HTMLAnchorElement>(null);
  const focusNewChat = useCallback(() => newChat.current?.focus(), []);
  return (
    <div className="flex h-full flex-col">
      <div className="flex h-14 shrink-0 items-center justify-between ps-5 pe-3">
        <span className="flex items-center gap-2 text-16 font-semibold">
          <img src="/icon.svg" alt="" width={20} height={20} />
          Backscroll
        </span>
        {isDrawer && (
          <IconButton label="Close" onClick={toggleSidebar} className="size-11">
            <X size={18} aria-hidden />
          </IconButton>
        )}
      </div>
      <div className="shrink-0 px-2 pb-2">
        <Link
          ref={newChat}
          href="/"
          replace={isDrawer}
          aria-current={location === "/" ? "page" : undefined}
          aria-keyshortcuts="Control+Shift+O"
          className={classNames(ENTRY, location === "/" && "bg-soft font-medium")}
        >
          <SquarePen size={16} aria-hidden /> New chat
          <KeyHint keys="Ctrl Shift O" />
        </Link>
        <button type="button" onClick={openPalette} aria-keyshortcuts="Control+K" className={ENTRY}>
          <Search size={16} aria-hidden /> Search
          <KeyHint keys="Ctrl K" />
        </button>
      </div>
      <div className="flex min-h-0 flex-1 flex-col">
        <ConversationList isDrawer={isDrawer} onEmptied={focusNewChat} />
      </div>
      <SidebarFooter isDrawer={isDrawer} />
    </div>
  );
}

function KeyHint({ keys }: { readonly keys: string }): ReactNode {
  return (
    <kbd
      aria-hidden
      className="ms-auto font-sans text-12 font-normal text-ink2 opacity-0 group-hover/entry:opacity-100 group-focus-visible/entry:opacity-100 pointer-coarse:hidden"
    >
      {keyNames(keys)}
    </kbd>
  );
}
