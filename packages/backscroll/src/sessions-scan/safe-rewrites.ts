import { ROLE_WORDS } from "./message-roles.ts";
import { messagesArgument } from "./replacement-typescript.ts";
import type { Use } from "./scan.ts";
import { type Node, textOf } from "./tree.ts";
import { bare, isEmptyLiteral, type View, viewOf } from "./view.ts";

/** In UTF-16 code units of the text as it was. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

interface Surroundings {
  /** what the use is */
  readonly node: Node;
  /** what the store is called in this file */
  readonly store: string;
  /** all uses of the tree: a variable that is changed later is not safe */
  readonly uses: readonly Use[];
}

/**
 * The edit for a use whose meaning is certain, or null. Certain is what reaches the session by its id in one expression, in a
 * function that is `async` already, and leaves no reference to the dictionary's own list behind.
 */
export function safeRewrite(use: Use, at: Surroundings): Edit | null {
  const edit = rewrite(use, at);
  return edit && !coversOthers(edit, use, at.uses) && !continuesStatement(edit, at.node) ? edit : null;
}

function rewrite(use: Use, { node, store, uses }: Surroundings): Edit | null {
  const { details, place, pattern } = use;
  if (details.key == null || details.isAlias === true || !place.mayAwait || hasNumbers(use, uses)) return null;
  const statement = statementOf(node);
  switch (pattern) {
    case "append":
      return isWholeStatement(node, statement) && appendsLiterals(node)
        ? statementBy(statement!, `await ${store}.append(${details.key}, ${messagesArgument(details.items)})`)
        : null;
    case "delete":
      return isWholeStatement(node, statement) && details.all !== true
        ? statementBy(statement!, `await ${store}.clear(${details.key})`)
        : null;
    case "check":
      return guard(use, node, store) ?? membership(node, details.key, store);
    case "read":
    case "last-n":
      return isFreeOfAliases(use, node, uses) ? read(use, node, store) : null;
    default:
      return null;
  }
}

/** Its ids are numbers, and the store's are texts. */
function hasNumbers({ declaredAt }: Use, uses: readonly Use[]): boolean {
  const made = uses.find((use) => use.declaredAt === declaredAt && use.pattern === "declare");
  return made !== undefined && /\b(Map|Record)<\s*number\b|\[\s*\w+\s*:\s*number\s*\]/.test(made.code);
}

function statementOf(node: Node): Node | null {
  return node.parent?.kind === "expression_statement" ? node.parent : null;
}

function isWholeStatement(node: Node, statement: Node | null): boolean {
  // A statement without braces, `if (x) a.delete(k);`, is replaced by one statement as well.
  return statement !== null && statement.children.length === 1 && node.parent === statement;
}

function replaced({ start, end }: Node, text: string): Edit {
  return { start, end, text };
}

/** With a semicolon where it had one. */
function statementBy(statement: Node, text: string): Edit {
  return replaced(statement, textOf(statement).endsWith(";") ? `${text};` : text);
}

/** What stands inside, as `push({ content: await ask(sessions.get(id).messages) })`, would go unseen to where it is copied. */
function coversOthers(edit: Edit, use: Use, uses: readonly Use[]): boolean {
  return uses.some((other) => {
    if (other === use || other.file !== use.file) return false;
    const isPart = use.pattern === "check" && other.pattern === "create" && other.details.key === use.details.key;
    return edit.start < other.place.end && other.place.start < edit.end && !isPart;
  });
}

