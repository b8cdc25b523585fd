import type { UseDetails } from "./dictionary.ts";
import type { Value } from "./meaning.ts";
import { concatenated, itemPart, operands, type Part } from "./list-parts.ts";
import type { Steps } from "./record.ts";
import { targets } from "./scopes.ts";
import { ancestor, descendants, type Node, textOf } from "./tree.ts";
import { isContextField, isMessagesField } from "./vocabulary.ts";
import { bare, isEmptyLiteral, isFunction, lastName, type View, viewOf } from "./view.ts";

/** What a value that is put into the dictionary was made of. */
export interface Origin {
  /** Some of it was in the dictionary before. */
  isOwn: boolean;
  /** What it is when it was not there before: a literal, a call. */
  fresh: Node | null;
  /** What is in it where there was no session, when that is something. */
  begins: Node | null;
  /** The oldest messages are left out. */
  isCut: boolean;
  isEmptied: boolean;
  /** Messages that the dictionary's own had not: where, and their source. */
  readonly grown: Grown[];
  /** Variables that hold a copy: what is done to them is done to the session. */
  readonly copies: Node[];
  /** Changes of what the session has beside its messages. */
  readonly context: { readonly node: Node; readonly details: UseDetails }[];
  /** Why it cannot be told what is new in it. */
  unknown: string | null;
}

interface Grown {
  readonly node: Node;
  readonly items: readonly string[];
  /** They are in a field of the session. */
  readonly isField: boolean;
}

/** Where an expression is, for the report, and what it is looked at as. */
interface At {
  readonly node: Node;
  readonly isField: boolean;
  readonly isVariable: boolean;
}

/** These give what they are given. */
const COPIES =
  /^(list|tuple|deque|dict|OrderedDict|copy|deepcopy|structuredClone|cloneDeep|Array\.from|Object\.freeze|JSON\.(parse|stringify)|json\.(loads|dumps)|(copy|collections|_)\.(copy|deepcopy|deque|cloneDeep))$/;
const CUTS = /^(trim|truncate|prune)/;

/**
 * Looks back from what is put in, through variables, to what of it was in the dictionary: `next = [...prev, m]`,
 * `h = list(H[id]); h.append(m)`, `{ ...session, messages: next }`. What does not show what is new in it is `unknown`, never
 * taken for the dictionary's own.
 */
