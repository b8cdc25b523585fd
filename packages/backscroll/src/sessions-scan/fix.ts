import { readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { createParser } from "./parser.ts";
import type { Pattern } from "./dictionary.ts";
import { replacementFor } from "./replacement.ts";
import { type Edit, safeRewrite } from "./safe-rewrites.ts";
import type { ScanResult, Use } from "./scan.ts";
import { descendants, type Node, type SourceFile } from "./tree.ts";
import { usesByFile } from "./mapping-document.ts";

export interface FixedFile {
  /** relative to the scanned directory */
  readonly file: string;
  readonly before: string;
  readonly after: string;
  readonly rewritten: number;
  readonly marked: number;
}

export interface FixPlan {
  readonly files: readonly FixedFile[];
  /** files that are left alone, and why */
  readonly skipped: readonly { readonly file: string; readonly why: string }[];
}

const MARKER = "backscroll:";

/**
 * What `--fix` would change. TypeScript and JavaScript whose meaning is certain is rewritten; every other place gets a comment
 * above it. Nothing is written.
 *
 * Messages go to the store first: it writes to the dictionary as well, so whatever still reads that misses nothing. What reads
 * follows only where everything that writes to the same dictionary does.
 *
 * @param store the module that exports `store`, relative to the directory, without extension
 */
export async function planFix(directory: string, { uses }: ScanResult, { store }: { store: string }): Promise<FixPlan> {
  const parser = await createParser();
  const drafts: Draft[] = [];
  for (const [path, found] of usesByFile(uses)) {
    const file = parser.parse(path, await readFile(join(directory, path), "utf8"));
    drafts.push({ file, found, certain: certainEdits(file, found, uses) });
  }
  const behind = dictionariesLeftBehind(drafts);
  const files: FixedFile[] = [];
  const skipped: { file: string; why: string }[] = [];
  for (const draft of drafts) {
    const { path: file, text: before, brokenLines } = draft.file;
    const plan = planFile(draft, { behind, store });
    if (plan.after === before) continue;
    const isWhole = parser.parse(file, plan.after).brokenLines.length <= brokenLines.length;
    if (isWhole) files.push({ file, before, ...plan });
    else skipped.push({ file, why: "would not parse any more" });
  }
  return { files, skipped };
}

/** A file, and the edits that are certain taken each by itself. */
interface Draft {
  readonly file: SourceFile;
  readonly found: readonly Use[];
  readonly certain: ReadonlyMap<Use, Edit>;
}

function certainEdits(file: SourceFile, found: readonly Use[], uses: readonly Use[]): Map<Use, Edit> {
  const certain = new Map<Use, Edit>();
  if (file.language === "python") return certain;
  const store = storeName(file);
  for (const use of found) {
    const edit = safeRewrite(use, { node: nodeAt(file, use), store, uses });
    const overlaps = edit && [...certain.values()].some((other) => edit.start < other.end && other.start < edit.end);
    if (edit && !overlaps) certain.set(use, edit);
  }
  return certain;
}

const WRITES = new Set<Pattern>(["append", "create", "clear", "delete", "write-back", "unclassified"]);
/** They may go to the store before the rest, which then still finds them in the dictionary. */
const GOES_FIRST = new Set<Pattern>(["append", "delete"]);

/** The dictionaries that something is written to without the store. */
function dictionariesLeftBehind(drafts: readonly Draft[]): ReadonlySet<string> {
  const behind = new Set<string>();
  for (const { found, certain } of drafts) {
    for (const use of found) {
      if (WRITES.has(use.pattern) && !isCovered(use, certain.values())) behind.add(use.declaredAt);
    }
  }
  return behind;
}

function isCovered({ place }: Use, edits: Iterable<Edit>): boolean {
  return [...edits].some(({ start, end }) => start <= place.start && place.end <= end);
}

function planFile(
  { file, found, certain }: Draft,
  { behind, store }: { behind: ReadonlySet<string>; store: string },
): Omit<FixedFile, "file" | "before"> {
  const edits = [...certain]
    .filter(([{ pattern, declaredAt }]) => GOES_FIRST.has(pattern) || !behind.has(declaredAt))
    .map(([, edit]) => edit);
  const left = found.filter((use) => use.pattern !== "import" && !isCovered(use, edits));
  const markers = markersFor(file, left, edits);
  const name = storeName(file);
  const needsImport = edits.some(({ text }) => text.includes(`${name}.`)) && !importsStore(file);
  const all = [...edits, ...markers, ...(needsImport ? [importOf(file, store, name)] : [])];
  return { after: applied(file.text, all), rewritten: edits.length, marked: markers.length };
}

function nodeAt(file: SourceFile, { place }: Use): Node | null {
  for (const node of descendants(file.root)) if (node.start === place.start && node.end === place.end) return node;
  return null;
}

/** `store`, unless the file has something by that name already. */
function storeName(file: SourceFile): string {
  const imported = /import \{ store(?: as (\w+))? \} from ["'][^"']*session-store/.exec(file.text);
  if (imported) return imported[1] ?? "store";
  return /\bstore\b/.test(file.text) ? "sessionStore" : "store";
}

function importsStore(file: SourceFile): boolean {
  return /import \{ store(?: as \w+)? \} from/.test(file.text);
}

function importOf(file: SourceFile, store: string, name: string): Edit {
  const relative = posix.relative(posix.dirname(file.path), store);
  const specifier = (relative.startsWith(".") ? relative : `./${relative}`) + suffixOf(file.text);
  const what = name === "store" ? "store" : `store as ${name}`;
  const imports = file.root.children.filter(({ kind }) => kind === "import_statement");
  const at = imports.at(-1)?.end;
  const line = `import { ${what} } from "${specifier}";`;
  if (at !== undefined) return { start: at, end: at, text: `\n${line}` };
  const start = /^#!.*\n/.exec(file.text)?.[0].length ?? 0;
  return { start, end: start, text: `${line}\n` };
}

/** As the file's other imports have it: `./a`, `./a.js` or `./a.ts`. */
function suffixOf(text: string): string {
  return /from ["']\.[^"']*(\.[mc]?[jt]s)["']/.exec(text)?.[1] ?? "";
}

/** A comment above each statement that is left, once. */
function markersFor(file: SourceFile, left: readonly Use[], edits: readonly Edit[]): Edit[] {
  const comment = file.language === "python" ? "#" : "//";
  const byLine = Map.groupBy(left, ({ place }) => lineStart(file, place.statement.start));
  return [...byLine].flatMap(([at, uses]) => {
    if (at === null || isInside(at, edits) || isMarked(file, at)) return [];
    const indent = /^[ \t]*/.exec(file.text.slice(at))![0];
    const patterns = [...new Set(uses.map(({ pattern }) => pattern))].join(", ");
    const [first] = uses;
    const what = uses.length === 1 && first ? `${patterns}: ${lowerFirst(replacementFor(first).what)}` : patterns;
    return [{ start: at, end: at, text: `${indent}${comment} ${MARKER} ${what.replaceAll(/\s+/g, " ")}\n` }];
  });
}

/** The start of the line that a statement begins; null when something else begins it, and a comment has no safe place. */
function lineStart(file: SourceFile, start: number): number | null {
  const node = [...descendants(file.root)].find((other) => other.start === start && other.parent?.start !== start);
  let at = start;
  let up: Node | null = node ?? null;
  for (;;) {
    const begin = file.text.lastIndexOf("\n", at - 1) + 1;
    if (file.text.slice(begin, at).trim() === "") return begin;
    up = up ? statementAround(up) : null;
    if (!up) return null;
    at = up.start;
  }
}

function statementAround(node: Node): Node | null {
  let up = node.parent;
  while (up && !/_statement$|_declaration$|_definition$/.test(up.kind)) up = up.parent;
  return up;
}

function isInside(at: number, edits: readonly Edit[]): boolean {
  return edits.some(({ start, end }) => start < at && at < end);
}

function isMarked(file: SourceFile, at: number): boolean {
  const before = file.text.slice(0, Math.max(0, at - 1));
  return before.slice(before.lastIndexOf("\n") + 1).includes(MARKER);
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function applied(text: string, edits: readonly Edit[]): string {
  let result = text;
  for (const { start, end, text: by } of edits.toSorted((a, b) => b.start - a.start || b.end - a.end)) {
    result = result.slice(0, start) + by + result.slice(end);
  }
  return result;
}
