import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createFollower, type Follower, type Tree } from "./bindings.ts";
import { findCandidates, MAKES_DICTIONARY } from "./candidates.ts";
import type { Dictionary, FoundUse, Pattern, UseDetails } from "./dictionary.ts";
import { judge, mayBeSessions } from "./evidence.ts";
import { createModules, specifiersIn } from "./modules.ts";
import { createParser, EXTENSIONS, type Parser } from "./parser.ts";
import { findSourceFiles } from "./source-files.ts";
import { enclosing } from "./surroundings.ts";
import type { Language, SourceFile } from "./tree.ts";
import { handlesMessages, speaksOfConversations } from "./vocabulary.ts";
import { textOf } from "./tree.ts";

/** One place that touches a session dictionary. */
export interface Use {
  /** relative to the scanned directory */
  readonly file: string;
  /** from 1 */
  readonly line: number;
  readonly pattern: Pattern;
  /** what it is part of, as the source has it, its first line */
  readonly code: string;
  readonly language: Language;
  /** why it is unclassified, or what else is to be known */
  readonly reason: string | null;
  /** the dictionary's name, where it is made */
  readonly dictionary: string;
  /** where that is: `file:line` */
  readonly declaredAt: string;
  readonly details: UseDetails;
  readonly place: Place;
}

/** Where in the file, in UTF-16 code units, and in what. */
interface Place {
  readonly start: number;
  readonly end: number;
  readonly statement: { readonly start: number; readonly end: number; readonly kind: string };
  /** what the expression is the value of, when that is a variable */
  readonly variable: string | null;
  /** the function around it is `async`, or there is none and the module may wait */
  readonly mayAwait: boolean;
}

interface FoundDictionary {
  readonly name: string;
  readonly file: string;
  readonly line: number;
  readonly uses: number;
}

interface LeftOut {
  readonly name: string;
  readonly file: string;
  readonly line: number;
  readonly why: string;
}

interface Problem {
  readonly file: string;
  readonly line: number | null;
  readonly what: string;
}

export interface ScanResult {
  /** how many files of the two languages were looked at */
  readonly files: number;
  readonly dictionaries: readonly FoundDictionary[];
  /** by file and line */
  readonly uses: readonly Use[];
  /** what was read and not taken for a dictionary of sessions, though it is near one */
  readonly leftOut: readonly LeftOut[];
  /** what could not be read or parsed */
  readonly problems: readonly Problem[];
}

/** What is larger was written by a program, and its tree would take the memory of hundreds of others. */
const FILE_BYTES_MAX = 400_000;
/** Of a minified file, a line is longer than this on average. */
const LINE_LENGTH_MAX = 500;

/**
 * Finds every use of every session dictionary below a directory. Nothing is run or imported. All files are read once, those that
 * may make a dictionary are parsed, and those that a dictionary leads to stay in memory until the end.
 *
 * @throws {ParserMissingError} the parser's packages are not installed
 */
