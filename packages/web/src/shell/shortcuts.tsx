import { lazy, type ReactNode, Suspense, useEffect, useMemo } from "react";
import { tinykeys } from "tinykeys";
import { navigate } from "wouter/use-browser-location";
import type { Palette as PaletteType } from "../palette/palette.tsx";
import { loadPart } from "../ui/load-part.ts";
import { useShell } from "./shell-context.ts";

const LazyPalette = lazy(async () => ({ default: await loadPalette() }));
/** What a lazy component shows comes some frames later, even once it is loaded: letters would go elsewhere meanwhile. */
let loadedPalette: typeof PaletteType | null = null;
const KeyboardHelp = lazy(async () => ({
  default: (await loadPart(() => import("./keyboard-help.tsx"))).KeyboardHelp,
}));

const PRELOAD_AFTER_MS = 1_000;

/** What lies over the page, asked for by a key or a button. */
export type Overlay = "palette" | "keys" | null;

interface ShortcutsProps {
  readonly overlay: Overlay;
  /** @param overlay it has closed; another one may be open already */
  readonly onClose: (overlay: Overlay) => void;
}

/** The keys that work on every page, and what they open. */
export function Shortcuts({ overlay, onClose }: ShortcutsProps): ReactNode {
  const { toggleSidebar, openPalette, openKeyboardHelp } = useShell();
  useEffect(() => {
    const keys = {
      "$mod+k": openPalette,
      "$mod+Shift+o": () => navigate("/"),
      "$mod+Shift+s": toggleSidebar,
      // On some keyboards it takes Shift to write it.
      "[Shift]+?": openKeyboardHelp,
    };
    const handlers = Object.entries(keys).map(([key, run]) => {
      const handler = (event: KeyboardEvent): void => {
        event.preventDefault();
        run();
      };
      return [key, handler] as const;
    });
    return tinykeys(globalThis.window, Object.fromEntries(handlers), { ignore: isForSomethingElse });
  }, [toggleSidebar, openPalette, openKeyboardHelp]);
  // Whoever presses Ctrl K types on at once: it should be here by then.
  useEffect(() => {
    const timer = setTimeout(() => void loadPalette(), PRELOAD_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
  const isPaletteOpen = overlay === "palette";
  // Not another one while it is open.
  const Palette = useMemo(() => (isPaletteOpen && loadedPalette) || LazyPalette, [isPaletteOpen]);
  return (
    <Suspense>
      {isPaletteOpen && <Palette onClose={() => onClose("palette")} />}
      {overlay === "keys" && <KeyboardHelp onClose={() => onClose("keys")} />}
    </Suspense>
  );
}

async function loadPalette(): Promise<typeof PaletteType> {
  const { Palette } = await loadPart(() => import("../palette/palette.tsx"));
  loadedPalette = Palette;
  return Palette;
}

/** A key alone is text where text is written; with Ctrl it is not. */
function isForSomethingElse(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.isComposing || event.repeat) return true;
  if (event.ctrlKey || event.metaKey) return false;
  return event.target instanceof Element && event.target.matches("input, textarea, select, [contenteditable]");
}