export function originOf(steps: Steps, by: Node, write: Node, value: Value): Origin {
  const { reached } = value.dictionary;
  /** What a variable was set to; while it is looked at, nothing: `h = h + [m]`. */
  const found = new Map<Node, Origin>();
  const at = { node: write, isField: value.kind === "messages", isVariable: false };
  return look(by, at);

  function look(expression: Node, at: At): Origin {
    const node = bare(expression);
    const view = viewOf(node);
    if (view.is === "name") return variable(node, at);
    if (view.is === "either" || view.is === "conditional") {
      const [left, right] = view.is === "either" ? [view.left, view.right] : [view.yes, view.no];
      return oneOf(look(left, at), look(right, at), at);
    }
    if (isReached(node)) {
      const other = filledDefault(view);
      return { ...nothing(), isOwn: true, ...(at.isVariable ? { begins: other } : { fresh: other }) };
    }
    switch (view.is) {
      case "slice":
        return cut(look(view.object, at), { isWhole: !view.from && !view.to, hasEnd: view.to !== null });
      case "list":
        return joined(node, view.items.map(itemPart), at);
      case "concatenation":
        return joined(node, operands(node), at);
      case "dictionary":
        return record(view.spreads, view.entries, { node, at });
      case "call":
        return call(node, view, at);
      case "assign":
        return view.value ? look(view.value, at) : { ...nothing(), fresh: node };
      default:
        return opaque(node);
    }
  }

  function isReached(node: Node): boolean {
    return /^(session|messages|message)$/.test(reached.get(node)?.kind ?? "");
  }

  function opaque(node: Node): Origin {
    const isOwn = [...descendants(node)].some(isReached);
    if (!isOwn) return { ...nothing(), fresh: node };
    return { ...nothing(), isOwn, unknown: `what ${oneLine(node)} changes is not seen: save what is new in it` };
  }

  function variable(name: Node, at: At): Origin {
    const values = steps.valuesOf(name).filter((set) => operatorOf(set) !== "+=");
    const origin = nothing();
    if (isParameter(name, values)) {
      origin.isOwn = isReached(name);
      origin.fresh = origin.isOwn ? null : name;
      origin.unknown = `${textOf(name)} is given to the function: save what is new in it`;
    } else if (values.length === 0) {
      if (isReached(name)) origin.isOwn = true;
      else origin.fresh = name;
    }
    for (const set of values) {
      if (!found.has(set)) {
        found.set(set, nothing());
        found.set(set, look(set, { ...at, node: set, isVariable: true }));
      }
      merge(origin, found.get(set)!);
    }
    if (origin.isOwn) origin.copies.push(name);
    return origin;
  }

  /** `H.get(id, [SYSTEM])` */
  function filledDefault(view: View): Node | null {
    const other = view.is === "call" && lastName(view.callee) === "get" ? view.args[1] : undefined;
    return other && !isBare(other) ? other : null;
  }

  /** A new session has no messages to begin with. */
  function isBare(value: Node): boolean {
    const view = viewOf(bare(value));
    if (view.is === "name")
      return steps.valuesOf(bare(value)).every((set) => viewOf(bare(set)).is !== "name" && isBare(set));
    if (view.is === "list") return view.items.length === 0;
    if (view.is !== "dictionary") return true;
    return !view.entries.some(
      ({ key, value }) => key !== null && (isMessagesField(key) || isContextField(key)) && !isEmptyLiteral(value),
    );
  }

  /** A default that a variable got is no new session, as long as nothing is in it. */
  function oneOf(left: Origin, right: Origin, at: At): Origin {
    const origin = nothing();
    merge(origin, left);
    merge(origin, right);
    const { fresh } = origin;
    if (!fresh || !origin.isOwn) return origin;
    const view = viewOf(bare(fresh));
    // `h ? [...h, m] : [m]`: the append begins the session.
    const isGrown =
      view.is === "list" && origin.grown.some(({ items }) => items.join(", ") === view.items.map(textOf).join(", "));
    if (!isGrown && (at.isVariable || origin.grown.length > 0)) origin.begins ??= isBare(fresh) ? null : fresh;
    if (isGrown || at.isVariable || origin.grown.length > 0) origin.fresh = null;
    return origin;
  }

  function joined(node: Node, parts: readonly Part[], at: At): Origin {
    const origin = nothing();
    const before: string[] = [];
    const after: string[] = [];
    let owns = 0;
    for (const { node: part, isList, text } of parts) {
      const of = isList || isReached(bare(part)) ? look(part, at) : nothing();
      if (!of.isOwn) {
        (owns > 0 ? after : before).push(text);
        continue;
      }
      owns += 1;
      if (after.length > 0) origin.unknown ??= "messages are put between those that are stored";
      merge(origin, { ...of, fresh: null, begins: of.begins ?? (of.fresh && !isBare(of.fresh) ? of.fresh : null) });
    }
    if (owns === 0) return { ...origin, fresh: node };
    if (owns > 1) origin.isCut = true;
    if (before.length > 0) origin.unknown ??= `${before.join(", ")} is put before the messages that are stored`;
    if (after.length > 0) origin.grown.push({ node: at.node, items: after, isField: at.isField });
    return origin;
  }

  function record(
    spreads: readonly Node[],
    entries: Extract<View, { is: "dictionary" }>["entries"],
    { node, at }: { node: Node; at: At },
  ): Origin {
    const origin = nothing();
    for (const inner of spreads) merge(origin, { ...look(inner, at), fresh: null });
    const others = entries.filter(({ key }) => key === null || !isMessagesField(key));
    for (const { key, value: inner } of entries) {
      if (key === null || !isMessagesField(key)) continue;
      const of = look(inner, { ...at, isField: true });
      if (of.isOwn) merge(origin, { ...of, fresh: null });
      else if (origin.isOwn && isEmptyLiteral(inner)) origin.isEmptied = true;
      else if (origin.isOwn) origin.unknown = "the messages are replaced by others";
    }
    if (!origin.isOwn) return { ...origin, fresh: node };
    const changed = others.filter(
      ({ value: inner }) => !/^(context|field)$/.test(reached.get(bare(inner))?.kind ?? ""),
    );
    if (changed.length > 0)
      origin.context.push({ node: at.isVariable ? node : at.node, details: changeOf(changed, node) });
    return origin;
  }

  function call(node: Node, view: Extract<View, { is: "call" }>, at: At): Origin {
    const callee = viewOf(view.callee);
    const name = textOf(view.callee);
    const [first, second] = view.args;
    if (callee.is === "attribute") {
      const of = (): Origin => look(callee.object, at);
      switch (callee.name) {
        case "concat":
          return joined(node, [...operands(callee.object), ...view.args.flatMap(concatenated)], at);
        case "slice":
          return cut(of(), { isWhole: !first || (textOf(first) === "0" && !second), hasEnd: second !== undefined });
        case "copy":
          if (view.args.length === 0) return of();
          break;
        case "assign":
          if (name === "Object.assign") return assigned(view.args, node, at);
          break;
        default:
      }
    }
    if (COPIES.test(name) && first && !view.isNew) {
      if (view.named.size === 0 || name.endsWith("deque")) return look(first, at);
      const entries = [...view.named].map(([key, inner]) => ({ key, value: inner }));
      return record([first], entries, { node, at });
    }
    if (CUTS.test(lastName(view.callee)) && first) return cut(look(first, at), { isWhole: false, hasEnd: false });
    return opaque(node);
  }

  /** `Object.assign({}, session, { messages: next })` */
  function assigned(args: readonly Node[], node: Node, at: At): Origin {
    const literals = args.map((arg) => viewOf(bare(arg)));
    const spreads = args.filter((_, i) => literals[i]!.is !== "dictionary");
    const entries = literals.flatMap((view) => (view.is === "dictionary" ? view.entries : []));
    return record(spreads, entries, { node, at });
  }
}

