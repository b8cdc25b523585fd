import { readFileSync } from "node:fs";
import { join } from "node:path";
import { LRUCache } from "lru-cache";
import type { Tree } from "./bindings.ts";
import { MAKES_DICTIONARY } from "./candidates.ts";
import { createModules, specifiersIn } from "./modules.ts";
import type { Parser } from "./parser.ts";
import type { Language, SourceFile } from "./tree.ts";
import { handlesMessages, speaksOfConversations } from "./vocabulary.ts";

/** What is larger was written by a program, and its tree would take the memory of hundreds of others. */
const FILE_BYTES_MAX = 400_000;
/** Files of this length together, in UTF-16 code units, stay parsed: what is parsed takes about a hundred times that. */
const PARSED_LENGTH_MAX = 2_000_000;
/** Of a minified file, a line is longer than this on average. */
const LINE_LENGTH_MAX = 500;

export interface SourceTree extends Tree {
  index(path: string): void;
  /**
   * The files that may make a dictionary of conversations: by the line that makes it, or by what they, or the files that import
   * them, do. Parsing is what costs, so it is asked of the text.
   */
  promising(): readonly string[];
  /** Whether messages are made where it is, or in a file that imports it. */
  isUsedWithMessages(path: string, name: string): boolean;
}

export function createSourceTree(
  directory: string,
  paths: readonly string[],
  { parser, problem }: { parser: Parser; problem: (file: string, what: string, line?: number) => void },
): SourceTree {
  const modules = createModules(paths);
  const importers = new Map<string, Set<string>>();
  /** Files that may make a dictionary, and the lines that do. */
  const mayMake = new Map<string, readonly string[]>();
  const handling = new Set<string>();
  const parsed = new LRUCache<string, SourceFile>({
    maxSize: PARSED_LENGTH_MAX,
    sizeCalculation: (file) => file.text.length + 1,
  });

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

  function parse(path: string): SourceFile | null {
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
      const file = parsed.get(path) ?? parse(path);
      if (file) parsed.set(path, file);
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
