import {
  Activity,
  Archive,
  Keyboard,
  LogOut,
  Monitor,
  Moon,
  PanelLeft,
  Search,
  Settings,
  SquarePen,
  Sun,
  Trash2,
} from "lucide-react";
import type { ReactNode } from "react";
import { navigate } from "wouter/use-browser-location";
import { logOut } from "../server/log-out.ts";
import { useMe } from "../server/me.ts";
import { useShell } from "../shell/shell-context.ts";
import { chooseTheme } from "../ui/theme.ts";

export interface Option {
  readonly key: string;
  readonly label: string;
  readonly icon: ReactNode;
  /** the keys that do the same, e.g. "Ctrl K" */
  readonly keys?: string;
  readonly run: () => void;
}

const ICON = { size: 16, "aria-hidden": true } as const;

/** @returns the commands that have each word of what was typed in their name */
export function useCommands(typed: string): readonly Option[] {
  const { data: me } = useMe();
  const { toggleSidebar, openKeyboardHelp } = useShell();
  const commands: readonly (Option | false)[] = [
    { key: "new", label: "New chat", icon: <SquarePen {...ICON} />, keys: "Ctrl Shift O", run: () => navigate("/") },
    { key: "search", label: "Search all conversations", icon: <Search {...ICON} />, run: () => navigate("/search") },
    {
      key: "sidebar",
      label: "Toggle sidebar",
      icon: <PanelLeft {...ICON} />,
      keys: "Ctrl Shift S",
      run: toggleSidebar,
    },
    { key: "settings", label: "Settings", icon: <Settings {...ICON} />, run: () => navigate("/settings") },
    { key: "archive", label: "Archive", icon: <Archive {...ICON} />, run: () => navigate("/settings#archive") },
    { key: "trash", label: "Trash", icon: <Trash2 {...ICON} />, run: () => navigate("/settings#trash") },
    { key: "light", label: "Theme: light", icon: <Sun {...ICON} />, run: () => chooseTheme("light") },
    { key: "dark", label: "Theme: dark", icon: <Moon {...ICON} />, run: () => chooseTheme("dark") },
    { key: "system", label: "Theme: as the system", icon: <Monitor {...ICON} />, run: () => chooseTheme("system") },
    { key: "keys", label: "Keyboard shortcuts", icon: <Keyboard {...ICON} />, keys: "?", run: openKeyboardHelp },
    me?.is_admin === true && {
      key: "operator",
      label: "Operator",
      icon: <Activity {...ICON} />,
      run: () => navigate("/operator"),
    },
    me?.logged_in === true && {
      key: "log-out",
      label: "Log out",
      icon: <LogOut {...ICON} />,
      run: () => void logOut(),
    },
  ];
  const words = typed.toLowerCase().split(/\s+/);
  return commands.filter(
    (command): command is Option =>
      command !== false && words.every((word) => command.label.toLowerCase().includes(word)),
  );
}
