import { PATTERNS, type Pattern } from "./dictionary.ts";
import { PYTHON_SETUP } from "./python-setup.ts";
import { type Replacement, replacementFor } from "./replacement.ts";
import type { ScanResult, Use } from "./scan.ts";
import { type LegacyDictionary, typescriptSetup } from "./typescript-setup.ts";

/** By this line a document is known that may be written anew. */
export const DOCUMENT_HEADING = "# Leaving SESSIONS behind";

/** How often each pattern was found, those that were not left out. */
export function countByPattern(uses: readonly Use[]): ReadonlyMap<Pattern, number> {
  const counts = PATTERNS.map((pattern) => [pattern, uses.filter((use) => use.pattern === pattern).length] as const);
  return new Map(counts.filter(([, count]) => count > 0));
}

export function usesByFile(uses: readonly Use[]): ReadonlyMap<string, readonly Use[]> {
  return Map.groupBy(uses, ({ file }) => file);
}

/** The guide's mapping document: each file, what is done in it, and what replaces it. */
export function mappingDocument(result: ScanResult): string {
  const { uses, dictionaries, leftOut, problems, files } = result;
  const byFile = usesByFile(uses);
  const parts = [
    DOCUMENT_HEADING,
    `${files} files read, ${dictionaries.length} session ${dictionaries.length === 1 ? "dictionary" : "dictionaries"}, ` +
      `${uses.length} places in ${byFile.size} ${byFile.size === 1 ? "file" : "files"}. ` +
      "Written by `backscroll sessions scan`, which writes it anew.",
    list(dictionaries.map(({ name, file, line, uses }) => `\`${name}\`, ${file}:${line}: ${uses} places`)),
    table(
      ["pattern", "places"],
      [...countByPattern(uses)].map(([pattern, count]) => [pattern, String(count)]),
    ),
    "## The files",
    list([...byFile].map(([file, of]) => `[ ] ${file}: ${inWords(of)}`)),
    ...unclassifiedPart(uses),
    ...listPart(
      "Looked at and left out",
      "These look like one, and nothing was seen to make them one. Look for yourself.",
      leftOut.map(({ name, file, line, why }) => `\`${name}\`, ${file}:${line}: ${why}`),
    ),
    ...listPart(
      "Not read",
      "What is in these was not seen.",
      problems.map(({ file, line, what }) => `${file}${line === null ? "" : `:${line}`} ${what}`),
    ),
    "## Set-up",
    ...setUp(uses),
    ...[...byFile].flatMap(([file, of]) => filePart(file, of)),
  ];
  return `${parts.join("\n\n")}\n`;
}

function unclassifiedPart(uses: readonly Use[]): string[] {
  const found = uses.filter(({ pattern }) => pattern === "unclassified");
  return listPart(
    "To be done by hand",
    "These touch a session dictionary and fit no pattern.",
    found.map(({ file, line, code, reason }) => `${file}:${line} ${inCode(code)}: ${reason}`),
  );
}

function listPart(heading: string, says: string, items: readonly string[]): string[] {
  return items.length === 0 ? [] : [`## ${heading}`, says, list(items)];
}

function setUp(uses: readonly Use[]): string[] {
  const inPython = uses.filter(({ language }) => language === "python");
  const others = uses.filter(({ language }) => language !== "python");
  const parts = [...severalPart(dictionariesOf(others)), ...severalPart(dictionariesOf(inPython))];
  if (others.length > 0) parts.push(fenced("ts", typescriptSetup(dictionariesOf(others))));
  if (inPython.length > 0) parts.push(fenced("python", PYTHON_SETUP));
  return parts;
}

function dictionariesOf(uses: readonly Use[]): LegacyDictionary[] {
  return [...Map.groupBy(uses, ({ declaredAt }) => declaredAt)].map(([declaredAt, [use, ...others]]) => {
    const made = [use!, ...others].find(({ pattern }) => pattern === "declare");
    return { name: use!.dictionary, declaredAt, holdsLists: use!.holdsLists, code: made?.code ?? "" };
  });
}

function severalPart(dictionaries: readonly LegacyDictionary[]): string[] {
  if (dictionaries.length < 2) return [];
  const names = dictionaries.map(({ name, declaredAt }) => `\`${name}\` (${declaredAt})`).join(", ");
  return [
    `${names} are ${dictionaries.length} dictionaries. In one store, sessions of two of them with the same id are one ` +
      "session: where that can be, give the ids of each a beginning of its own, as `support:${id}`. None of them can be " +
      "the store's `legacy` then: move all that is done to one of them at once.",
  ];
}

function filePart(file: string, uses: readonly Use[]): string[] {
  const replaced = uses.map((use) => ({ use, replacement: replacementFor(use) }));
  return [
    `## ${file}`,
    table(
      ["line", "pattern", "now", "replaced by"],
      replaced.map(({ use, replacement }) => [String(use.line), use.pattern, inCode(use.code), replacement.what]),
    ),
    ...replaced.flatMap(({ use, replacement }) => codePart(use, replacement)),
  ];
}

function codePart(use: Use, { code }: Replacement): string[] {
  if (code === "") return [];
  return [`Line ${use.line}, ${use.pattern}:`, fenced(use.language === "python" ? "python" : "ts", code)];
}

function inWords(uses: readonly Use[]): string {
  return [...countByPattern(uses)].map(([pattern, count]) => `${count} ${pattern}`).join(", ");
}

function list(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join("\n");
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  return [row(heads), row(heads.map(() => "---")), ...rows.map(row)].join("\n");
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function fenced(language: string, code: string): string {
  return `\`\`\`${language}\n${code.trimEnd()}\n\`\`\``;
}

/** In as many backticks as it takes. */
function inCode(code: string): string {
  const longest = Math.max(0, ...[...code.matchAll(/`+/g)].map(([run]) => run.length));
  const ticks = "`".repeat(longest + 1);
  const space = longest > 0 ? " " : "";
  return ticks + space + code + space + ticks;
}
