import { type Dictionary, type Home, newDictionary } from "./dictionary.ts";
import type { Scope, Scopes } from "./scopes.ts";
import { ancestor, descendants, type Node, type SourceFile, textOf } from "./tree.ts";
import { bare, type Entry, isFunction, lastName, viewOf } from "./view.ts";

/** A line on which a dictionary may be made: what decides whether a file is parsed at all. */
export const MAKES_DICTIONARY =
  /[=:(?|]\s*(?:\w+\.)*(?:\{\s*\}|dict\(\)|\w*[dD]ict\(|field\(|TTLCache|LRUCache|LFUCache|Object\.create\(\s*null|new\s+(?:(?:Weak)?Map|Collection)\b|new\s+\w*(?:LRU|TTL|Cache)\w*|Map<|Record<|[dD]ict\[)/;

const MAKERS = new Set(
  (
    "dict defaultdict OrderedDict WeakValueDictionary TTLCache LRUCache LFUCache ExpiringDict " +
    "Map WeakMap Collection LRU QuickLRU NodeCache LRUMap"
  ).split(" "),
);

/**
 * Every dictionary of a file that outlives a call: of a module, a class, an application's state, or of a function whose inner
 * functions use it. Whether it holds sessions, its uses will say.
 */
export function findCandidates(file: SourceFile, scopes: Scopes): Dictionary[] {
  const found = new Map<string, Dictionary>();
  const types = declaredTypes(file);
  const visit = (node: Node): void => {
    const view = viewOf(node);
    if (view.is === "assign" && view.operator !== "+=") {
      if (view.value) inObject(view.value, homeOf(view.target, scopes));
      const annotation = view.annotation ? textOf(view.annotation) : "";
      if (view.value ? makesDictionary(view.value) : isDictionaryType(annotation)) {
        const home = homeOf(view.target, scopes);
        if (home) add(home, view.target, `${annotation} ${view.value ? textOf(view.value) : ""}`.trim());
      }
    }
    for (const child of node.children) visit(child);
  };
  function inObject(value: Node, owner: Home | null): void {
    const object = bare(value);
    for (const { key, value: inner } of owner ? membersOf(object) : []) {
      if (!owner || key === null) continue;
      const isExports = owner.in === "export" && owner.name === "*";
      const home: Home = isExports ? { in: "export", name: key } : { in: "object", object, owner, name: key };
      if (makesDictionary(inner)) add(home, inner, textOf(inner));
      else inObject(inner, home);
    }
  }

  function add(home: Home, node: Node, annotation: string): void {
    const key = keyOf(home);
    if (found.has(key)) return;
    const named = new Set(annotation.match(/[\w$]+/g));
    const valueTypes = [...types].filter(([name]) => named.has(name)).map(([, text]) => text);
    const { name } = home;
    found.set(key, newDictionary({ name, home, file, node, annotation, valueTypes: valueTypes.join("\n") }));
  }

  visit(file.root);
  return [...found.values()];
}

const DECLARES_TYPE =
  /^(type_alias_declaration|interface_declaration|class_declaration|abstract_class_declaration|class_definition)$/;

/** By name, as text. */
function declaredTypes({ root }: SourceFile): ReadonlyMap<string, string> {
  const types = new Map<string, string>();
  for (const node of descendants(root)) {
    if (!DECLARES_TYPE.test(node.kind)) continue;
    const name = /^(?:abstract\s+)?(?:type|interface|class)\s+([\w$]+)/.exec(textOf(node))?.[1];
    if (name !== undefined) types.set(name, textOf(node));
  }
  return types;
}

function keyOf(home: Home): string {
  if (home.in === "path") return `path ${home.owner}.${home.name}`;
  if (home.in === "export") return `export ${home.name}`;
  if (home.in === "object") return `${keyOf(home.owner)}.${home.name}`;
  const { start } = home.in === "class" ? home.class : home.scope.node;
  return `${home.in} ${start} ${home.name}`;
}

function makesDictionary(value: Node): boolean {
  const view = viewOf(value);
  switch (view.is) {
    case "wrapper":
      return makesDictionary(view.inner);
    case "either":
      return makesDictionary(view.left) || makesDictionary(view.right);
    case "conditional":
      return makesDictionary(view.yes) || makesDictionary(view.no);
    case "assign":
      return view.value !== null && makesDictionary(view.value);
    case "dictionary":
      return view.entries.length === 0 && view.spreads.length === 0;
    case "call": {
      const name = lastName(view.callee);
      if (name === "field") {
        const factory = view.named.get("default_factory");
        return factory !== undefined && /dict/i.test(textOf(factory));
      }
      if (name === "create" && textOf(view.callee) === "Object.create") return textOf(view.args[0] ?? value) === "null";
      return MAKERS.has(name) && (name !== "dict" || (view.args.length === 0 && view.named.size === 0));
    }
    default:
      return false;
  }
}

/** The keys of an object that is written out: `{ sessions: {} }`, `dict(sessions={})`. */
export function membersOf(object: Node): readonly Entry[] {
  const view = viewOf(object);
  if (view.is === "dictionary") return view.entries;
  if (view.is !== "call") return [];
  if (/^Object\.(freeze|seal)$/.test(textOf(view.callee)) && view.args[0]) return membersOf(bare(view.args[0]));
  const isObject = /^(dict|SimpleNamespace)$/.test(lastName(view.callee));
  return isObject ? [...view.named].map(([key, value]) => ({ key, value })) : [];
}

function isDictionaryType(annotation: string): boolean {
  return /^:?\s*(?:\w+\.)*(?:ClassVar\[)?(?:[dD]ict|DefaultDict|Map|Collection|Record|MutableMapping)\s*[[<]/.test(
    annotation,
  );
}

function homeOf(target: Node, scopes: Scopes): Home | null {
  const view = viewOf(target);
  if (target.kind === "property_identifier" || target.kind === "private_property_identifier") {
    const owner = ancestor(target, (node) => viewOf(node).is === "class");
    return owner && { in: "class", class: owner, name: textOf(target) };
  }
  if (view.is === "name") {
    const scope = scopes.resolve(target);
    if (!scope) return null;
    if (scope.kind === "module") return { in: "scope", scope, name: view.name };
    if (scope.kind === "class") return { in: "class", class: scope.node, name: view.name };
    return isCaptured(view.name, scope, scopes) ? { in: "scope", scope, name: view.name } : null;
  }
  if (view.is !== "attribute") return null;
  if (textOf(target) === "module.exports") return { in: "export", name: "*" };
  const owner = bare(view.object);
  if (/^(module\.)?exports$/.test(textOf(owner))) return { in: "export", name: view.name };
  if (/^(self|cls|this)$/.test(textOf(owner))) {
    const inClass = ancestor(target, (node) => viewOf(node).is === "class");
    return inClass && { in: "class", class: inClass, name: view.name };
  }
  // A singleton is filled where it is made: `cls._instance.histories = {}`.
  const maker = ancestor(target, isFunction);
  const made = maker && viewOf(maker);
  if (made?.is === "function" && made.name && textOf(made.name) === "__new__") {
    const inClass = ancestor(target, (node) => viewOf(node).is === "class");
    return inClass && { in: "class", class: inClass, name: view.name };
  }
  const ownerName = lastName(owner);
  const isState = /^(state|locals|app|ctx|config|g|globals?|globalThis|window|server|bot|application)$/.test(ownerName);
  return isState ? { in: "path", owner: ownerName, name: view.name } : null;
}

/** Used in a function inside the one that makes it: it lives as long as that inner one. */
function isCaptured(name: string, scope: Scope, scopes: Scopes): boolean {
  const home = functionAround(scope.node);
  return (scopes.names.get(name) ?? []).some(
    (node) => scopes.resolve(node) === scope && functionAround(node.parent ?? node) !== home,
  );
}

function functionAround(node: Node): Node | null {
  return isFunction(node) ? node : ancestor(node, isFunction);
}
