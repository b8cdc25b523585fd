import { readFileSync, writeFileSync } from "node:fs";

const FILE = new URL("results.md", import.meta.url);
/** What follows was written by `npm run bench:web`. */
const WEB = "<!-- the web app -->\n\n";

/** Replaces what one of the two commands wrote, and leaves the other's. */
export function writeResults(part: "service" | "web", markdown: string): void {
  const [service = "", web = ""] = readFileSync(FILE, "utf8").split(WEB);
  const parts = part === "service" ? [markdown, web] : [service, markdown];
  writeFileSync(FILE, parts[1] === "" ? (parts[0] ?? "") : `${parts[0]?.trimEnd()}\n\n${WEB}${parts[1]}`);
}
