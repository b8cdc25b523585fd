import { FOLLOW_REPLIES, SIDEBAR } from "../ui/choice.ts";
import { toastError } from "../ui/toasts.tsx";
import { client } from "./client.ts";
import { inWords } from "./query-client.ts";

const OURS = "backscroll.";
/** Says nothing of who used it. */
const KEPT: ReadonlySet<string> = new Set(["backscroll.theme", FOLLOW_REPLIES.key, SIDEBAR.key]);

/** Ends the login, and forgets all that the browser knows: drafts in its storage, and what is in memory, with the page. */
export async function logOut(): Promise<void> {
  try {
    await client.logout();
  } catch (error) {
    toastError(`Couldn't log out. ${inWords(error)}`);
    return;
  }
  for (const storage of [localStorage, sessionStorage]) {
    for (const key of Object.keys(storage)) if (key.startsWith(OURS) && !KEPT.has(key)) storage.removeItem(key);
  }
  location.replace("/");
}
