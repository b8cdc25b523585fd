import { type Node, type SourceFile, textOf } from "./tree.ts";
import { viewOf } from "./view.ts";

export interface Scope {
  readonly kind: "module" | "class" | "function" | "block";
  readonly node: Node;
  readonly parent: Scope | null;
  /** The nodes that make each name: parameters, assignments, imports, definitions. */
  readonly declared: Map<string, Node[]>;
  /** Python's `global` and `nonlocal`. */
  readonly elsewhere: Set<string>;
}

export interface Scopes {
  readonly module: Scope;
  /** All nodes that stand for something by this name; not the names of attributes and keywords. */
  readonly names: ReadonlyMap<string, readonly Node[]>;
  /** All nodes `….name`. */
  readonly attributes: ReadonlyMap<string, readonly Node[]>;
  readonly classes: readonly Node[];
  /** The innermost scope that this node is in. */
  at(node: Node): Scope;
  /** The scope whose name this is, or null: a builtin, a global of the platform. */
  resolve(name: Node): Scope | null;
}

const BLOCKS = new Set([
  "statement_block",
  "for_in_statement",
  "for_statement",
  "catch_clause",
  "switch_body",
  "list_comprehension",
  "dictionary_comprehension",
  "set_comprehension",
  "generator_expression",
]);

/** Nodes whose identifiers name no variable of this file. */
const NAMELESS = new Set([
  "dotted_name",
  "relative_import",
  "aliased_import",
  "import_clause",
  "namespace_import",
  "import_specifier",
  "export_specifier",
  "global_statement",
  "nonlocal_statement",
]);

const found = new WeakMap<SourceFile, Scopes>();

export function scopesOf(file: SourceFile): Scopes {
  const scopes = found.get(file) ?? findScopes(file);
  found.set(file, scopes);
  return scopes;
}

function findScopes(file: SourceFile): Scopes {
  const scopes = new Map<Node, Scope>();
  const names = new Map<string, Node[]>();
  const attributes = new Map<string, Node[]>();
  const classes: Node[] = [];
  const module: Scope = newScope("module", file.root, null);
  scopes.set(file.root, module);
  walk(file.root, module);

  function walk(node: Node, scope: Scope): void {
    const inner = node === file.root ? scope : enter(node, scope);
    declare(node, scope, inner);
    index(node);
    for (const child of node.children) walk(child, inner);
  }

  function enter(node: Node, outer: Scope): Scope {
    const view = viewOf(node);
    const kind =
      view.is === "function" ? "function" : view.is === "class" ? "class" : BLOCKS.has(node.kind) ? "block" : null;
    if (kind === null) return outer;
    if (kind === "class") classes.push(node);
    const scope = newScope(kind, node, outer);
    scopes.set(node, scope);
    return scope;
  }

  function index(node: Node): void {
    const view = viewOf(node);
    if (view.is === "attribute") push(attributes, view.name, node);
    if (view.is === "name" && isVariable(node)) push(names, view.name, node);
  }

  const at = (node: Node): Scope => {
    let up: Node | null = node.parent;
    while (up && !scopes.has(up)) up = up.parent;
    return (up && scopes.get(up)) ?? module;
  };
  return { module, names, attributes, classes, at, resolve: (name) => lookUp(at(name), textOf(name)) };
}

/** A name that is a class's is seen in the class's own body only, in neither language from its methods. */
function lookUp(from: Scope, name: string): Scope | null {
  let scope: Scope | null = from;
  while (scope) {
    if (scope.declared.has(name) && !scope.elsewhere.has(name) && (scope.kind !== "class" || scope === from))
      return scope;
    scope = scope.parent;
  }
  return null;
}

function newScope(kind: Scope["kind"], node: Node, parent: Scope | null): Scope {
  return { kind, node, parent, declared: new Map(), elsewhere: new Set() };
}

function push(map: Map<string, Node[]>, name: string, node: Node): void {
  const nodes = map.get(name);
  if (nodes) nodes.push(node);
  else map.set(name, [node]);
}

function isVariable(node: Node): boolean {
  const { parent } = node;
  if (!parent || NAMELESS.has(parent.kind)) return false;
  if (parent.kind === "attribute") return parent.children[0] === node;
  if (parent.kind === "keyword_argument") return parent.children[0] !== node;
  return true;
}

/** Notes in its scope what a node declares. */
function declare(node: Node, outer: Scope, inner: Scope): void {
  const view = viewOf(node);
  switch (view.is) {
    case "function":
      if (view.name && node.kind !== "method_definition")
        add(node.kind.includes("expression") ? inner : outer, view.name);
      for (const { name } of view.parameters) for (const target of targets(name)) add(inner, target);
      return;
    case "class":
      if (view.name) add(outer, view.name);
      return;
    case "assign":
      return declareAssignment(node, view.target, outer);
    case "loop":
      // A Python comprehension and a JavaScript loop keep their variable; a Python loop does not.
      if (node.kind === "for_in_statement") for (const target of targets(view.target)) add(inner, target);
      else for (const target of targets(view.target)) add(outer, target);
      return;
    default:
  }
  switch (node.kind) {
    case "global_statement":
    case "nonlocal_statement":
      for (const name of node.children) {
        outer.elsewhere.add(textOf(name));
        if (node.kind === "global_statement") add(moduleOf(outer), name);
      }
      return;
    case "as_pattern_target":
    case "catch_clause":
      for (const target of targets(node.children[0] ?? node)) add(inner, target);
      return;
    case "import_specifier":
    case "namespace_import":
    case "aliased_import":
      add(outer, node.children.at(-1) ?? node);
      return;
    case "import_clause":
      if (node.children[0]?.kind === "identifier") add(outer, node.children[0]);
      return;
    case "import_statement":
    case "import_from_statement":
      for (const child of node.children.slice(node.kind === "import_statement" ? 0 : 1)) {
        if (child.kind === "dotted_name" && child.children[0]) add(outer, child.children[0]);
      }
      return;
    default:
  }
}

function declareAssignment(node: Node, target: Node, scope: Scope): void {
  if (node.kind === "assignment" || node.kind === "named_expression" || node.kind === "augmented_assignment") {
    for (const name of targets(target)) add(node.kind === "named_expression" ? functionOf(scope) : scope, name);
  } else if (node.kind === "variable_declarator") {
    const isVar = node.parent?.kind === "variable_declaration";
    for (const name of targets(target)) add(isVar ? functionOf(scope) : scope, name);
  }
}

function functionOf(scope: Scope): Scope {
  let up = scope;
  while (up.kind === "block" && up.parent) up = up.parent;
  return up;
}

function moduleOf(scope: Scope): Scope {
  return scope.parent ? moduleOf(scope.parent) : scope;
}

function add(scope: Scope, name: Node): void {
  push(scope.declared, textOf(name), name);
}

const PATTERNS = new Set([
  "pattern_list",
  "tuple_pattern",
  "list_pattern",
  "list_splat_pattern",
  "as_pattern_target",
  "array_pattern",
  "object_pattern",
  "rest_pattern",
  "tuple",
]);

/** The names that a pattern binds. */
export function targets(pattern: Node): Node[] {
  if (pattern.kind === "identifier" || pattern.kind === "shorthand_property_identifier_pattern") return [pattern];
  if (PATTERNS.has(pattern.kind)) return pattern.children.flatMap(targets);
  if (pattern.kind === "pair_pattern") return targets(pattern.children[1] ?? pattern);
  if (/^(object_)?assignment_pattern$/.test(pattern.kind)) return targets(pattern.children[0] ?? pattern);
  return [];
}
