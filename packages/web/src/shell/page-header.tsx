import { PanelLeft } from "lucide-react";
import type { ReactNode } from "react";
import { IconButton } from "../ui/button.tsx";
import { useShell } from "./shell-context.ts";

/** The 56 px on top of every page. @param children the title, and what stands right of it */
export function PageHeader({ children }: { readonly children: ReactNode }): ReactNode {
  const { toggleSidebar, isSidebarOpen } = useShell();
  return (
    <header className="flex h-14 shrink-0 items-center gap-2 border-b border-line px-3">
      <IconButton
        label="Conversations"
        aria-expanded={isSidebarOpen}
        onClick={toggleSidebar}
        className="max-md:size-11"
      >
        <PanelLeft size={18} aria-hidden />
      </IconButton>
      {children}
    </header>
  );
}
