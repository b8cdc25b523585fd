import { readFileSync, writeFileSync } from "node:fs";

const FILE = new URL("results.md", import.meta.url);
/** How each part but the first begins, in their order. */
const MARKS = {
  pgbouncer: "<!-- pgbouncer -->",
  web: "<!-- the web app -->",
} as const;
type Part = "service" | keyof typeof MARKS;

/** Replaces what one of the commands wrote, and leaves the others'. */
export function writeResults(part: Part, markdown: string): void {
  const parts = new Map<Part, string>();
  let name: Part = "service";
  for (const line of readFileSync(FILE, "utf8").split("\n")) {
    const begun = (Object.keys(MARKS) as (keyof typeof MARKS)[]).find((one) => MARKS[one] === line);
    if (begun) name = begun;
    else parts.set(name, `${parts.get(name) ?? ""}${line}\n`);
  }
  parts.set(part, markdown);
  const all = (["service", ...Object.keys(MARKS)] as Part[]).flatMap((one) => {
    const text = parts.get(one)?.trim() ?? "";
    if (text === "") return [];
    return [one === "service" ? text : `${MARKS[one]}\n\n${text}`];
  });
  writeFileSync(FILE, `${all.join("\n\n")}\n`);
}
