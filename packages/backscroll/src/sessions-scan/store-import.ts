import { posix } from "node:path";
import type { Edit } from "./safe-rewrites.ts";
import { scopesOf } from "./scopes.ts";
import { type Node, type SourceFile, textOf } from "./tree.ts";

/** How a file comes to the store. */
export interface StoreImport {
  /** what the store is called in this file */
  readonly name: string;
  /** null when the file has it already */
  readonly edit: Edit | null;
}

/**
 * @param store the module that exports `store`, relative to the scanned directory, without extension
 */
export function storeImport(file: SourceFile, store: string): StoreImport {
  const imports = file.root.children.filter(({ kind }) => kind === "import_statement");
  for (const statement of imports) {
    const known = importedFrom(statement, store);
    if (known !== null) return { name: known, edit: null };
  }
  const name = freeName(file.text);
  return { name, edit: importEdit(file, { imports, store, name }) };
}

/**
 * Why a file cannot import the store; null when it can. One without any `import` and `export` may be CommonJS, which one
 * `import` would make another kind of module, or none that runs.
 */
export function whyNoImport(file: SourceFile): string | null {
  if (directivesOf(file).some((directive) => /^.use client/.test(textOf(directive)))) return "it runs in the browser";
  return isModule(file) ? null : "it may be CommonJS, and would need an `import`";
}

function isModule({ path, root }: SourceFile): boolean {
  if (/\.[mc][jt]s$/.test(path)) return /\.m[jt]s$/.test(path);
  return root.children.some(({ kind }) => kind === "import_statement" || kind === "export_statement");
}

/** Whether a function or block around a place has a variable of this name. */
export function isShadowed(name: string, node: Node): boolean {
  const scopes = scopesOf(node.file);
  for (let scope = scopes.at(node); scope !== scopes.module && scope.parent; scope = scope.parent) {
    if (scope.declared.has(name)) return true;
  }
  return false;
}

export function newlineOf(text: string): string {
  return text.includes("\r\n") ? "\r\n" : "\n";
}

function importedFrom(statement: Node, store: string): string | null {
  const [, names, specifier] = /^import\s*\{([^}]*)\}\s*from\s*["'](\.[^"']*)["']/.exec(textOf(statement)) ?? [];
  if (names === undefined || specifier === undefined) return null;
  const path = posix.join(posix.dirname(statement.file.path), specifier);
  if (path.replace(/\.[mc]?[jt]sx?$/, "") !== posix.normalize(store)) return null;
  const [, own] = /(?:^|,)\s*store(?:\s+as\s+([\w$]+))?\s*(?:,|$)/.exec(names) ?? [null];
  return own === null ? null : (own ?? "store");
}

const NAMES = ["store", "sessionStore", "backscrollStore"];

/** A name that the file does not have, for anything. */
function freeName(text: string): string {
  const isFree = (name: string): boolean => !new RegExp(`(?<![\\w$])${name}(?![\\w$])`).test(text);
  let name = NAMES.find(isFree);
  for (let i = 2; name === undefined; i++) if (isFree(`backscrollStore${i}`)) name = `backscrollStore${i}`;
  return name;
}

function importEdit(
  file: SourceFile,
  { imports, store, name }: { imports: readonly Node[]; store: string; name: string },
): Edit {
  const relative = posix.relative(posix.dirname(file.path), store);
  const specifier = (relative.startsWith(".") ? relative : `./${relative}`) + suffixOf(file.text);
  const what = name === "store" ? "store" : `store as ${name}`;
  const newline = newlineOf(file.text);
  const last = imports.at(-1);
  const line = `import { ${what} } from "${specifier}"${last && !textOf(last).endsWith(";") ? "" : ";"}`;
  const before = last ?? directivesOf(file).at(-1);
  if (before) {
    const at = endOfLine(file.text, before.end);
    return { start: at, end: at, text: newline + line };
  }
  const start = HEADER.exec(file.text)![0].length;
  return { start, end: start, text: line + newline };
}

/** As the file's other imports have it: `./a`, `./a.js` or `./a.ts`. */
function suffixOf(text: string): string {
  return /from ["']\.[^"']*(\.[mc]?[jt]s)["']/.exec(text)?.[1] ?? "";
}

/** `"use server"` counts only above everything else. */
function directivesOf({ root }: SourceFile): readonly Node[] {
  const statements = root.children.filter(({ kind }) => kind !== "hash_bang_line");
  const others = statements.findIndex(({ kind, children }) => {
    return kind !== "expression_statement" || children[0]?.kind !== "string";
  });
  return others === -1 ? statements : statements.slice(0, others);
}

// What has to stay first: `#!`, `// @ts-check`, a licence; a comment right above a statement is that one's.
const HEADER =
  /^(?:#!.*(?:\r?\n|$))?(?:[ \t]*(?:\/\/(?! backscroll:).*)?\r?\n|[ \t]*\/\*(?:(?!\*\/)[\s\S])*\*\/[ \t]*\r?\n[ \t]*\r?\n)*/;

/** Past a comment that ends the line; code that follows stays on its own. */
function endOfLine(text: string, at: number): number {
  const [rest] = /^[ \t]*(?:\/\/[^\r\n]*)?(?=\r?\n|$)/.exec(text.slice(at)) ?? [""];
  return at + rest.length;
}