/** A line that begins with `(` goes on with the one before, unless that has a semicolon. */
function continuesStatement({ start, text }: Edit, node: Node): boolean {
  if (!text.startsWith("(")) return false;
  let first = node;
  while (first.parent && first.parent.start === start && first.parent.kind !== "program") first = first.parent;
  const beginsStatement = first.kind === "expression_statement" || first.parent?.kind === "program";
  return beginsStatement && !/(^|[;{])\s*$/.test(node.file.text.slice(0, start));
}

/** `….push({ role, content })`: what a message has besides may be no JSON, and a `Date` would come back as text. */
function appendsLiterals(node: Node): boolean {
  const view = viewOf(node);
  if (view.is !== "call" || view.args.length === 0) return false;
  const callee = viewOf(view.callee);
  if (callee.is !== "attribute" || callee.name !== "push" || isConditional(callee.object)) return false;
  return view.args.every((argument) => {
    const item = viewOf(argument);
    if (item.is !== "dictionary" || item.spreads.length > 0 || item.entries.length !== 2) return false;
    return item.entries.every(({ key, value }) => {
      if (key === "role") return hasKnownRole(value);
      return key === "content" && value.kind !== "method_definition";
    });
  });
}

/** The store refuses a word that it does not know; what a variable holds is not known here. */
function hasKnownRole(value: Node): boolean {
  const view = viewOf(bare(value));
  if (view.is === "conditional") return hasKnownRole(view.yes) && hasKnownRole(view.no);
  return view.is === "text" && ROLE_WORDS.has(view.value);
}

/** `sessions.get(id)?.messages.push(…)` does nothing where there is no session; the store would begin one. */
function isConditional(node: Node): boolean {
  return textOf(node).includes("?.");
}

/** `if (!sessions.has(id)) sessions.set(id, { messages: [], context: {} });` */
function guard(use: Use, node: Node, store: string): Edit | null {
  const not = node.parent && viewOf(node.parent).is === "wrapper" ? node.parent.parent : node.parent;
  const test = not && viewOf(not).is === "test" && not.kind === "unary_expression" ? not.parent : null;
  const statement = test?.kind === "parenthesized_expression" ? test.parent : null;
  if (statement?.kind !== "if_statement" || statement.children.length !== 2) return null;
  // A comment in it would be lost.
  if (/\/[/*]/.test(textOf(statement))) return null;
  const only = onlyStatement(statement.children[1]!);
  const made = only && createdValue(only, use);
  return made && isEmptySession(made) ? replaced(statement, `await ${store}.create(${use.details.key});`) : null;
}

function onlyStatement(body: Node): Node | null {
  const node = body.kind === "statement_block" ? body.children[0] : body;
  if (!node || (body.kind === "statement_block" && body.children.length !== 1)) return null;
  const view = viewOf(node);
  return view.is === "statement" ? view.inner : null;
}

/** The value that is put under the same key. */
function createdValue(node: Node, { details }: Use): Node | null {
  const view = viewOf(node);
  if (view.is === "call" && view.args.length === 2 && textOf(view.callee).endsWith(".set")) {
    return textOf(view.args[0]!) === details.key ? view.args[1]! : null;
  }
  if (view.is !== "assign" || view.operator !== "=" || !view.value) return null;
  const target = viewOf(bare(view.target));
  return target.is === "index" && textOf(target.key) === details.key ? view.value : null;
}

function isEmptySession(value: Node): boolean {
  if (isEmptyLiteral(value)) return true;
  const view = viewOf(bare(value));
  return (
    view.is === "dictionary" && view.spreads.length === 0 && view.entries.every((entry) => isEmptyLiteral(entry.value))
  );
}

/** `sessions.has(id)`, `id in sessions`. */
function membership(node: Node, key: string, store: string): Edit | null {
  const view = viewOf(node);
  const isAsked = view.is === "membership" || (view.is === "call" && textOf(view.callee).endsWith(".has"));
  if (!isAsked || isConditional(node)) return null;
  let whole = node;
  while (whole.parent?.kind === "parenthesized_expression" && whole.parent.parent?.kind === "unary_expression") {
    whole = whole.parent;
  }
  const test = `await ${store}.has(${key})`;
  return replaced(whole, whole.parent?.kind === "parenthesized_expression" ? test : `(${test})`);
}

/** A list in a variable that something is added to later has to stay the dictionary's own. */
function isFreeOfAliases(use: Use, node: Node, uses: readonly Use[]): boolean {
  const sameVariable = uses.some(
    (other) => other.file === use.file && other.dictionary === use.dictionary && other.details.isAlias === true,
  );
  if (!sameVariable) return true;
  return use.pattern === "last-n" || viewOf(node.parent!).is === "call";
}

/** `sessions.get(id)?.messages ?? []`, `sessions.get(id)!.messages.slice(-20)`. */
function read({ details, pattern, holdsLists }: Use, node: Node, store: string): Edit | null {
  const key = details.key!;
  if (pattern === "last-n") {
    const view: View = viewOf(node);
    const isSlice =
      view.is === "call" && textOf(view.callee).endsWith(".slice") && isCount(details.limit ?? "", node.file.text);
    return isSlice
      ? replaced(node, `((await ${store}.get(${key}, { limit: ${details.limit} }))?.messages ?? [])`)
      : null;
  }
  const view = viewOf(node);
  const isList = (details.messages === true || holdsLists) && view.is === "either" && isEmptyLiteral(view.right);
  if (!isList || node.parent?.kind === "parenthesized_expression") return null;
  const isPlain = /^(variable_declarator|return_statement)$/.test(node.parent?.kind ?? "");
  const text = `(await ${store}.get(${key}))?.messages ?? []`;
  return replaced(node, isPlain ? text : `(${text})`);
}

/** `slice(-0)` is all of it, and the store refuses a limit that is none. */
function isCount(limit: string, text: string): boolean {
  if (/^[A-Z][A-Z\d_]*$/.test(limit))
    return new RegExp(`\\bconst ${limit}(: number)? = [1-9][\\d_]*;?$`, "m").test(text);
  return /^[1-9]\d*$/.test(limit);
}
