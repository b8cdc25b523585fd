import type { FoundUse, UseDetails } from "./dictionary.ts";
import { enclosing } from "./surroundings.ts";
import { ancestor, type Node, textOf } from "./tree.ts";
import { isContextField, isMessagesField } from "./vocabulary.ts";
import { bare, isEmptyLiteral, isFunction, literalText, viewOf } from "./view.ts";

/**
 * The expression that a use is, around the part that the store gives: of `sessions.get(id)?.messages.length`, that is
 * `sessions.get(id)?.messages`, and `.length` comes after.
 */
export interface Expression {
  readonly before: string;
  readonly part: string;
  readonly after: string;
  /** what comes after the use itself: ` ?? []` of `messages.slice(-2) ?? []` */
  readonly rest: string;
  /** one message, and no list of some: `messages[-1]`, `.at(-1)` */
  readonly isOne: boolean;
  /** `id not in sessions` */
  readonly isNegated: boolean;
  /** what variables it is taken apart into: `{ messages, context }` */
  readonly pattern: string | null;
}

/** How a session begins. */
export interface Beginning {
  /** only where there is none: `??=`, `setdefault`, `a = a or {}` */
  readonly isConditional: boolean;
  /** in an `if` or the like, which asks */
  readonly isGuarded: boolean;
  readonly items: readonly string[];
  /** null: an empty context, or none */
  readonly context: string | null;
}

/** @param holdsLists the dictionary's values are the lists of messages themselves */
export function expressionOf({ node, details }: FoundUse, dictionary: string, holdsLists: boolean): Expression {
  const { variable } = enclosing(node);
  const { file } = node;
  const whole = variable === null ? node : valueAround(node);
  const part = partOf(node, { details, dictionary, holdsLists });
  const view = viewOf(node);
  const target = node.parent?.kind === "variable_declarator" ? node.parent.children[0] : undefined;
  return {
    before: file.text.slice(whole.start, part.start),
    part: textOf(part),
    // What is not null for the compiler is not asked for.
    after: file.text.slice(part.end, whole.end).replace(/^!(?!=)/, ""),
    rest: file.text.slice(node.end, whole.end),
    isOne: view.is === "index" || (view.is === "call" && textOf(view.callee).endsWith(".at")),
    isNegated: view.is === "membership" && /^\s*not\s/.test(file.text.slice(view.item.end, view.container.start)),
    pattern: target?.kind === "object_pattern" ? textOf(target) : null,
  };
}

export function beginningOf({ node, details }: FoundUse): Beginning {
  const view = viewOf(node);
  const isGuarded = isInCondition(node);
  if (view.is === "call" && textOf(view.callee).endsWith(".setdefault")) {
    return { isConditional: true, isGuarded, ...contentOf(view.args[1]) };
  }
  const value = view.is === "assign" && view.value ? bare(view.value) : null;
  const either = value && viewOf(value);
  if (either?.is === "either") return { isConditional: true, isGuarded, ...contentOf(either.right) };
  if (view.is === "assign" && /^(\?\?|\|\|)=$/.test(view.operator)) {
    return { isConditional: true, isGuarded, ...contentOf(value ?? undefined) };
  }
  return { isConditional: false, isGuarded, items: details.items ?? [], context: details.value ?? null };
}

/** The messages and the context of a new session. */
function contentOf(node: Node | undefined): Pick<Beginning, "items" | "context"> {
  const view = node && viewOf(bare(node));
  if (view?.is === "list") return { items: view.items.map(textOf), context: null };
  if (view?.is !== "dictionary") return { items: [], context: null };
  const filled = view.entries.filter((entry) => !isEmptyLiteral(entry.value));
  const messages = filled.find(({ key }) => key !== null && isMessagesField(key));
  const list = messages && viewOf(bare(messages.value));
  const context = filled.find(({ key }) => key !== null && isContextField(key));
  return {
    items: list?.is === "list" ? list.items.map(textOf) : [],
    context: context ? textOf(context.value) : null,
  };
}

/** All that a variable is set to. */
function valueAround(node: Node): Node {
  let whole = node;
  while (whole.parent && viewOf(whole.parent).is !== "assign") whole = whole.parent;
  return whole;
}

interface Known {
  readonly details: UseDetails;
  readonly dictionary: string;
  readonly holdsLists: boolean;
}

/** The messages, the context, or else the session. */
function partOf(node: Node, { details, dictionary, holdsLists }: Known): Node {
  const links = linksOf(node);
  const isMessages = details.messages === true;
  const isField = isMessages ? isMessagesField : isContextField;
  const named = links.findLast((link) => {
    const name = nameOf(link);
    return name !== null && name !== dictionary && isField(name);
  });
  if (named) return named;
  const { field } = details;
  const inField = field == null || isMessages ? undefined : links.findLast((link) => nameOf(link) === field);
  if (inField) return objectOf(inField) ?? inField;
  const session = links.findLast((link) => isSessionUnder(link, details.key));
  if (session && (holdsLists || !isMessages)) return session;
  if (!isMessages) return details.isAlias === true && links.length > 1 ? links.at(-1)! : node;
  return links.find((link) => !isOfList(link)) ?? node;
}

/** A chain from its end to its beginning: `a.b.c()`, `a.b`, `a`. */
function linksOf(node: Node): Node[] {
  const links: Node[] = [];
  for (let link: Node | null = node; link; link = objectOf(link)) {
    const view = viewOf(link);
    if (view.is === "membership") link = view.container;
    if (view.is !== "wrapper" && view.is !== "either") links.push(link);
  }
  return links;
}

function objectOf(node: Node): Node | null {
  const view = viewOf(node);
  switch (view.is) {
    case "attribute":
    case "index":
    case "slice":
      return view.object;
    case "wrapper":
      return view.inner;
    case "either":
      return view.left;
    case "call": {
      const callee = viewOf(view.callee);
      return callee.is === "attribute" ? callee.object : null;
    }
    default:
      return null;
  }
}

/** The field that it is of what is before it: `.city`, `["city"]`, `.get("city", …)`. */
function nameOf(node: Node): string | null {
  const view = viewOf(node);
  if (view.is === "attribute") return view.name;
  if (view.is === "index") return literalText(view.key);
  if (view.is !== "call" || !/\.(get|setdefault|pop)$/.test(textOf(view.callee)) || !view.args[0]) return null;
  return literalText(view.args[0]);
}

function isSessionUnder(node: Node, key: string | null | undefined): boolean {
  const view = viewOf(node);
  const by = view.is === "index" ? view.key : view.is === "call" ? view.args[0] : undefined;
  if (!by || key == null || textOf(bare(by)) !== key) return false;
  return view.is === "index" || (view.is === "call" && /\.(get|peek|setdefault)$/.test(textOf(view.callee)));
}

const LIST_METHOD =
  /\.(slice|at|map|filter|find\w*|some|every|join|concat|forEach|reduce|includes|indexOf|flatMap|count|index|entries|values|toReversed|copy)$/;

function isOfList(node: Node): boolean {
  const view = viewOf(node);
  if (view.is === "attribute") return view.name === "length";
  return view.is === "index" || view.is === "slice" || (view.is === "call" && LIST_METHOD.test(textOf(view.callee)));
}

function isInCondition(node: Node): boolean {
  const found = ancestor(node, (up) => isFunction(up) || CONDITION.test(up.kind));
  return found !== null && !isFunction(found);
}

const CONDITION = /^(if_statement|else_clause|ternary_expression|conditional_expression|except_clause|catch_clause)$/;
