import type { Dictionary, FoundUse, Pattern, UseDetails } from "./dictionary.ts";
import type { Meaning, Value } from "./meaning.ts";
import { targets } from "./scopes.ts";
import { descendants, type Node, textOf } from "./tree.ts";
import { isContextField, isMessagesField } from "./vocabulary.ts";
import { bare, literalText, type Parameter, type View, viewOf } from "./view.ts";

/** What `bindings.ts` does for the expressions that are followed here. */
export interface Steps {
  follow(node: Node, value: Value): void;
  use(value: Value, found: FoundUse): void;
  later(decide: () => void): void;
  bindName(name: Node, value: Value): void;
  assign(statement: Node, view: Extract<View, { is: "assign" }>, value: Meaning): void;
  returned(node: Node, value: Meaning): void;
  /** null when the function is none of the tree's */
  parametersOf(callee: Node): readonly Parameter[] | null;
  /** All that a variable is set to. */
  valuesOf(name: Node): readonly Node[];
  /** Whether this variable stands for something of the dictionary. */
  isOf(name: Node, dictionary: Dictionary): boolean;
}

export interface MethodCall {
  /** the whole call */
  readonly node: Node;
  readonly name: string;
  readonly args: readonly Node[];
  readonly named: ReadonlyMap<string, Node>;
}

export function record(
  steps: Steps,
  value: Value,
  pattern: Pattern,
  node: Node,
  details: UseDetails = {},
  reason: string | null = null,
): void {
  const known = { key: value.key, isAlias: value.isAlias, hasDefault: value.hasDefault, field: value.field };
  steps.use(value, { pattern, reason, start: value.start, node, details: { ...known, ...details } });
}

export function unclassified(steps: Steps, value: Value, node: Node, reason: string): void {
  record(steps, value, "unclassified", node, {}, reason);
}

/** Its value is used as it is, whatever for. */
export function used(steps: Steps, node: Node, value: Value): void {
  const isRead = value.steps > 0 || !value.isAlias;
  switch (value.kind) {
    case "dictionary":
      return unclassified(steps, value, node.parent ?? node, "the whole dictionary is used at once");
    case "session":
      if (value.creates) return record(steps, value, "create", node);
      return isRead ? record(steps, value, "read", node) : undefined;
    case "messages":
    case "message":
      return isRead ? record(steps, value, "read", node, { messages: true }) : undefined;
    case "context":
    case "field":
      return isRead ? record(steps, value, "context-read", node) : undefined;
    default:
  }
}

/** A part of a session, by its name. */
export function fieldOf(value: Value, name: string): Value {
  const deeper = { ...value, steps: value.steps + 1, creates: false };
  const { evidence } = value.dictionary;
  if (isMessagesField(name)) {
    evidence.messageFields += 1;
    return { ...deeper, kind: "messages" };
  }
  if (isContextField(name)) {
    evidence.contextFields += 1;
    return { ...deeper, kind: "context" };
  }
  return { ...deeper, kind: "field", field: name };
}

/** The session under a key. */
export function sessionUnder(value: Value, key: Node | undefined): Value {
  const { evidence } = value.dictionary;
  if (key && literalText(key) === null) evidence.keys.add(textOf(bare(key)));
  else evidence.literalKeys += 1;
  return { ...value, kind: "session", key: key ? textOf(bare(key)) : null, steps: value.steps + 1, isAlias: false };
}

export function bindPair(steps: Steps, target: Node, value: Value): void {
  const inner = target.kind === "tuple_pattern" || target.kind === "pattern_list" ? target.children : target.children;
  const [key, session] = inner;
  if (session) bindSession(steps, session, value, key ? textOf(key) : null);
}

export function bindSession(steps: Steps, target: Node, value: Value, key: string | null): void {
  bindPattern(steps, target, { ...value, kind: "session", key, isAlias: true, steps: 0 });
}

/** A variable, or `{ messages, context }`. */
export function bindPattern(steps: Steps, target: Node, value: Value): void {
  if (target.kind !== "object_pattern") {
    for (const name of targets(target)) steps.bindName(name, { ...value, isAlias: true, steps: 0 });
    return;
  }
  for (const part of target.children) {
    const [key, inner] = part.kind === "pair_pattern" ? part.children : [part, part];
    const name = key && inner ? targets(inner)[0] : undefined;
    if (key && name && value.kind === "session") {
      const field = fieldOf(value, textOf(key).split(/[\s=]/)[0]!);
      steps.bindName(name, { ...field, isAlias: true, steps: 0 });
    }
  }
}

/** Whether an expression begins at the dictionary, or at a variable for something of it. */
export function rootIs(steps: Steps, expression: Node, dictionary: Dictionary): boolean {
  for (const node of descendants(expression)) {
    const view = viewOf(node);
    if ((view.is === "name" || view.is === "attribute") && steps.isOf(node, dictionary)) return true;
    if (view.is === "attribute" && view.name === dictionary.name && dictionary.home.in !== "scope") return true;
  }
  return false;
}
