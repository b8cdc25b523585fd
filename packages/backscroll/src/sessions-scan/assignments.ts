import { contextChange } from "./context.ts";
import type { Value } from "./meaning.ts";
import { onMerged } from "./methods.ts";
import { bindPattern, record, rootIs, type Steps, unclassified, used } from "./record.ts";
import { type Node, textOf } from "./tree.ts";
import { bare, type View, viewOf } from "./view.ts";
import { appended, onMessagesWritten, onSessionMerged, onSessionWritten } from "./writes.ts";

/** It is the value of an assignment. */
export function onStored(
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
export function onWrite(steps: Steps, statement: Node, value: Value, view: Extract<View, { is: "assign" }>): void {
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
