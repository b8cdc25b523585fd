import { createContext, useContext } from "react";

interface ShellState {
  readonly isSidebarOpen: boolean;
  readonly toggleSidebar: () => void;
  readonly openPalette: () => void;
  readonly openKeyboardHelp: () => void;
}

const nothing = (): void => undefined;

export const ShellContext = createContext<ShellState>({
  isSidebarOpen: true,
  toggleSidebar: nothing,
  openPalette: nothing,
  openKeyboardHelp: nothing,
});

export function useShell(): ShellState {
  return useContext(ShellContext);
}
