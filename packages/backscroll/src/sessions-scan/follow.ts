import { contextChange, mergedFrom, removal } from "./context.ts";
import type { Value } from "./meaning.ts";
import { addsMessages, onDictionary, onMerged, onMessages, onRecord } from "./methods.ts";
import { followNested, onSecondKey } from "./nested.ts";
import {
  bindPair,
  bindPattern,
  bindSession,
  fieldOf,
  record,
  rootIs,
  sessionUnder,
  type Steps,
  unclassified,
  used,
} from "./record.ts";
import { descendants, type Node, textOf } from "./tree.ts";
import { bare, literalText, outer, type Parameter, type View, viewOf } from "./view.ts";
import { appended, holdsLists, onMessagesWritten, onSessionMerged, onSessionWritten } from "./writes.ts";

/** Goes from an expression outwards until it is clear what is done with it. */
export function followValue(steps: Steps, node: Node, value: Value): void {
  value.dictionary.reached.set(node, value);
  if (value.kind === "nested") return followNested(steps, node, value);
  const parent = outer(node);
  if (!parent) return;
  const view = viewOf(parent);
  switch (view.is) {
    case "wrapper":
    case "spread":
      return steps.follow(parent, value);
    case "either":
      if (view.operator === "and" && view.left === node) return asked(steps, node, value);
      return steps.follow(parent, { ...value, hasDefault: value.hasDefault || view.operator === "or" });
    case "conditional":
      if (view.condition === node) return asked(steps, node, value);
      return steps.follow(parent, { ...value, hasDefault: true });
    case "attribute":
      return onAttribute(steps, parent, value, view.name);
    case "index":
      return view.object === node ? onIndex(steps, parent, value, view.key) : used(steps, node, value);
    case "slice":
      return view.object === node ? onSlice(steps, parent, value, view) : used(steps, node, value);
    case "assign":
      return view.target === node ? onWrite(steps, parent, value, view) : onStored(steps, parent, node, value, view);
    case "delete":
      return onDelete(steps, parent, node, value);
    case "membership":
      return view.container === node ? onMembership(steps, parent, value, view.item) : used(steps, node, value);
    case "compare":
    case "test":
      return asked(steps, node, value);
    case "loop":
      return view.iterable === node ? onLoop(steps, parent, node, value, view.target) : undefined;
    case "return":
      used(steps, node, value);
      return steps.returned(parent, value);
    case "function":
      if (!view.isExpression || view.body !== node) return;
      used(steps, node, value);
      return steps.returned(node, value);
    case "call":
      return onArgument(steps, parent, node, value, view);
    case "class":
      return;
    default:
      return parent.kind === "pattern_list" ? undefined : onUnknown(steps, parent, node, value);
  }
}

function onUnknown(steps: Steps, parent: Node, node: Node, value: Value): void {
  if (parent.kind.endsWith("parameters")) return;
  if (/parameter|assignment_pattern/.test(parent.kind)) return onParameter(steps, parent, node, value);
  if (/export|import|global|nonlocal|pattern$/.test(parent.kind)) return;
  if (isExported(parent)) return;
  used(steps, node, value);
}

/** A parameter by this name is where it is bound; one that it is the default of is another name for it. */
function onParameter(steps: Steps, parent: Node, node: Node, value: Value): void {
  const [name] = parent.children;
  if (!name || name === node || parent.children.at(-1) !== node) return;
  if (value.kind === "dictionary") record(steps, value, "alias", parent);
  else used(steps, node, value);
  bindPattern(steps, name, { ...value, isAlias: true, steps: 0 });
}

/** `module.exports = { sessions }` is known as an export. */
function isExported(node: Node): boolean {
  const object = node.kind === "pair" ? node.parent : node;
  const statement = object?.parent && viewOf(object.parent);
  return statement?.is === "assign" && textOf(statement.target) === "module.exports";
}

/** Only whether it is there matters. */
function asked(steps: Steps, node: Node, value: Value): void {
  if (value.kind === "session") return record(steps, value, "check", node);
  if (value.kind === "dictionary") {
    return record(steps, value, "iterate", node, { all: true });
  }
  used(steps, node, value);
}

