import { changesOf, onContext } from "./context.ts";
import {
  bindSession,
  fieldOf,
  record,
  sessionUnder,
  type MethodCall,
  type Steps,
  unclassified,
  used,
} from "./record.ts";
import type { Value } from "./meaning.ts";
import { onSecondKey } from "./nested.ts";
import { type Node, textOf } from "./tree.ts";
import { bare, literalText, viewOf } from "./view.ts";
import { itemsOf, note, onMessagesWritten, onSessionMerged, onSessionWritten } from "./writes.ts";

/** A method of the dictionary itself: of Python's `dict`, of a `Map`, of an object. */
export function onDictionary(steps: Steps, { node, name, args }: MethodCall, value: Value): void {
  const [key, other] = args;
  const deeper = { ...value, steps: value.steps + 1 };
  switch (name) {
    case "get":
    case "peek":
      return steps.follow(node, { ...sessionUnder(value, key), hasDefault: other !== undefined });
    case "setdefault":
    case "ensure":
    case "getOrInsert":
    case "getOrInsertComputed":
      if (other) value.dictionary.evidence.values.add(textOf(other));
      return steps.follow(node, { ...sessionUnder(value, key), creates: true, hasDefault: true });
    case "set":
      if (!key || !other) return unclassified(steps, value, node, "set() without a key and a value");
      return onSessionWritten(steps, { node, by: other, operator: "=" }, sessionUnder(value, key));
    case "has":
    case "hasOwnProperty":
    case "__contains__":
      return record(steps, sessionUnder(value, key), "check", node);
    case "pop":
    case "delete":
    case "del":
      return record(steps, sessionUnder(value, key), "delete", node);
    case "popitem":
      return record(steps, value, "delete", node, {}, "the oldest session makes room: nothing has to");
    case "clear":
    case "flushAll":
      return record(steps, value, "delete", node, { all: true });
    case "update":
      return onMerged(steps, { node, by: key ?? null }, value);
    case "items":
    case "entries":
      record(steps, value, "iterate", node, { all: true });
      return steps.follow(node, { ...deeper, kind: "pairs" });
    case "values":
      record(steps, value, "iterate", node, { all: true });
      return steps.follow(node, { ...deeper, kind: "values" });
    case "keys":
      record(steps, value, "iterate", node, { all: true });
      return steps.follow(node, { ...deeper, kind: "keys" });
    case "forEach": {
      record(steps, value, "iterate", node, { all: true });
      const callback = key && viewOf(key);
      const [session, id] = callback?.is === "function" ? callback.parameters : [];
      return session && bindSession(steps, session.name, value, id ? textOf(id.name) : null);
    }
    default:
      return unclassified(steps, value, node, `${name}() of the dictionary is not one of the patterns`);
  }
}

/** `update({id: session})`, `|= {id: session}`: each of them is put in. */
export function onMerged(steps: Steps, { node, by }: { node: Node; by: Node | null }, value: Value): void {
  const view = by && viewOf(bare(by));
  const isLiteral = view?.is === "dictionary" && view.spreads.length === 0;
  if (!isLiteral) return unclassified(steps, value, node, "several sessions are put in at once");
  for (const { value: session } of view.entries) {
    const key = session.parent?.children[0];
    onSessionWritten(steps, { node: session.parent ?? node, by: session, operator: "=" }, sessionUnder(value, key));
  }
}

const ADDS =
  /^(add|append|push|save|log|record|store)_?(chat|user|human|ai|assistant|bot|system|tool)?_?(message|messages|turn|exchange|msg)s?$/i;

export function addsMessages(name: string): boolean {
  return ADDS.test(name);
}

/** A method of a session, or of its context: of a record, of a list that it is, of an object of a class. */
export function onRecord(steps: Steps, call: MethodCall, value: Value): void {
  const { node, name, args } = call;
  const field = args[0] ? literalText(args[0]) : null;
  const isContext = value.kind === "context";
  switch (name) {
    case "get":
    case "setdefault":
      if (field !== null) {
        const inner = isContext ? { ...value, field, steps: value.steps + 1 } : fieldOf(value, field);
        return steps.follow(node, { ...inner, hasDefault: args.length > 1 || value.hasDefault });
      }
      return isContext || !args[0] ? used(steps, node, value) : onSecondKey(steps, node, value, args[0]);
    case "update":
    case "assign":
    case "set":
      if (!isContext && name === "update") {
        return onSessionMerged(steps, { node, by: args, named: call.named }, value);
      }
      if (!isContext && name === "set" && field !== null && args[1]) {
        const part = fieldOf(value, field);
        if (part.kind === "messages") return onMessagesWritten(steps, { node, by: args[1], operator: "=" }, part);
      }
      return record(steps, value, "context-write", node, value.field === null ? changesOf(call, field) : {});
    case "keys":
    case "items":
    case "copy":
    case "toJSON":
    case "to_dict":
    case "dict":
    case "model_dump":
      return used(steps, node, { ...value, steps: value.steps + 1 });
    default:
  }
  if (isContext) return onContext(steps, call, value);
  if (name === "pop" && field !== null) {
    const popped = fieldOf(value, field);
    if (popped.kind === "messages") return record(steps, popped, "clear", node, { messages: true });
    return record(steps, popped, "context-write", node, { value: JSON.stringify(field), change: "remove" });
  }
  if (LIST_METHODS.has(name)) return onMessages(steps, call, value);
  if (addsMessages(name)) {
    value.dictionary.evidence.messagesAdded += 1;
    return record(steps, value, "append", node, { items: messagesOf(name, args), messages: true });
  }
  if (/^(get|load|list|to)_?(chat_?)?(messages|history|memory_variables)/i.test(name)) {
    value.dictionary.evidence.messageFields += 1;
    return record(steps, value, "read", node, { messages: true });
  }
  if (/^(sendMessage|send_message|sendMessageStream|send_message_stream|predict|invoke|ask)/.test(name)) {
    value.dictionary.evidence.messagesAdded += 1;
    return unclassified(
      steps,
      value,
      node,
      `${name}() keeps the messages inside the object: read them from the store, and save both sides`,
    );
  }
  unclassified(steps, value, node, `${name}() is a method of the session's own class`);
}

