import type { UseDetails } from "./dictionary.ts";
import type { Value } from "./meaning.ts";
import { type MethodCall, record, type Steps, used } from "./record.ts";
import { type Node, textOf } from "./tree.ts";
import { bare, literalText, viewOf } from "./view.ts";

/** Nothing when it is not known what the whole field is afterwards: `context.turns += 1`, `context.user.name = name`. */
export function contextChange(value: Value, target: Node, by: Node, operator: string): UseDetails {
  const key = computedKey(value, target);
  if (key !== null && operator === "=") {
    const isPython = by.file.language === "python";
    return { value: isPython ? `{${key}: ${textOf(by)}}` : `{ [${key}]: ${textOf(by)} }`, change: "merge" };
  }
  if (key !== null || !isOfField(value, target)) return {};
  if (operator === "=") return { value: textOf(by) };
  return operator === "|=" && value.field === null ? { value: textOf(by), change: "merge" } : {};
}

/** `delete context.city`, `del context[key]`; without a field, the context itself. */
export function removal(value: Value, node: Node): UseDetails {
  const key = computedKey(value, node);
  if (key !== null) return { value: key, change: "remove" };
  if (!isOfField(value, node)) return {};
  return { ...(value.field !== null && { value: JSON.stringify(value.field) }), change: "remove" };
}

/** `key` of `context[key]` */
function computedKey({ kind, field }: Value, node: Node): string | null {
  const view = viewOf(bare(node));
  const isComputed = kind === "context" && field === null && view.is === "index" && literalText(view.key) === null;
  return isComputed ? textOf(view.key) : null;
}

/** It is the field, or the context, and nothing inside of that. */
function isOfField({ field }: Value, node: Node): boolean {
  const view = viewOf(bare(node));
  if (field === null) return true;
  return view.is === "attribute" ? view.name === field : view.is === "index" && literalText(view.key) === field;
}

/** `Object.assign(session.context, changes)` */
export function mergedFrom(sources: readonly Node[], { kind, field }: Value): UseDetails {
  const [only] = sources;
  const isKnown = kind === "context" && field === null && sources.length === 1;
  return isKnown && only ? { value: textOf(only), change: "merge" } : {};
}

/** `update({"city": city})`, `update(city=city)`, `set("city", city)` */
export function changesOf({ name, args, named }: MethodCall, field: string | null): UseDetails {
  const last = args.at(-1);
  if (name === "set" && field !== null && args.length === 2) return { field, value: textOf(last!) };
  if (name === "set" || args.length > 1 || (last && named.size > 0)) return {};
  const pairs = [...named].map(([key, by]) => `${JSON.stringify(key)}: ${textOf(by)}`);
  return { value: last ? textOf(last) : `{${pairs.join(", ")}}`, change: "merge" };
}

const CHANGES_FIELD =
  /^(append|push|extend|add|insert|remove|discard|pop|popitem|clear|delete|sort|reverse|splice|shift|unshift)$/;

/** A method of the context, or of something in it. */
export function onContext(steps: Steps, { node, name, args }: MethodCall, value: Value): void {
  if (!CHANGES_FIELD.test(name)) return used(steps, node, value);
  if (value.field !== null) return record(steps, value, "context-write", node);
  if (name === "clear") return record(steps, value, "context-write", node, { value: "{}" });
  const [key] = args;
  const isRemoval = (name === "pop" || name === "delete") && key !== undefined;
  record(steps, value, "context-write", node, isRemoval ? { value: textOf(key), change: "remove" } : {});
}