function nothing(): Origin {
  return {
    isOwn: false,
    fresh: null,
    begins: null,
    isCut: false,
    isEmptied: false,
    grown: [],
    copies: [],
    context: [],
    unknown: null,
  };
}

function merge(into: Origin, other: Origin): void {
  into.isOwn ||= other.isOwn;
  into.fresh ??= other.fresh;
  into.begins ??= other.begins;
  into.isCut ||= other.isCut;
  into.isEmptied ||= other.isEmptied;
  into.unknown ??= other.unknown;
  into.grown.push(...other.grown);
  into.copies.push(...other.copies);
  into.context.push(...other.context);
}

/** What is kept has to be the end: without the newest messages, something is taken back. */
function cut(origin: Origin, { isWhole, hasEnd }: { isWhole: boolean; hasEnd: boolean }): Origin {
  if (isWhole || !origin.isOwn) return origin;
  if (hasEnd) origin.unknown ??= "the newest messages are left out";
  return { ...origin, isCut: true };
}

/** A new context, or changes of it. */
export function changeOf(changed: Extract<View, { is: "dictionary" }>["entries"], node: Node): UseDetails {
  const [only] = changed;
  if (changed.length === 1 && only?.key && isContextField(only.key)) return { value: textOf(only.value) };
  if (changed.some(({ key }) => key === null || isContextField(key))) return {};
  const isPython = node.file.language === "python";
  const pairs = changed.map(({ key, value }) => `${isPython ? JSON.stringify(key) : key}: ${textOf(value)}`);
  return { value: isPython ? `{${pairs.join(", ")}}` : `{ ${pairs.join(", ")} }`, change: "merge" };
}

function operatorOf(value: Node): string | null {
  const view = value.parent && viewOf(value.parent);
  return view?.is === "assign" ? view.operator : null;
}

/** No assignment declares it, a function's head does. */
function isParameter(name: Node, values: readonly Node[]): boolean {
  if (values.some(({ parent }) => parent?.kind === "variable_declarator")) return false;
  const isLocal = values.length > 0 && name.file.language === "python";
  for (let around = ancestor(name, isFunction); around; around = isLocal ? null : ancestor(around, isFunction)) {
    const view = viewOf(around);
    const names = view.is === "function" ? view.parameters.flatMap((parameter) => targets(parameter.name)) : [];
    if (names.some((other) => textOf(other) === textOf(name))) return true;
  }
  return false;
}

export function oneLine(node: Node): string {
  const text = textOf(node).replaceAll(/\s+/g, " ");
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
