import type { Value } from "./meaning.ts";
import { type Steps, unclassified } from "./record.ts";
import { type Node, textOf } from "./tree.ts";
import { bare, outer, viewOf } from "./view.ts";
import { note } from "./writes.ts";

/** `conversations[user_id][thread_id]`: the second key may be the session's id. */
export function onSecondKey(steps: Steps, node: Node, value: Value, key: Node): void {
  value.dictionary.evidence.keys.add(textOf(bare(key)));
  steps.follow(node, { ...value, kind: "nested", field: textOf(key), steps: value.steps + 1 });
}

/** Goes outwards to all that is done with it: nothing of that is classified, and none of it is missed. */
export function followNested(steps: Steps, node: Node, value: Value): void {
  const parent = outer(node);
  if (!parent) return;
  const view = viewOf(parent);
  const tell = (at: Node): void => unclassified(steps, value, at, reasonOf(value));
  switch (view.is) {
    case "wrapper":
    case "spread":
    case "either":
      return steps.follow(parent, value);
    case "attribute":
    case "index":
    case "slice":
      if (view.object === node) return steps.follow(parent, { ...value, steps: value.steps + 1 });
      return tell(parent);
    case "call":
      if (view.callee !== node) return tell(parent);
      note(value, view.args.map(textOf));
      return steps.follow(parent, value);
    case "assign":
      if (view.target === node) {
        if (value.steps === 0) return; // a variable is set: what it is set to tells it
        if (view.value) note(value, [textOf(view.value)]);
        return tell(parent);
      }
      tell(parent);
      return steps.assign(parent, view, { ...value, isAlias: true, steps: 0 });
    case "return":
      tell(parent);
      return steps.returned(parent, value);
    case "function":
      if (!view.isExpression || view.body !== node) return;
      tell(node);
      return steps.returned(node, value);
    default:
      return tell(node);
  }
}

function reasonOf({ field }: Value): string {
  return `${field} is a second key: the dictionary is nested, or this is a field by a variable`;
}
