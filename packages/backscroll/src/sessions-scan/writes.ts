import type { Dictionary, UseDetails } from "./dictionary.ts";
import type { Value } from "./meaning.ts";
import { record, rootIs, type Steps, unclassified } from "./record.ts";
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
  if (/^(None|null|undefined)$/.test(source)) return record(steps, value, "delete", node);
  // Variables are known only when everything has been followed.
  steps.later(() => {
    const inner = bare(by);
    const view = viewOf(inner);
    if (operator === "=" && view.is !== "either" && comesFrom(steps, by, value.dictionary)) {
      if (view.is === "name")
        return record(steps, value, ownVariable(steps, inner, value) ? "write-back" : "create", node);
      if (isCut(by)) return record(steps, value, "trim", node);
      if (view.is === "concatenation" || view.is === "list" || view.is === "call")
        return appended(steps, node, value, by);
      return record(steps, value, "write-back", node);
    }
    value.dictionary.evidence.values.add(source);
    if (view.is === "name") {
      for (const found of steps.valuesOf(inner)) value.dictionary.evidence.values.add(textOf(found));
      steps.bindName(inner, { ...value, isAlias: true, steps: 0, creates: false });
    }
    noteMessages(value.dictionary, by);
    record(steps, value, "create", node, beginningOf(inner));
  });
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
    ...(list?.is === "list" && { items: list.items.map(textOf) }),
    ...(context && { value: textOf(context.value) }),
  };
}

/** The messages that a new session begins with. */
function noteMessages(dictionary: Dictionary, by: Node): void {
  if (looksLikeSession(textOf(by))) dictionary.evidence.messageFields += 1;
}

/** A variable that only ever came out of the dictionary is written back; one that was made here is new. */
function ownVariable(steps: Steps, name: Node, value: Value): boolean {
  const made = steps.valuesOf(name);
  const isNew =
    made.length === 0 ||
    made.some((found) => !rootIs(steps, found, value.dictionary) && /^\s*([[{]|new\b|\w+\()/.test(textOf(found)));
  return !isNew;
}

/** It names something of the dictionary, or a variable that was made of that. */
function comesFrom(steps: Steps, by: Node, dictionary: Dictionary): boolean {
  if (rootIs(steps, by, dictionary)) return true;
  const inner = bare(by);
  return viewOf(inner).is === "name" && steps.valuesOf(inner).some((made) => rootIs(steps, made, dictionary));
}

function isCut(by: Node): boolean {
  const view = viewOf(bare(by));
  if (view.is === "slice") return true;
  if (view.is === "concatenation") return isCut(view.left) || isCut(view.right);
  if (view.is === "list") return view.items.some((item) => /\.slice\(|\[-?\w*:/.test(textOf(item)));
  return view.is === "call" && /\.(slice|splice|filter)$|^(trim|truncate|prune)/.test(textOf(view.callee));
}

export function onMessagesWritten(steps: Steps, { node, by, operator }: Write, value: Value): void {
  if (operator === "+=") return appended(steps, node, value, by);
  if (operator !== "=") return record(steps, value, "create", node, { messages: true });
  if (isEmptyLiteral(by)) return record(steps, value, "clear", node, { messages: true });
  steps.later(() => {
    if (isCut(by)) return record(steps, value, "trim", node);
    const inner = viewOf(bare(by));
    const isOwn = rootIs(steps, by, value.dictionary);
    if (isOwn && inner.is === "name") return record(steps, value, "write-back", node);
    if (isOwn && (inner.is === "concatenation" || inner.is === "list" || inner.is === "call")) {
      return appended(steps, node, value, by);
    }
    unclassified(steps, value, node, "the messages are replaced by others");
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

/** What an expression adds to a list that it names first. */
export function itemsOf(by: Node): readonly string[] {
  const view = viewOf(bare(by));
  if (view.is === "concatenation") return itemsOf(view.right);
  if (view.is === "list") return view.items.filter((item) => viewOf(item).is !== "spread").map(textOf);
  if (view.is === "call" && textOf(view.callee).endsWith(".concat")) return view.args.flatMap(itemsOf);
  if (view.is === "dictionary") return [textOf(by)];
  return [by.file.language === "python" ? `*${textOf(by)}` : `...${textOf(by)}`];
}
