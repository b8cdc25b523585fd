import { followDictionary } from "./bindings.ts";
import { findCandidates } from "./candidates.ts";
import type { Dictionary, FoundUse, Pattern, UseDetails } from "./dictionary.ts";
import { judge, mayBeSessions } from "./evidence.ts";
import { createParser, EXTENSIONS } from "./parser.ts";
import { scopesOf } from "./scopes.ts";
import { findSourceFiles } from "./source-files.ts";
import { createSourceTree, type SourceTree } from "./source-tree.ts";
import { enclosing } from "./surroundings.ts";
import { type Language, textOf } from "./tree.ts";
import { speaksOfConversations } from "./vocabulary.ts";

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

/**
 * Finds every use of every session dictionary below a directory. Nothing is run or imported. All files are read once, and those
 * that may make a dictionary are parsed. What a dictionary leads to is in memory until it is judged.
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
  const tree = createSourceTree(directory, paths, { parser, problem });

  for (const [i, path] of paths.entries()) {
    tree.index(path);
    onProgress(i + 1, paths.length);
  }
  const found = tree.promising().flatMap((path) => {
    return candidatesIn(tree, path).map((dictionary) => {
      followDictionary(tree, dictionary, () => mayBeSessions(dictionary));
      return toFinding(dictionary);
    });
  });
  return {
    files: paths.length,
    dictionaries: found.flatMap(({ dictionary }) => dictionary ?? []).toSorted(inOrder),
    uses: found.flatMap(({ uses }) => uses).toSorted((a, b) => inOrder(a, b) || a.place.start - b.place.start),
    leftOut: found.flatMap(({ leftOut }) => leftOut ?? []).toSorted(inOrder),
    problems: [...problems.values()].toSorted(inOrder),
  };
}

function candidatesIn(tree: SourceTree, path: string): Dictionary[] {
  const file = tree.read(path);
  const candidates = file ? findCandidates(file, scopesOf(file)) : [];
  return candidates.filter(
    ({ name, annotation }) => speaksOfConversations(`${name} ${annotation}`) || tree.isUsedWithMessages(path, name),
  );
}

/** What is told of a candidate. It holds no node: its files may go. */
interface Finding {
  readonly dictionary: FoundDictionary | null;
  readonly uses: readonly Use[];
  readonly leftOut: LeftOut | null;
}

function toFinding(dictionary: Dictionary): Finding {
  const at = { name: dictionary.name, file: dictionary.file.path, line: dictionary.node.line };
  const verdict = judge(dictionary);
  if (!verdict.isSessions) {
    return { dictionary: null, uses: [], leftOut: verdict.doubt === null ? null : { ...at, why: verdict.doubt } };
  }
  const uses = withoutDoubles(dictionary.uses).map((use) => toUse(dictionary, use));
  return { dictionary: { ...at, uses: uses.length }, uses, leftOut: null };
}

function inOrder(a: { file: string; line: number | null }, b: { file: string; line: number | null }): number {
  return a.file === b.file ? (a.line ?? 0) - (b.line ?? 0) : a.file < b.file ? -1 : 1;
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
