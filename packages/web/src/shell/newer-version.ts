const RELOADED_AT = "backscroll.reloaded-at";
const ONCE_IN_MS = 60_000;

/** After an update the service has other files than a page from before asks for: that page is read anew. */
export function reloadForNewerVersion(): void {
  globalThis.addEventListener("vite:preloadError", (event) => {
    const isAgain = Date.now() - Number(sessionStorage.getItem(RELOADED_AT)) < ONCE_IN_MS;
    // Without a network, what is on the page is better than nothing.
    if (isAgain || !navigator.onLine) return;
    event.preventDefault();
    sessionStorage.setItem(RELOADED_AT, String(Date.now()));
    location.reload();
  });
}