export async function scanSessions(
  directory: string,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<ScanResult> {
  const parser = await createParser();
  const problems = new Map<string, Problem>();
  const problem = (file: string, what: string, line: number | null = null): void =>
    void problems.set(`${file} ${line} ${what}`, { file, line, what });
  const all = await findSourceFiles(directory, EXTENSIONS, problem);
  // What only declares types has no dictionary.
  const paths = all.filter((path) => !/\.d\.[cm]?ts$/.test(path));
  const tree = createTree(directory, paths, { parser, problem });
  const follower = createFollower(tree);

  for (const [i, path] of paths.entries()) {
    tree.index(path);
    onProgress(i + 1, paths.length);
  }
  const dictionaries = tree.promising().flatMap((path) => candidatesOf(follower, tree, path));
  for (const dictionary of dictionaries) follower.follow(dictionary, () => mayBeSessions(dictionary));
  return report(paths.length, dictionaries, [...problems.values()]);
}

function candidatesOf(follower: Follower, tree: IndexedTree, path: string): Dictionary[] {
  const open = follower.open(path);
  const candidates = open ? findCandidates(open.file, open.scopes) : [];
  return candidates.filter(
    ({ name, annotation }) => speaksOfConversations(`${name} ${annotation}`) || tree.isUsedWithMessages(path, name),
  );
}

interface IndexedTree extends Tree {
  index(path: string): void;
  /**
   * The files that may make a dictionary of conversations: by the line that makes it, or by what they, or the files that import
   * them, do. Parsing is what costs, so it is asked of the text.
   */
  promising(): readonly string[];
  /** Whether messages are made where it is, or in a file that imports it. */
  isUsedWithMessages(path: string, name: string): boolean;
}

function createTree(
  directory: string,
  paths: readonly string[],
  { parser, problem }: { parser: Parser; problem: (file: string, what: string, line?: number) => void },
): IndexedTree {
  const modules = createModules(paths);
  const importers = new Map<string, Set<string>>();
  /** Files that may make a dictionary, and the lines that do. */
  const mayMake = new Map<string, readonly string[]>();
  const handling = new Set<string>();

  function text(path: string): string | null {
    try {
      const bytes = readFileSync(join(directory, path));
      if (bytes.length > FILE_BYTES_MAX) {
        problem(path, `larger than ${FILE_BYTES_MAX / 1000} KB: left out`);
        return null;
      }
      const source = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
      if (source.length < 10_000 || source.length / source.split("\n").length < LINE_LENGTH_MAX) return source;
      problem(path, "minified: left out");
      return null;
    } catch (error) {
      const isText = error instanceof TypeError;
      problem(path, isText ? "is not UTF-8: left out" : `cannot be read: ${errorText(error)}`);
      return null;
    }
  }

  function importersOf(path: string, name: string): string[] {
    const known = [...(importers.get(path) ?? [])];
    const mentions = new RegExp(`(?<![\\w$])${escaped(name)}(?![\\w$])|import\\s*\\*|export\\s*\\*`);
    return name === "default" || name === "*" ? known : known.filter((other) => mentions.test(text(other) ?? ""));
  }

  const isUsedWithMessages = (path: string, name: string): boolean =>
    handling.has(path) ||
    ([...(importers.get(path) ?? [])].some((importer) => handling.has(importer)) &&
      importersOf(path, name).some((importer) => handling.has(importer)));

  return {
    index(path) {
      const source = text(path);
      if (source === null) return;
      if (MAKES_DICTIONARY.test(source)) {
        mayMake.set(
          path,
          source.split("\n").filter((line) => MAKES_DICTIONARY.test(line)),
        );
      }
      if (handlesMessages(source)) handling.add(path);
      const language = languageOf(path);
      for (const specifier of specifiersIn(source, language)) {
        for (const imported of modules.resolve(path, language, specifier)) {
          importers.set(imported, (importers.get(imported) ?? new Set()).add(path));
        }
      }
    },
    promising: () =>
      [...mayMake]
        .filter(([path, lines]) =>
          lines.some((line) => speaksOfConversations(line) || isUsedWithMessages(path, assignedName(line))),
        )
        .map(([path]) => path),
    isUsedWithMessages,
    read(path) {
      const source = text(path);
      if (source === null) return null;
      let file: SourceFile;
      try {
        file = parser.parse(path, source);
      } catch (error) {
        problem(path, error instanceof RangeError ? "nested too deeply: left out" : `does not parse: ${String(error)}`);
        return null;
      }
      const [line] = file.brokenLines;
      if (line !== undefined) problem(path, "does not parse here; the rest of the file was looked at", line);
      return file;
    },
    resolve: (file, specifier) => modules.resolve(file.path, file.language, specifier),
    importers: importersOf,
    mentioning(first, second) {
      const pattern = new RegExp(`\\b${escaped(first)}\\s*\\??\\.\\s*${escaped(second)}\\b`);
      return paths.filter((path) => pattern.test(text(path) ?? ""));
    },
  };
}

function errorText(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

/** The last name before the `=` of a line. */
function assignedName(line: string): string {
  return /([\w$#]+)\s*(?:[!?]?:[^=]*)?=/.exec(line)?.[1] ?? "";
}

function escaped(name: string): string {
  return name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function languageOf(path: string): Language {
  return /\.pyi?$/.test(path) ? "python" : /\.[cm]?tsx?$/.test(path) ? "typescript" : "javascript";
}

function inOrder(a: { file: string; line: number | null }, b: { file: string; line: number | null }): number {
  return a.file === b.file ? (a.line ?? 0) - (b.line ?? 0) : a.file < b.file ? -1 : 1;
}

function report(files: number, candidates: readonly Dictionary[], problems: Problem[]): ScanResult {
  const dictionaries: FoundDictionary[] = [];
  const leftOut: LeftOut[] = [];
  const uses: Use[] = [];
  for (const dictionary of candidates) {
    const at = { name: dictionary.name, file: dictionary.file.path, line: dictionary.node.line };
    const verdict = judge(dictionary);
    if (!verdict.isSessions) {
      if (verdict.doubt !== null) leftOut.push({ ...at, why: verdict.doubt });
      continue;
    }
    const found = withoutDoubles(dictionary.uses).map((use) => toUse(dictionary, use));
    dictionaries.push({ ...at, uses: found.length });
    uses.push(...found);
  }
  return {
    files,
    dictionaries: dictionaries.toSorted(inOrder),
    uses: uses.toSorted((a, b) => inOrder(a, b) || a.place.start - b.place.start),
    leftOut: leftOut.toSorted(inOrder),
    problems: problems.toSorted(inOrder),
  };
}

const WRITES = new Set<Pattern>(["append", "trim", "write-back", "create", "clear"]);

/** `s["m"] = s["m"][-20:]` is one thing, a trim, and not a read as well; two equal uses of a line are one. */
function withoutDoubles(uses: readonly FoundUse[]): FoundUse[] {
  const writes = uses.filter(({ pattern, node }) => WRITES.has(pattern) && /assign|call|declarator/.test(node.kind));
  const seen = new Set<string>();
  return uses.filter(({ pattern, start, node }) => {
    const isPart = writes.some(
      (write) =>
        write.node !== node &&
        write.node.file === node.file &&
        write.node.start <= start.start &&
        node.end <= write.node.end &&
        start.start > write.start.start &&
        /^(read|last-n)$/.test(pattern),
    );
    const key = `${node.file.path} ${start.line} ${pattern} ${enclosing(node).statement.start} ${pattern === "append" ? start.start : ""}`;
    if (isPart || seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

function toUse(dictionary: Dictionary, { pattern, reason, start, node, details }: FoundUse): Use {
  const { statement, variable, mayAwait } = enclosing(node);
  const { file } = node;
  return {
    file: file.path,
    line: start.line,
    pattern,
    code: firstLine(textOf(statement)),
    language: file.language,
    reason,
    dictionary: dictionary.name,
    declaredAt: `${dictionary.file.path}:${dictionary.node.line}`,
    details,
    place: {
      start: node.start,
      end: node.end,
      statement: { start: statement.start, end: statement.end, kind: statement.kind },
      variable,
      mayAwait,
    },
  };
}

function firstLine(code: string): string {
  return code.split("\n", 1)[0]!.trim();
}
