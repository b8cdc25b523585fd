import { createContext, useContext } from "react";

interface ShellState {
  readonly isSidebarOpen: boolean;
  readonly toggleSidebar: () => void;
}

export const ShellContext = createContext<ShellState>({ isSidebarOpen: true, toggleSidebar: () => undefined });

export function useShell(): ShellState {
  return useContext(ShellContext);
}
