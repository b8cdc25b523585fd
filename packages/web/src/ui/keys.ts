const IS_APPLE = /Mac|iPhone|iPad/.test(navigator.platform);

/** @param keys as on most keyboards, e.g. "Ctrl Shift O" @returns as they are called on this one */
export function keyNames(keys: string): string {
  return IS_APPLE ? keys.replace("Ctrl", "⌘").replace("Shift", "⇧").replace("Enter", "↩") : keys;
}
