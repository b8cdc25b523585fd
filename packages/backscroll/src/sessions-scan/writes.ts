import type { Dictionary, UseDetails } from "./dictionary.ts";
import { operands } from "./list-parts.ts";
import type { Value } from "./meaning.ts";
import { changeOf, oneLine, type Origin, originOf } from "./origin.ts";
import { fieldOf, record, type Steps, unclassified } from "./record.ts";
import { type Node, textOf } from "./tree.ts";
import { isContextField, isMessagesField, looksLikeMessage, looksLikeSession, namesMessage } from "./vocabulary.ts";
import { bare, isEmptyLiteral, viewOf } from "./view.ts";

export interface Write {
  readonly node: Node;
  readonly by: Node;
  readonly operator: string;
}

export function onSessionWritten(steps: Steps, write: Write, value: Value): void {
  const { node, by, operator } = write;
  const source = textOf(by);
  if (operator === "+=") return appended(steps, node, value, by);
  if (operator === "|=") return onSessionMerged(steps, { node, by: [by], named: new Map() }, value);
  if (/^(None|null|undefined)$/.test(source)) return record(steps, value, "delete", node);
  // Variables are known only when everything has been followed.
  steps.later(() => {
    const origin = originOf(steps, by, node, value);
    const inner = bare(by);
    const isName = viewOf(inner).is === "name";
    if (operator === "=" && origin.isOwn && !origin.fresh) return ownWritten(steps, { node, origin }, value);
    value.dictionary.evidence.values.add(source);
    if (isName) {
      for (const found of steps.valuesOf(inner)) value.dictionary.evidence.values.add(textOf(found));
      steps.bindName(inner, { ...value, isAlias: true, steps: 0, creates: false });
    }
    noteMessages(value.dictionary, by);
    changesOf(steps, origin, value);
    if (origin.unknown !== null) return unclassified(steps, value, node, origin.unknown);
    record(steps, value, "create", node, beginningOf(bare(origin.fresh ?? by)));
  });
}

/** What was in the dictionary is put back: what is new in it is told where it was added. */
function ownWritten(steps: Steps, { node, origin }: { node: Node; origin: Origin }, value: Value): void {
  changesOf(steps, origin, value);
  if (origin.unknown !== null) return unclassified(steps, value, node, origin.unknown);
  if (origin.begins) {
    const reason = `where there is no session, it begins with ${oneLine(origin.begins)}: save that first`;
    return unclassified(steps, value, node, reason);
  }
  if (origin.isEmptied) return record(steps, value, "clear", node, { messages: true });
  const isTold = [...origin.grown, ...origin.context].some((change) => change.node === node);
  if (!isTold) record(steps, value, origin.isCut ? "trim" : "write-back", node);
}

/** Tells what is new in a value, and follows the variables that it came by. */
function changesOf(steps: Steps, { grown, context, copies }: Origin, value: Value): void {
  for (const { node, items, isField } of grown) {
    const of: Value = { ...value, kind: isField ? "messages" : value.kind, start: node };
    note(of, items);
    record(steps, of, "append", node, { items, messages: true });
  }
  for (const { node, details } of context) {
    record(steps, { ...value, kind: "context", start: node }, "context-write", node, details);
  }
  for (const name of copies) steps.bindName(name, { ...value, isAlias: true, steps: 0, creates: false });
}

/** Some keys of a session are set at once: `update({…})`, `update(title=…)`, `Object.assign(session, {…})`. */
export function onSessionMerged(
  steps: Steps,
  { node, by, named }: { node: Node; by: readonly Node[]; named: ReadonlyMap<string, Node> },
  value: Value,
): void {
  const literals = by.map((arg) => viewOf(bare(arg)));
  const isKnown = literals.every((view) => view.is === "dictionary" && view.spreads.length === 0);
  if (!isKnown) return unclassified(steps, value, node, "several parts of the session are set at once");
  const entries = [
    ...literals.flatMap((view) => (view.is === "dictionary" ? view.entries : [])),
    ...[...named].map(([key, entry]) => ({ key, value: entry })),
  ];
  for (const { key, value: entry } of entries) {
    if (key !== null && isMessagesField(key)) {
      onMessagesWritten(steps, { node, by: entry, operator: "=" }, fieldOf(value, key));
    }
  }
  const others = entries.filter(({ key }) => key === null || !isMessagesField(key));
  if (others.length > 0) record(steps, value, "context-write", node, changeOf(others, node));
}

/** What is in a new session: messages, a context. */
function beginningOf(by: Node): UseDetails {
  const view = viewOf(by);
  if (view.is === "list") return { items: view.items.map(textOf) };
  if (view.is !== "dictionary") return {};
  const filled = view.entries.filter((entry) => !isEmptyLiteral(entry.value));
  const messages = filled.find(({ key }) => key !== null && isMessagesField(key));
  const context = filled.find(({ key }) => key !== null && isContextField(key));
  const list = messages && viewOf(bare(messages.value));
  return {
    ...(messages && list && { items: list.is === "list" ? list.items.map(textOf) : itemsOf(messages.value) }),
    ...(context && { value: textOf(context.value) }),
  };
}

/** The messages that a new session begins with. */
function noteMessages(dictionary: Dictionary, by: Node): void {
  if (looksLikeSession(textOf(by))) dictionary.evidence.messageFields += 1;
  if (viewOf(bare(by)).is === "list" && itemsOf(by).some(looksLikeMessage)) dictionary.evidence.messagesAdded += 1;
}

export function onMessagesWritten(steps: Steps, { node, by, operator }: Write, value: Value): void {
  if (operator === "+=") return appended(steps, node, value, by);
  if (operator !== "=") return record(steps, value, "create", node, { messages: true });
  if (isEmptyLiteral(by)) return record(steps, value, "clear", node, { messages: true });
  steps.later(() => {
    const origin = originOf(steps, by, node, value);
    if (origin.isOwn && !origin.fresh) return ownWritten(steps, { node, origin }, value);
    changesOf(steps, origin, value);
    unclassified(steps, value, node, origin.unknown ?? "the messages are replaced by others");
  });
}

/** Messages go to the end: `+= […]`, `a + […]`, `[...a, m]`. */
export function appended(steps: Steps, node: Node, value: Value, by: Node): void {
  const items = itemsOf(by);
  note(value, items);
  record(steps, value, "append", node, { items, messages: true });
}

/** The values are the lists of messages themselves. */
export function holdsLists({ annotation, evidence }: Dictionary): boolean {
  return (
    evidence.listAppends > 0 ||
    /\((list|deque)\)|,\s*(readonly\s+)?((Array|list|deque)\b\s*[<[\]]|[\w.]+(<[^{}]*>)?\[\]|\{[^{}]*\}\[\])/i.test(
      annotation,
    ) ||
    [...evidence.values].some((value) => value.startsWith("["))
  );
}

export function note({ dictionary: { evidence }, kind }: Value, items: readonly string[]): void {
  if (items.some(looksLikeMessage)) evidence.messagesAdded += 1;
  else if (items.some(namesMessage)) evidence.messagesNamed += 1;
  if (kind === "session") evidence.listAppends += 1;
}

/** What is added, as items of a list. */
export function itemsOf(by: Node): readonly string[] {
  return operands(by).map(({ text }) => text);
}
