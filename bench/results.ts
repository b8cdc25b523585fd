import { readFileSync, writeFileSync } from "node:fs";

const FILE = new URL("results.md", import.meta.url);

/** The file's parts, in its order: the first by `npm run bench`, each other one by a command of its own. */
const PARTS = ["service", "pgbouncer", "triggers", "web", "guide", "capacity", "soak", "footprint", "import"] as const;
type Part = (typeof PARTS)[number];
const MARKS = {
  pgbouncer: "pgbouncer",
  triggers: "triggers",
  web: "the web app",
  guide: "the guide's load test",
  capacity: "capacity",
  soak: "the soak",
  footprint: "the footprint",
  import: "a dump of sessions",
} as const;

/** Replaces what one of the commands wrote, and leaves the others'. */
export function writeResults(part: Part, markdown: string): void {
  const texts = { ...partsOf(readFileSync(FILE, "utf8")), [part]: markdown };
  const written = PARTS.flatMap((name) => {
    const text = texts[name]?.trim() ?? "";
    if (text === "") return [];
    return [name === "service" ? `${text}\n` : `<!-- ${MARKS[name]} -->\n\n${text}\n`];
  });
  writeFileSync(FILE, written.join("\n"));
}

function partsOf(file: string): Partial<Record<Part, string>> {
  const [service = "", ...rest] = file.split(/^<!-- (.+) -->$/m);
  const parts: Partial<Record<Part, string>> = { service };
  for (let i = 0; i < rest.length; i += 2) {
    const name = PARTS.find((each) => each !== "service" && MARKS[each] === rest[i]);
    if (name === undefined) throw new Error(`results.md has a part that no command writes: ${rest[i]}`);
    parts[name] = rest[i + 1] ?? "";
  }
  return parts;
}
