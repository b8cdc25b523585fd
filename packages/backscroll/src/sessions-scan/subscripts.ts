import type { Value } from "./meaning.ts";
import { onSecondKey } from "./nested.ts";
import { fieldOf, record, sessionUnder, type Steps, unclassified, used } from "./record.ts";
import { type Node, textOf } from "./tree.ts";
import { literalText, type View, viewOf } from "./view.ts";
import { onMessagesWritten } from "./writes.ts";

/** `history.length = 0` empties, another length cuts the newest off; anything else asks. */
export function onLength(steps: Steps, node: Node, value: Value): void {
  const view = node.parent && viewOf(node.parent);
  if (view?.is === "assign" && view.target === node) {
    const isEmptied = view.operator === "=" && view.value !== null && textOf(view.value) === "0";
    if (isEmptied) return record(steps, value, "clear", node.parent ?? node);
    return unclassified(steps, value, node.parent ?? node, "the newest messages are removed");
  }
  record(steps, value, "read", node, { messages: true });
}

export function onIndex(steps: Steps, node: Node, value: Value, key: Node): void {
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

export function onSlice(steps: Steps, node: Node, value: Value, { from, to }: Extract<View, { is: "slice" }>): void {
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