function onAttribute(steps: Steps, node: Node, value: Value, name: string): void {
  const { parent } = node;
  const view = parent && viewOf(parent);
  if (parent && view?.is === "call" && view.callee === node) {
    const call = { node: parent, name, args: view.args, named: view.named };
    if (value.kind === "dictionary") return onDictionary(steps, call, value);
    if (value.kind === "session" || value.kind === "context") return onRecord(steps, call, value);
    if (value.kind === "messages") return onMessages(steps, call, value);
    if (value.kind === "field") return onFieldMethod(steps, call, value);
    if (value.kind === "pairs" || value.kind === "values") return onIteratorMethod(steps, call, value);
    return used(steps, parent, value);
  }
  if (value.kind === "dictionary") {
    if (name === "size") return record(steps, value, "iterate", node, { all: true });
    return unclassified(steps, value, node, `.${name} is no way to reach a session by its id`);
  }
  if (value.kind === "pairs" || value.kind === "values" || value.kind === "keys") return;
  if (name === "length") return onLength(steps, node, value);
  if (value.kind === "session") return steps.follow(node, fieldOf(value, name));
  if (value.kind === "context") {
    return steps.follow(node, { ...value, field: value.field ?? name, steps: value.steps + 1 });
  }
  steps.follow(node, { ...value, steps: value.steps + 1 });
}

/** `history.length = 0` empties, another length cuts the newest off; anything else asks. */
function onLength(steps: Steps, node: Node, value: Value): void {
  const view = node.parent && viewOf(node.parent);
  if (view?.is === "assign" && view.target === node) {
    const isEmptied = view.operator === "=" && view.value !== null && textOf(view.value) === "0";
    if (isEmptied) return record(steps, value, "clear", node.parent ?? node);
    return unclassified(steps, value, node.parent ?? node, "the newest messages are removed");
  }
  record(steps, value, "read", node, { messages: true });
}

function onIndex(steps: Steps, node: Node, value: Value, key: Node): void {
  const name = literalText(key);
  const deeper = { ...value, steps: value.steps + 1 };
  switch (value.kind) {
    case "dictionary":
      return steps.follow(node, sessionUnder(value, key));
    case "session":
      if (name !== null) return steps.follow(node, fieldOf(value, name));
      return isNumeric(key) ? onMessage(steps, node, value, key) : onSecondKey(steps, node, value, key);
    case "messages":
      return onMessage(steps, node, value, key);
    case "context":
      return steps.follow(node, { ...deeper, field: value.field ?? name });
    default:
      return steps.follow(node, deeper);
  }
}

