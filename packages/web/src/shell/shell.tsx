import { type ReactNode, useCallback, useEffect, useMemo, useState } from "react";
import { useLocation } from "wouter";
import { Sidebar } from "../list/sidebar.tsx";
import { leaveDeleted } from "../server/conversation-actions.ts";
import { keepConversationsFresh, onDeleted } from "../server/fresh-conversations.ts";
import { choose, isChosen, SIDEBAR } from "../ui/choice.ts";
import { useModal } from "../ui/dialog.tsx";
import { ConnectionBanner } from "./connection-banner.tsx";
import { ShellContext } from "./shell-context.ts";
import { type Overlay, Shortcuts } from "./shortcuts.tsx";
import { useNarrow } from "./use-narrow.ts";
import { useVisualHeight } from "./use-visual-height.ts";

/** What is around every page: the sidebar (a drawer where it is narrow), the banner, the skip link. */
export function Shell({ children }: { readonly children: ReactNode }): ReactNode {
  const isNarrow = useNarrow();
  const [isOpen, setOpen] = useState(!isNarrow && isChosen(SIDEBAR));
  const [overlay, setOverlay] = useState<Overlay>(null);
  const [location] = useLocation();
  useVisualHeight();
  useEffect(keepConversationsFresh, []);
  useEffect(() => onDeleted(leaveDeleted), []);
  useEffect(() => setOpen(!isNarrow && isChosen(SIDEBAR)), [isNarrow]);
  // In a drawer, going somewhere is the end of choosing.
  useEffect(() => {
    if (isNarrow) setOpen(false);
  }, [location, isNarrow]);
  const toggle = useCallback(() => {
    // A drawer is open for a moment only.
    if (!isNarrow) choose(SIDEBAR, !isOpen);
    setOpen(!isOpen);
  }, [isNarrow, isOpen]);
  const close = useCallback(() => setOpen(false), []);
  const closeOverlay = useCallback((closed: Overlay) => setOverlay((now) => (now === closed ? null : now)), []);
  const shell = useMemo(() => {
    // One thing over the page at a time.
    const show = (overlay: Overlay) => (): void => {
      if (isNarrow) setOpen(false);
      setOverlay(overlay);
    };
    return {
      isSidebarOpen: isOpen,
      toggleSidebar: toggle,
      openPalette: show("palette"),
      openKeyboardHelp: show("keys"),
    };
  }, [isOpen, isNarrow, toggle]);
  return (
    <ShellContext value={shell}>
      <a
        href="#main"
        className="absolute start-2 top-2 z-50 -translate-y-20 rounded-m bg-accent px-3 py-2 text-on-accent focus:translate-y-0"
      >
        Skip to the conversation
      </a>
      <div className="flex h-[var(--seen,100dvh)] flex-col">
        <ConnectionBanner />
        <div className="grid min-h-0 flex-1 grid-cols-[auto_minmax(0,1fr)]">
          {isNarrow ? (
            isOpen && <Drawer onClose={close} />
          ) : (
            <nav
              aria-label="Conversations"
              hidden={!isOpen}
              className="w-70 min-h-0 border-e border-line bg-panel [&[hidden]]:hidden"
            >
              <Sidebar />
            </nav>
          )}
          <main id="main" tabIndex={-1} className="col-start-2 min-h-0 min-w-0 outline-none">
            {children}
          </main>
        </div>
      </div>
      <Shortcuts overlay={overlay} onClose={closeOverlay} />
    </ShellContext>
  );
}

function Drawer({ onClose }: { readonly onClose: () => void }): ReactNode {
  const dialog = useModal();
  // "Back" closes it, as it closes everything on a phone.
  useEffect(() => {
    history.pushState({ drawer: true }, "");
    globalThis.addEventListener("popstate", onClose);
    return () => {
      globalThis.removeEventListener("popstate", onClose);
      if ((history.state as { drawer?: boolean } | null)?.drawer === true) history.back();
    };
  }, [onClose]);
  return (
    <dialog
      ref={dialog}
      aria-label="Conversations"
      className="m-0 h-dvh max-h-none w-[min(320px,calc(100vw-48px))] max-w-none bg-panel"
      onClose={onClose}
      onClick={(event) => {
        if (event.target === event.currentTarget) onClose();
      }}
    >
      <nav aria-label="Conversations" className="h-full">
        <Sidebar isDrawer />
      </nav>
    </dialog>
  );
}