const APPENDS = new Set(["append", "push", "extend", "appendright", "add"]);
const TRIMS = new Set(["shift", "popleft"]);
const CHANGES = new Set("insert unshift appendleft extendleft rotate remove reverse sort fill copyWithin".split(" "));
const READS =
  "slice at map filter find some every join concat forEach reduce includes indexOf findIndex findLast flatMap count index " +
  "entries values toReversed copy";
const LIST_METHODS = new Set([...APPENDS, ...TRIMS, ...CHANGES, "pop", "splice", "clear", ...READS.split(" ")]);

/** A method of the list of messages. */
export function onMessages(steps: Steps, call: MethodCall, value: Value): void {
  const { node, name, args } = call;
  if (APPENDS.has(name) || addsMessages(name)) {
    const items = name === "extend" && args[0] ? itemsOf(args[0]) : messagesOf(name, args);
    note(value, items);
    return record(steps, value, "append", node, { items, messages: true });
  }
  if (name === "splice" && isAll(node, args)) return record(steps, value, "clear", node, { messages: true });
  if (TRIMS.has(name) || isTrimming(name, args)) return record(steps, value, "trim", node);
  switch (name) {
    case "clear":
      return record(steps, value, "clear", node, { messages: true });
    case "slice":
      return onSliceCall(steps, node, args, value);
    case "at":
      if (args[0] && textOf(args[0]) === "-1")
        return record(steps, value, "last-n", node, { limit: "1", messages: true });
      return record(steps, value, "read", node, { messages: true });
    default:
  }
  if (CHANGES.has(name) || name === "pop" || name === "splice") {
    return unclassified(steps, value, node, `${name}() changes messages that are stored`);
  }
  record(steps, value, "read", node, { messages: true });
}

/** `splice(0)`, `splice(0, history.length)` */
function isAll(call: Node, [from, count, ...others]: readonly Node[]): boolean {
  const list = textOf(call).slice(0, textOf(call).lastIndexOf(".splice("));
  const isToEnd = count === undefined || textOf(count) === `${list}.length`;
  return from !== undefined && textOf(from) === "0" && isToEnd && others.length === 0;
}

/** `pop(0)`, `splice(0, n)`: the oldest go. */
function isTrimming(name: string, args: readonly Node[]): boolean {
  return (name === "pop" || name === "splice") && args[0] !== undefined && textOf(args[0]) === "0" && args.length < 3;
}

function onSliceCall(steps: Steps, node: Node, [from, to]: readonly Node[], value: Value): void {
  const bound = from ? textOf(from) : "";
  const isLast = bound.startsWith("-") && !to;
  record(steps, value, isLast ? "last-n" : "read", node, {
    messages: true,
    ...(isLast ? { limit: bound.slice(1).trim() } : {}),
  });
}

/** `add_user_message(text)`, `addMessage("user", text)`, `push({ role, content })` as messages. */
function messagesOf(name: string, args: readonly Node[]): string[] {
  const [first, second] = args.map(textOf);
  const role = /user|human/i.test(name)
    ? "user"
    : /ai|assistant|bot/i.test(name)
      ? "assistant"
      : /system/i.test(name)
        ? "system"
        : null;
  if (role !== null && first !== undefined && args.length === 1) return [`{"role": "${role}", "content": ${first}}`];
  if (ADDS.test(name) && second !== undefined && args.length === 2) return [`{"role": ${first}, "content": ${second}}`];
  return args.map(asMessage);
}

/** A pair, or an object of LangChain's, as the message that it stands for. */
function asMessage(item: Node): string {
  const view = viewOf(item);
  const first = view.is === "list" && view.items[0] ? textOf(view.items[0]) : "";
  if (view.is === "list" && view.items.length === 2 && /^["'](user|human|assistant|ai|bot|system)["']$/i.test(first)) {
    const [role, content] = view.items.map(textOf);
    return `{"role": ${role}, "content": ${content}}`;
  }
  const role = view.is === "call" ? ROLES[textOf(view.callee)] : undefined;
  const content = view.is === "call" ? (view.named.get("content") ?? view.args[0]) : undefined;
  return role && content ? `{"role": "${role}", "content": ${textOf(content)}}` : textOf(item);
}

const ROLES: Readonly<Record<string, string>> = {
  HumanMessage: "user",
  AIMessage: "assistant",
  SystemMessage: "system",
};
