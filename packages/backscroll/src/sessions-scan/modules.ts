import { posix } from "node:path";
import type { Language } from "./tree.ts";

const SUFFIXES = {
  python: [".py", ".pyi", "/__init__.py"],
  ecmascript: [
    "",
    ".ts",
    ".tsx",
    ".js",
    ".jsx",
    ".mts",
    ".mjs",
    ".cts",
    ".cjs",
    "/index.ts",
    "/index.tsx",
    "/index.js",
  ],
};
/** TypeScript's sources import the `.js` that will be made of them. */
const MADE_FROM: Readonly<Record<string, readonly string[]>> = {
  ".js": [".ts", ".tsx", ".jsx"],
  ".mjs": [".mts"],
  ".cjs": [".cts"],
  ".jsx": [".tsx"],
};

export interface Modules {
  /** The files that a specifier may mean, from this file; none when it is a package. */
  resolve(from: string, language: Language, specifier: string): readonly string[];
}

export function createModules(paths: Iterable<string>): Modules {
  const known = new Set(paths);
  /** last part without extension → files, for imports that do not begin with a dot */
  const byStem = new Map<string, string[]>();
  for (const path of known) {
    const stem = stemOf(path);
    byStem.set(stem, [...(byStem.get(stem) ?? []), path]);
  }

  function existing(base: string, suffixes: readonly string[]): string | null {
    const made = MADE_FROM[posix.extname(base)] ?? [];
    const without = base.slice(0, base.length - posix.extname(base).length);
    const candidates = [...suffixes.map((suffix) => base + suffix), ...made.map((suffix) => without + suffix)];
    return candidates.map((path) => posix.normalize(path)).find((path) => known.has(path)) ?? null;
  }

  /** The file whose path ends so; the nearest one when there are several. */
  function endingIn(from: string, base: string, suffixes: readonly string[]): string | null {
    const stem = stemOf(`${base}.x`);
    const matches = (byStem.get(stem) ?? []).filter((path) =>
      suffixes.some((suffix) => path === base + suffix || path.endsWith(`/${base}${suffix}`)),
    );
    return matches.toSorted((a, b) => shared(b, from) - shared(a, from))[0] ?? null;
  }

  function python(from: string, specifier: string): string | null {
    const dots = /^\.*/.exec(specifier)![0].length;
    const base = specifier.slice(dots).replaceAll(".", "/");
    if (dots > 0) {
      const folder = posix.join(posix.dirname(from), "../".repeat(dots - 1));
      return existing(posix.join(folder, base), SUFFIXES.python);
    }
    return (
      existing(posix.join(posix.dirname(from), base), SUFFIXES.python) ??
      existing(base, SUFFIXES.python) ??
      (base === "" ? null : endingIn(from, base, SUFFIXES.python))
    );
  }

  function ecmascript(from: string, specifier: string): string | null {
    if (/^\.\.?(\/|$)/.test(specifier))
      return existing(posix.join(posix.dirname(from), specifier), SUFFIXES.ecmascript);
    const inTree = /^(?:[@~#]\/|~|#|\$|src\/|app\/|lib\/)/.exec(specifier);
    if (!inTree) return null;
    const base = specifier.replace(/^(?:[@~#]\/|~|#|\$)/, "");
    return existing(base, SUFFIXES.ecmascript) ?? endingIn(from, base, SUFFIXES.ecmascript);
  }

  return {
    resolve(from, language, specifier) {
      const path = language === "python" ? python(from, specifier) : ecmascript(from, specifier);
      return path === null || path === from ? [] : [path];
    },
  };
}

function stemOf(path: string): string {
  const parts = path.split("/");
  const last = parts.at(-1)!.replace(/\.\w+$/, "");
  return last === "__init__" || last === "index" ? (parts.at(-2) ?? last) : last;
}

function shared(a: string, b: string): number {
  const [left, right] = [a.split("/"), b.split("/")];
  const differs = left.findIndex((part, i) => part !== right[i]);
  return differs === -1 ? left.length : differs;
}

/** The specifiers in a file's text, found without parsing it: to know who may import whom. */
export function specifiersIn(text: string, language: Language): string[] {
  if (language !== "python") {
    return [...text.matchAll(/(?:\bfrom|\bimport|\brequire)\s*\(?\s*["']([^"'\n]+)["']/g)].map((match) => match[1]!);
  }
  const found: string[] = [];
  for (const match of text.matchAll(/^[ \t]*from[ \t]+([.\w]+)[ \t]+import[ \t]*(\([^)]*\)|[^\n;]*)/gm)) {
    const module = match[1]!;
    found.push(module);
    // `from app import state` may mean a file.
    for (const name of match[2]!.matchAll(/(\w+)(?:\s+as\s+\w+)?/g)) found.push(submodule(module, name[1]!));
  }
  for (const match of text.matchAll(/^[ \t]*import[ \t]+([^\n;]+)/gm)) {
    found.push(...match[1]!.split(",").map((part) => part.trim().split(/\s+as\s+/)[0]!));
  }
  return found;
}

export function submodule(module: string, name: string): string {
  return module.endsWith(".") ? module + name : `${module}.${name}`;
}
