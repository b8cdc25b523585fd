import { onArgument } from "./arguments.ts";
import { onStored, onWrite } from "./assignments.ts";
import { removal } from "./context.ts";
import type { Value } from "./meaning.ts";
import { addsMessages, onDictionary, onMessages, onRecord } from "./methods.ts";
import { followNested } from "./nested.ts";
import {
  bindPair,
  bindPattern,
  bindSession,
  fieldOf,
  record,
  sessionUnder,
  type Steps,
  unclassified,
  used,
} from "./record.ts";
import { onIndex, onLength, onSlice } from "./subscripts.ts";
import { descendants, type Node, textOf } from "./tree.ts";
import { literalText, outer, viewOf } from "./view.ts";

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
