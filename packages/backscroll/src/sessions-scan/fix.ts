import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createParser, type Parser } from "./parser.ts";
import type { Pattern } from "./dictionary.ts";
import { replacementFor } from "./replacement.ts";
import { type Edit, safeRewrite } from "./safe-rewrites.ts";
import type { ScanResult, Use } from "./scan.ts";
import { isShadowed, newlineOf, type StoreImport, storeImport, whyNoImport } from "./store-import.ts";
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
  /** files in which nothing is rewritten, and why */
  readonly onlyMarked: readonly { readonly file: string; readonly why: string }[];
  /** The dictionaries, as `name (file:line)`, that are too many for one store: then nothing is rewritten. */
  readonly tooMany: readonly string[];
  /** the dictionaries that are used beside the store: it has to write them, too */
  readonly stillUsed: readonly string[];
}

const MARKER = "backscroll:";
const BOM = "\uFEFF";

/**
 * What `--fix` would change. TypeScript and JavaScript whose meaning is certain is rewritten; every other place gets a comment
 * above it. Nothing is written.
 *
 * Messages go to the store first: it writes to the dictionary as well, so whatever still reads that misses nothing. What reads
 * follows only where everything that writes to the same dictionary does. Two dictionaries may have a session by the same id,
 * and a store has one: nothing is rewritten then.
 *
 * @param store the module that exports `store`, relative to the directory, without extension
 * @param leaveAlone files that are not to be changed, and why
 */
export async function planFix(
  directory: string,
  { uses }: ScanResult,
  { store, leaveAlone = new Map() }: { store: string; leaveAlone?: ReadonlyMap<string, string> },
): Promise<FixPlan> {
  const parser = await createParser();
  const sources: Source[] = [];
  for (const [path, found] of usesByFile(uses)) {
    const text = await readFile(join(directory, path), "utf8");
    const bom = text.startsWith(BOM) ? BOM : "";
    const file = parser.parse(path, text.slice(bom.length));
    sources.push({ file, bom, found, store: storeImport(file, store) });
  }
  const tooMany = severalDictionaries(uses);
  const skipped = new Map(leaveAlone);
  for (;;) {
    const plan = planAll(sources, { uses, skipped, rewrites: tooMany.length === 0 });
    const broken = plan.files.filter((file) => !isWhole(parser, file, sources));
    // What reads the dictionary in other files counts on what is written in this one.
    if (broken.length === 0) return { ...plan, tooMany };
    for (const { file } of broken) skipped.set(file, "would not parse any more");
  }
}

/** A file, and how it comes to the store. */
interface Source {
  readonly file: SourceFile;
  readonly bom: string;
  readonly found: readonly Use[];
  readonly store: StoreImport;
}

/** A file, and the edits that are certain taken each by itself. */
interface Draft extends Source {
  readonly certain: ReadonlyMap<Use, Edit>;
}

function severalDictionaries(uses: readonly Use[]): readonly string[] {
  const named = uses
    .filter(({ language }) => language !== "python")
    .map(({ dictionary, declaredAt }) => `${dictionary} (${declaredAt})`);
  const all = [...new Set(named)];
  return all.length > 1 ? all : [];
}

function planAll(
  sources: readonly Source[],
  { uses, skipped, rewrites }: { uses: readonly Use[]; skipped: ReadonlyMap<string, string>; rewrites: boolean },
): Omit<FixPlan, "tooMany"> {
  const drafts = sources.map((source): Draft => {
    const isCertain = rewrites && !skipped.has(source.file.path) && whyNoImport(source.file) === null;
    return { ...source, certain: isCertain ? certainEdits(source, uses) : new Map() };
  });
  const behind = dictionariesLeftBehind(drafts);
  const planned = drafts.map((draft) => ({ draft, edits: editsOf(draft, behind) }));
  const files = planned
    .filter(({ draft }) => !skipped.has(draft.file.path))
    .map(({ draft, edits }) => planFile(draft, edits))
    .filter(({ before, after }) => after !== before);
  const onlyMarked = drafts
    .filter(({ file }) => rewrites && file.language !== "python" && files.some((of) => of.file === file.path))
    .map(({ file }) => ({ file: file.path, why: whyNoImport(file) }))
    .filter((each): each is { file: string; why: string } => each.why !== null);
  const left = planned.flatMap(({ draft, edits }) => draft.found.filter((use) => !isCovered(use, edits)));
  const moved = planned.flatMap(({ draft, edits }) => draft.found.filter((use) => isCovered(use, edits)));
  const stillUsed = moved
    .map(({ dictionary, declaredAt }) => ({ dictionary, declaredAt }))
    .filter(({ declaredAt }) => left.some((use) => use.declaredAt === declaredAt && !KEEPS.has(use.pattern)))
    .map(({ dictionary, declaredAt }) => `${dictionary} (${declaredAt})`);
  return {
    files,
    skipped: drafts
      .filter(({ file }) => skipped.has(file.path))
      .map(({ file }) => ({ file: file.path, why: skipped.get(file.path)! })),
    onlyMarked,
    stillUsed: [...new Set(stillUsed)],
  };
}

