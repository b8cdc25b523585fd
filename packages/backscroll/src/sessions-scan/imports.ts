import { type Node, type SourceFile, textOf } from "./tree.ts";
import { literalText, viewOf } from "./view.ts";

/** A name that comes from another file of the tree. */
export interface Import {
  /** as the file writes it: `./state`, `..app.state` */
  readonly specifier: string;
  /** what the other file calls it; `*` for the module itself, `default` for its default export */
  readonly imported: string;
  /** what stands for it here; null when it is only handed on (`export … from`) */
  readonly local: Node | null;
  /** what this file exports it as, where it is handed on; `*` for everything */
  readonly exported: string | null;
  readonly node: Node;
}

export function findImports({ root, language }: SourceFile): Import[] {
  const found: Import[] = [];
  const visit = (node: Node): void => {
    if (language === "python") pythonImports(node, found);
    else ecmascriptImports(node, found);
    for (const child of node.children) visit(child);
  };
  visit(root);
  return found;
}

function pythonImports(node: Node, found: Import[]): void {
  if (node.kind === "import_statement") {
    for (const child of node.children) {
      const [module, alias] = child.kind === "aliased_import" ? child.children : [child];
      // `import a.b` names a; what is reached through it is written out where it is used.
      const local = alias ?? module?.children[0];
      if (module && local) found.push({ specifier: textOf(module), imported: "*", local, exported: null, node });
    }
  }
  if (node.kind !== "import_from_statement" || !node.children[0]) return;
  const specifier = textOf(node.children[0]);
  for (const child of node.children.slice(1)) {
    const [name, alias] = child.kind === "aliased_import" ? child.children : [child];
    if (child.kind === "wildcard_import") found.push({ specifier, imported: "**", local: null, exported: "*", node });
    else if (name)
      found.push({ specifier, imported: textOf(name), local: alias ?? name.children[0] ?? name, exported: null, node });
  }
}

function ecmascriptImports(node: Node, found: Import[]): void {
  if (node.kind === "import_statement" || node.kind === "export_statement") return staticImports(node, found);
  const specifier = requiredModule(node);
  if (specifier === null) return;
  let holder = node.parent;
  while (holder && viewOf(holder).is === "wrapper") holder = holder.parent;
  const view = holder && viewOf(holder);
  if (!holder || view?.is !== "assign" || holder.kind !== "variable_declarator") {
    found.push({ specifier, imported: "*", local: node, exported: null, node });
    return;
  }
  if (view.target.kind === "identifier")
    found.push({ specifier, imported: "*", local: view.target, exported: null, node });
  for (const part of view.target.kind === "object_pattern" ? view.target.children : []) {
    const [key, local] = part.kind === "pair_pattern" ? part.children : [part, part];
    if (key && local) found.push({ specifier, imported: textOf(key), local, exported: null, node: part });
  }
}

function staticImports(node: Node, found: Import[]): void {
  const source = node.children.find(({ kind }) => kind === "string");
  const specifier = source && literalText(source);
  if (typeof specifier !== "string") return;
  const clause = node.children.find(({ kind }) => /^(import_clause|export_clause|namespace_export)$/.test(kind));
  if (node.kind === "export_statement") {
    if (!clause) found.push({ specifier, imported: "**", local: null, exported: "*", node });
    for (const part of clause?.kind === "export_clause" ? clause.children : []) {
      const [name, alias = name] = part.children;
      if (name && alias)
        found.push({ specifier, imported: textOf(name), local: null, exported: textOf(alias), node: part });
    }
    return;
  }
  for (const part of clause?.children ?? []) {
    const local = part.children.at(-1);
    if (part.kind === "identifier") found.push({ specifier, imported: "default", local: part, exported: null, node });
    else if (part.kind === "namespace_import" && local) {
      found.push({ specifier, imported: "*", local, exported: null, node });
    } else {
      for (const named of part.children) {
        const [name, alias = name] = named.children;
        if (name && alias) found.push({ specifier, imported: textOf(name), local: alias, exported: null, node: named });
      }
    }
  }
}

/** The module of `require("…")` and `import("…")`. */
export function requiredModule(node: Node): string | null {
  const view = viewOf(node);
  if (view.is !== "call" || view.args.length !== 1 || !/^(require|import)$/.test(textOf(view.callee))) return null;
  return literalText(view.args[0]!);
}

/** What a file's module scope is called by others: local name → exported names. */
export function findExports({ root, language }: SourceFile): { names: Map<string, string[]>; all: boolean } {
  const names = new Map<string, string[]>();
  if (language === "python") return { names, all: true };
  const add = (local: string, exported: string): void => void names.set(local, [...(names.get(local) ?? []), exported]);
  for (const node of root.children) {
    if (node.kind === "export_statement") exportStatement(node, add);
    const statement = viewOf(node);
    const view = statement.is === "statement" ? viewOf(statement.inner) : null;
    if (view?.is === "assign" && view.value) commonJsExport(textOf(view.target), view.value, add);
  }
  return { names, all: false };
}

type Add = (local: string, exported: string) => void;

function exportStatement(node: Node, add: Add): void {
  if (node.children.some(({ kind }) => kind === "string")) return;
  const isDefault = /^export\s+default\b/.test(textOf(node));
  for (const child of node.children) {
    if (child.kind === "export_clause") {
      for (const part of child.children) {
        const [name, alias = name] = part.children;
        if (name && alias) add(textOf(name), textOf(alias));
      }
    } else if (child.kind.endsWith("_declaration") && !/^(lexical|variable)/.test(child.kind)) {
      const view = viewOf(child);
      const name = view.is === "function" || view.is === "class" ? view.name : null;
      if (name) add(textOf(name), isDefault ? "default" : textOf(name));
    } else if (child.kind === "identifier") add(textOf(child), "default");
    else {
      for (const declarator of child.children) {
        const view = viewOf(declarator);
        if (view.is === "assign") add(textOf(view.target), textOf(view.target));
      }
    }
  }
}

function commonJsExport(target: string, value: Node, add: Add): void {
  const view = viewOf(value);
  const single = /^(?:module\.)?exports\.(\w+)$/.exec(target)?.[1];
  if (single !== undefined) {
    if (view.is === "name") add(view.name, single);
  } else if (target === "module.exports") {
    if (view.is === "name") add(view.name, "*");
    if (view.is !== "dictionary") return;
    for (const entry of view.entries) {
      const inner = viewOf(entry.value);
      if (entry.key !== null && inner.is === "name") add(inner.name, entry.key);
    }
  }
}
