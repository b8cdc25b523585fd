const AGAIN_MS = 2_000;
const RELOADED_AT = "backscroll.reloaded-at";
const RELOAD_ONCE_IN_MS = 60_000;

/**
 * Loads a part of the app, for as long as it takes. Without a network it comes later. After an update the service has
 * other files than a page from before asks for: that page is read anew.
 *
 * @throws whatever `load` does, when reading the page anew did not help
 */
export async function loadPart<Part>(load: () => Promise<Part>): Promise<Part> {
  for (let isAnswered = false; ;) {
    try {
      return await load();
    } catch (error) {
      if (isAnswered) await readAnew(error);
      // One more time: the service may have come back between the two.
      isAnswered = await isAnswering();
      if (!isAnswered) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

async function isAnswering(): Promise<boolean> {
  return fetch("/livez", { cache: "no-store" }).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** Never resolves: the page goes. @throws the error, when that was tried just now */
async function readAnew(error: unknown): Promise<never> {
  if (Date.now() - Number(sessionStorage.getItem(RELOADED_AT)) < RELOAD_ONCE_IN_MS) throw error;
  sessionStorage.setItem(RELOADED_AT, String(Date.now()));
  location.reload();
  return new Promise(() => undefined);
}