function isNumeric(key: Node): boolean {
  return viewOf(key).is === "number" || /length|len\(|^-?\d|^i(ndex|dx)?$/.test(textOf(key));
}

function onMessage(steps: Steps, node: Node, value: Value, key: Node): void {
  const isLast = /^-1$|length\s*-\s*1$/.test(textOf(key).trim());
  if (isLast && !isWritten(node)) return record(steps, value, "last-n", node, { limit: "1", messages: true });
  steps.follow(node, { ...value, kind: "message", steps: value.steps + 1 });
}

function isWritten(node: Node): boolean {
  let up: Node | null = node;
  while (up?.parent) {
    const view = viewOf(up.parent);
    if (view.is === "assign") return view.target === up;
    if (view.is === "delete") return true;
    if (view.is !== "index" && view.is !== "attribute") return false;
    up = up.parent;
  }
  return false;
}

function onSlice(steps: Steps, node: Node, value: Value, { from, to }: Extract<View, { is: "slice" }>): void {
  if (value.kind !== "session" && value.kind !== "messages") return used(steps, node, value);
  if (value.kind === "session") value.dictionary.evidence.slices += 1;
  const outer = node.parent && viewOf(node.parent);
  if (outer?.is === "delete") return sliceDeleted(steps, node.parent!, value, { from, to });
  if (outer?.is === "assign" && outer.target === node) {
    const isWhole = !from && !to && outer.value !== null;
    if (isWhole)
      return onMessagesWritten(steps, { node: node.parent!, by: outer.value, operator: outer.operator }, value);
    return unclassified(steps, value, node.parent!, "a part of the messages is replaced");
  }
  const bound = from ? textOf(from) : "";
  const isLast = bound.startsWith("-") && !to;
  record(steps, value, isLast ? "last-n" : "read", node, {
    messages: true,
    ...(isLast ? { limit: bound.slice(1).trim() } : {}),
  });
}

/** `del history[:-20]`: the end stays. */
function sliceDeleted(
  steps: Steps,
  node: Node,
  value: Value,
  { from, to }: Pick<Extract<View, { is: "slice" }>, "from" | "to">,
): void {
  if (!from && !to) return record(steps, value, "clear", node, { messages: true });
  if (to && !(from && textOf(from).startsWith("-"))) return record(steps, value, "trim", node);
  unclassified(steps, value, node, "the newest messages are removed");
}

function onDelete(steps: Steps, parent: Node, node: Node, value: Value): void {
  switch (value.kind) {
    case "session":
      return value.steps > 0 ? record(steps, value, "delete", parent) : undefined;
    case "messages":
      return record(steps, value, "clear", parent);
    case "message":
      return unclassified(steps, value, parent, "one message is removed: `deleteMessage` takes its id");
    case "context":
    case "field":
      return record(steps, value, "context-write", parent, removal(value, node));
    default:
      return used(steps, node, value);
  }
}

function onMembership(steps: Steps, node: Node, value: Value, item: Node): void {
  if (value.kind === "dictionary") return record(steps, sessionUnder(value, item), "check", node);
  const name = literalText(item);
  if (value.kind === "session" && name !== null) {
    const field = fieldOf(value, name);
    return record(steps, field, field.kind === "messages" ? "check" : "context-read", node, { messages: true });
  }
  used(steps, node, { ...value, steps: value.steps + 1 });
}

function onLoop(steps: Steps, loop: Node, node: Node, value: Value, target: Node): void {
  const isMap = value.kind === "dictionary" && node.file.language !== "python" && loop.kind === "for_in_statement";
  if (value.kind === "dictionary") {
    record(steps, value, "iterate", loop, { all: true });
    // A Map gives pairs; `for … in` and Python give keys.
    return isMap && target.kind === "array_pattern" ? bindPair(steps, target, value) : undefined;
  }
  if (value.kind === "pairs") return bindPair(steps, target, value);
  if (value.kind === "values") return bindSession(steps, target, value, null);
  used(steps, node, value);
}

/** It is the value of an assignment. */
function onStored(
  steps: Steps,
  statement: Node,
  node: Node,
  value: Value,
  view: Extract<View, { is: "assign" }>,
): void {
  const target = viewOf(view.target);
  if (view.operator === "+=") return used(steps, node, value);
  const isBound =
    target.is === "name" || view.target.kind === "object_pattern" || view.target.kind === "property_identifier";
  if (value.kind === "pairs" || value.kind === "values") return;
  if (value.kind === "dictionary") {
    if (isExportTarget(view.target)) return;
    record(steps, value, "alias", statement);
    return steps.assign(statement, view, { ...value, isAlias: true });
  }
  if (view.target.kind === "object_pattern" && value.kind === "session") {
    record(steps, value, "read", node, { messages: /messages|history/.test(textOf(view.target)) });
    return bindPattern(steps, view.target, value);
  }
  if (!isBound && rootIs(steps, view.target, value.dictionary)) return; // the target's side tells it
  used(steps, node, value);
  const isFollowed = value.kind === "session" || value.kind === "messages" || value.kind === "context";
  const alias: Value = { ...value, isAlias: true, steps: 0, creates: false };
  if (isFollowed) steps.assign(statement, view, alias);
  if (isInExpression(statement)) steps.follow(statement, alias);
}

/** `(s := …) is None`, `return (s = …)`: the assignment is a value, too. */
function isInExpression({ kind, parent }: Node): boolean {
  return (
    /^(named_expression|(augmented_)?assignment_expression)$/.test(kind) && parent?.kind !== "expression_statement"
  );
}

function isExportTarget(target: Node): boolean {
  return /^(module\.)?exports\b/.test(textOf(target));
}

/** It is assigned to. */
function onWrite(steps: Steps, statement: Node, value: Value, view: Extract<View, { is: "assign" }>): void {
  const { value: by, operator } = view;
  switch (value.kind) {
    case "dictionary":
      if (operator === "|=") return onMerged(steps, { node: statement, by }, value);
      if (value.isAlias) return;
      return record(steps, value, "declare", statement);
    case "session":
      // A variable is set: what it is set to tells it.
      if (value.steps === 0) return by ? onVariable(steps, statement, by, value, operator) : undefined;
      if (by) onSessionWritten(steps, { node: statement, by, operator }, value);
      if (isInExpression(statement)) steps.follow(statement, { ...value, isAlias: true, steps: 0 });
      return;
    case "messages":
      if (value.steps === 0) return by ? onVariable(steps, statement, by, value, operator) : undefined;
      return by ? onMessagesWritten(steps, { node: statement, by, operator }, value) : undefined;
    case "message":
      return unclassified(steps, value, statement, "a stored message is changed: `editMessage` takes its id");
    case "context":
    case "field":
      if (value.steps === 0) return;
      return record(
        steps,
        value,
        "context-write",
        statement,
        by ? contextChange(value, view.target, by, operator) : {},
      );
    default:
  }
}

/** `history += [m]`, `session |= {…}` change what is in the dictionary, too. */
function onVariable(steps: Steps, node: Node, by: Node, value: Value, operator: string): void {
  if (operator === "|=" && value.kind === "session") {
    return onSessionMerged(steps, { node, by: [by], named: new Map() }, value);
  }
  if (operator === "+=" && !/^(number|text)$/.test(viewOf(bare(by)).is)) appended(steps, node, value, by);
}

function onFieldMethod(
  steps: Steps,
  { node, name, args }: { node: Node; name: string; args: readonly Node[] },
  value: Value,
): void {
  if (addsMessages(name))
    return onMessages(steps, { node, name, args, named: new Map() }, { ...value, kind: "messages" });
  if (/^(append|push|extend|add|update|set|pop|remove|clear|insert|setdefault)$/.test(name)) {
    if (/^(append|push)$/.test(name) && args.some((arg) => /["']?role["']?\s*[:=]/.test(textOf(arg)))) {
      return onMessages(steps, { node, name, args, named: new Map() }, { ...value, kind: "messages" });
    }
    return record(steps, value, "context-write", node);
  }
  used(steps, node, value);
}

/** `.map(([id, s]) => …)` of what is iterated over. */
function onIteratorMethod(steps: Steps, { args }: { args: readonly Node[] }, value: Value): void {
  const callback = args[0] && viewOf(args[0]);
  const parameter = callback?.is === "function" ? callback.parameters[0] : undefined;
  if (!parameter) return;
  if (value.kind === "values") return bindSession(steps, parameter.name, value, null);
  const pattern = [...descendants(parameter.name)].find(({ kind }) => kind === "array_pattern");
  if (pattern) bindPair(steps, pattern, value);
}

const ITERATES =
  /^(len|list|sorted|tuple|set|dict|iter|reversed|enumerate|any|all|max|min|sum|Array\.from|Object\.(keys|values|entries))$/;
/** They look at what they are given, and leave it alone. */
const READS =
  /^(len|str|repr|print|list|dict|bool|type|isinstance|id|hash|sorted|reversed|any|all|sum|max|min|enumerate|jsonify|String|Boolean|Array\.isArray|structuredClone)$|(^|\.)(json|dumps|stringify|log|info|debug|warn|error|send|deepcopy|copy)$/;

/** It is handed to a function. */
function onArgument(
  steps: Steps,
  call: Node,
  node: Node,
  value: Value,
  { callee, args, named }: Extract<View, { is: "call" }>,
): void {
  const name = textOf(callee);
  if (value.kind === "pairs" || value.kind === "values" || value.kind === "keys") {
    return ITERATES.test(name) ? steps.follow(call, value) : undefined;
  }
  if (value.kind === "dictionary") {
    if (ITERATES.test(name)) {
      record(steps, value, "iterate", call, { all: true });
      const kind = name.endsWith("values") ? "values" : name.endsWith("entries") ? "pairs" : "keys";
      return steps.follow(call, { ...value, kind });
    }
    const at = args.indexOf(node);
    if (/^Object\.hasOwn$|hasOwnProperty\.call$/.test(name) && args[at + 1]) {
      return record(steps, sessionUnder(value, args[at + 1]), "check", call);
    }
  }
  if (value.kind === "session" && name === "Object.assign" && args[0] === node) {
    return onSessionMerged(steps, { node: call, by: args.slice(1), named }, value);
  }
  if (value.kind === "context" && name === "Object.assign" && args[0] === node) {
    return record(steps, value, "context-write", call, mergedFrom(args.slice(1), value));
  }
  const parameter = parameterFor(steps.parametersOf(callee), { node, args, named });
  if (parameter) {
    const key = keyInside(steps, callee, args, value.key);
    if (value.kind === "dictionary") record(steps, value, "alias", call);
    else used(steps, node, value);
    return bindPattern(steps, parameter.name, { ...value, key, isAlias: true, steps: 0, creates: false });
  }
  if (value.kind === "dictionary") {
    return unclassified(steps, value, call, `the whole dictionary is given to ${name}()`);
  }
  const isRead = READS.test(name) || (name === "Object.assign" && args[0] !== node);
  if (value.kind !== "session" || !value.isAlias || value.steps > 0 || isRead) return used(steps, node, value);
  steps.later(() => {
    if (holdsLists(value.dictionary) || rootIs(steps, callee, value.dictionary)) return;
    unclassified(steps, value, call, `the session is given to ${name}(), which may change it`);
  });
}

export function parameterFor(
  parameters: readonly Parameter[] | null,
  { node, args, named }: { node: Node; args: readonly Node[]; named: ReadonlyMap<string, Node> },
): Parameter | null {
  const own = (parameters ?? []).filter(({ name }) => !/^(self|cls)$/.test(textOf(name)));
  const byName = [...named].find(([, argument]) => argument === node)?.[0];
  if (byName !== undefined) return own.find(({ name }) => textOf(name) === byName) ?? null;
  return own[args.indexOf(node)] ?? null;
}

/** The session's id has another name inside the function, when it is handed over beside. */
function keyInside(steps: Steps, callee: Node, args: readonly Node[], key: string | null): string | null {
  const at = args.findIndex((argument) => textOf(argument) === key);
  const parameter = at === -1 ? undefined : steps.parametersOf(callee)?.[at];
  return parameter ? textOf(parameter.name) : null;
}