/** They need the dictionary to be there, and nothing in it. */
const KEEPS = new Set<Pattern>(["declare", "import", "alias"]);

function isWhole(parser: Parser, { file, after }: FixedFile, sources: readonly Source[]): boolean {
  const before = sources.find((source) => source.file.path === file)!.file;
  return parser.parse(file, after).brokenLines.length <= before.brokenLines.length;
}

function certainEdits({ file, found, store }: Source, uses: readonly Use[]): Map<Use, Edit> {
  const certain = new Map<Use, Edit>();
  if (file.language === "python") return certain;
  for (const use of found) {
    const node = nodeAt(file, use);
    if (!node || isShadowed(store.name, node)) continue;
    const edit = safeRewrite(use, { node, store: store.name, uses });
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

function editsOf({ certain }: Draft, behind: ReadonlySet<string>): Edit[] {
  return [...certain]
    .filter(([{ pattern, declaredAt }]) => GOES_FIRST.has(pattern) || !behind.has(declaredAt))
    .map(([, edit]) => edit);
}

function isCovered({ place }: Use, edits: Iterable<Edit>): boolean {
  return [...edits].some(({ start, end }) => start <= place.start && place.end <= end);
}

function planFile({ file, bom, found, store }: Draft, edits: readonly Edit[]): FixedFile {
  const left = found.filter((use) => use.pattern !== "import" && !isCovered(use, edits));
  const markers = markersFor(file, left, edits);
  const all = [...edits, ...markers, ...(edits.length > 0 && store.edit ? [store.edit] : [])];
  return {
    file: file.path,
    before: bom + file.text,
    after: bom + applied(file.text, all),
    rewritten: edits.length,
    marked: markers.length,
  };
}

/** The expression: without a semicolon, its statement is at the same place. */
function nodeAt(file: SourceFile, { place }: Use): Node | null {
  for (const node of descendants(file.root)) {
    const isThere = node.start === place.start && node.end === place.end;
    if (isThere && !/^(program|module|expression_statement)$/.test(node.kind)) return node;
  }
  return null;
}

/** A comment above each statement that is left, once. */
function markersFor(file: SourceFile, left: readonly Use[], edits: readonly Edit[]): Edit[] {
  const comment = file.language === "python" ? "#" : "//";
  const byLine = Map.groupBy(left, ({ place }) => lineStart(file, place.statement.start));
  return [...byLine].flatMap(([line, uses]) => {
    const at = line === null ? null : aboveDirections(file.text, line);
    if (line === null || at === null || isInside(at, edits) || isMarked(file, at)) return [];
    const indent = /^[ \t]*/.exec(file.text.slice(line))![0];
    const patterns = [...new Set(uses.map(({ pattern }) => pattern))].join(", ");
    const [first] = uses;
    const what = uses.length === 1 && first ? `${patterns}: ${lowerFirst(replacementFor(first).what)}` : patterns;
    const marker = `${indent}${comment} ${MARKER} ${what.replaceAll(/\s+/g, " ")}`;
    return [{ start: at, end: at, text: marker + newlineOf(file.text) }];
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

/** `// eslint-disable-next-line` and the like speak of the line below them. */
function aboveDirections(text: string, at: number): number {
  const [above] = /(?:[ \t]*(?:\/\/|\/\*|#)[^\n]*(?:ignore|disable|expect-error)[^\n]*\n)*$/.exec(text.slice(0, at))!;
  return at - above.length;
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
