import { readFileSync, writeFileSync } from "node:fs";

const FILE = new URL("results.md", import.meta.url);
/** In their order in the file; each but the first begins with a line of its own. */
const PARTS = ["service", "the web app", "capacity"] as const;
const MARK = /^<!-- (.+) -->\n\n/m;

/** Replaces what one of the commands wrote, and leaves the others'. */
export function writeResults(part: (typeof PARTS)[number], markdown: string): void {
  const [service = "", ...marked] = readFileSync(FILE, "utf8").split(MARK);
  const found = new Map<string, string>([["service", service]]);
  for (let index = 0; index < marked.length; index += 2) found.set(marked[index] ?? "", marked[index + 1] ?? "");
  found.set(part, markdown);
  const texts = PARTS.flatMap((name) => {
    const text = found.get(name);
    return text === undefined ? [] : [`${name === "service" ? "" : `<!-- ${name} -->\n\n`}${text.trimEnd()}\n`];
  });
  writeFileSync(FILE, texts.join("\n"));
}
