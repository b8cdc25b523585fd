export type Theme = "system" | "light" | "dark";

/** Read by the script in `index.html` too, before the first paint. */
const KEY = "backscroll.theme";
const THEMES: ReadonlySet<string> = new Set<Theme>(["system", "light", "dark"]);
const listeners = new Set<() => void>();

export function currentTheme(): Theme {
  const chosen = document.documentElement.dataset["theme"] ?? "system";
  return THEMES.has(chosen) ? (chosen as Theme) : "system";
}

/** Here and in this browser's other tabs, from now on. */
export function chooseTheme(theme: Theme): void {
  show(theme);
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // A browser that keeps nothing shows it until the page goes.
  }
}

/** For `useSyncExternalStore`, with `currentTheme`. */
export function onTheme(listener: () => void): () => void {
  if (listeners.size === 0) globalThis.addEventListener("storage", follow);
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) globalThis.removeEventListener("storage", follow);
  };
}

function follow({ key, newValue }: StorageEvent): void {
  if (key === KEY) show((newValue ?? "system") as Theme);
}

function show(theme: Theme): void {
  document.documentElement.dataset["theme"] = theme;
  for (const listener of listeners) listener();
}
