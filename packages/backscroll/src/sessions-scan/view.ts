import { ecmascriptView } from "./view-ecmascript.ts";
import { pythonView } from "./view-python.ts";
import { type Node, textOf } from "./tree.ts";

export interface Entry {
  /** null when it is computed */
  readonly key: string | null;
  readonly value: Node;
}

export interface Parameter {
  readonly name: Node;
  readonly annotation: Node | null;
}

/** What a node means, whichever of the languages it is written in. */
export type View =
  | { readonly is: "name"; readonly name: string }
  | { readonly is: "attribute"; readonly object: Node; readonly name: string }
  | { readonly is: "index"; readonly object: Node; readonly key: Node }
  | { readonly is: "slice"; readonly object: Node; readonly from: Node | null; readonly to: Node | null }
  | {
      readonly is: "call";
      readonly callee: Node;
      readonly args: readonly Node[];
      readonly named: ReadonlyMap<string, Node>;
      readonly isNew: boolean;
    }
  /** Declares, too: `const a = b`, `a: T = b`. The operator is `=` or another one that ends in it. */
  | {
      readonly is: "assign";
      readonly target: Node;
      readonly annotation: Node | null;
      readonly value: Node | null;
      readonly operator: string;
    }
  | { readonly is: "delete"; readonly targets: readonly Node[] }
  | { readonly is: "membership"; readonly item: Node; readonly container: Node }
  | { readonly is: "compare"; readonly parts: readonly Node[] }
  | { readonly is: "loop"; readonly target: Node; readonly iterable: Node }
  | { readonly is: "return"; readonly value: Node | null }
  /** Means what is in it: parentheses, `await`, `as T`, `!`. */
  | { readonly is: "wrapper"; readonly inner: Node }
  /** `a or b`, `a ?? b`: one of them. With `and`, the left one is only asked. */
  | { readonly is: "either"; readonly left: Node; readonly right: Node; readonly operator: "or" | "and" }
  | { readonly is: "conditional"; readonly condition: Node; readonly yes: Node; readonly no: Node }
  /** Only asks whether it is true: `if`, `while`, `not`. */
  | { readonly is: "test"; readonly condition: Node }
  | { readonly is: "dictionary"; readonly entries: readonly Entry[]; readonly spreads: readonly Node[] }
  | { readonly is: "list"; readonly items: readonly Node[] }
  | { readonly is: "concatenation"; readonly left: Node; readonly right: Node }
  | { readonly is: "text"; readonly value: string }
  | { readonly is: "number"; readonly value: number }
  | { readonly is: "spread"; readonly inner: Node }
  | {
      readonly is: "function";
      readonly name: Node | null;
      readonly parameters: readonly Parameter[];
      readonly body: Node;
      readonly isAsync: boolean;
      /** `x => x.y`: the body is what it returns. */
      readonly isExpression: boolean;
    }
  | { readonly is: "class"; readonly name: Node | null; readonly bases: readonly Node[]; readonly body: Node }
  | { readonly is: "statement"; readonly inner: Node }
  | { readonly is: "other" };

export function viewOf(node: Node): View {
  node.view ??= node.file.language === "python" ? pythonView(node) : ecmascriptView(node);
  return node.view;
}

/** Without parentheses, casts and the like. */
export function bare(node: Node): Node {
  const view = viewOf(node);
  return view.is === "wrapper" ? bare(view.inner) : node;
}

/** The string that a literal key is, or null. */
export function literalText(node: Node): string | null {
  const view = viewOf(bare(node));
  return view.is === "text" ? view.value : null;
}

export function isEmptyLiteral(node: Node): boolean {
  const view = viewOf(bare(node));
  if (view.is === "list") return view.items.length === 0;
  if (view.is === "dictionary") return view.entries.length === 0 && view.spreads.length === 0;
  return /^(list|dict|deque|new Map|new Array)\s*(<.*>)?\(\s*\)$/s.test(textOf(bare(node)));
}

/** The last name of a callee or type: `Session` of `models.Session`. */
export function lastName(node: Node): string {
  const view = viewOf(bare(node));
  if (view.is === "name" || view.is === "attribute") return view.name;
  return /[A-Za-z_$][\w$]*$/.exec(textOf(node))?.[0] ?? "";
}

/** The node around, past what only holds arguments together. */
export function outer(node: Node): Node | null {
  let up = node.parent;
  while (up && /^(arguments|argument_list|keyword_argument)$/.test(up.kind)) up = up.parent;
  return up;
}

export function isFunction(node: Node): boolean {
  return viewOf(node).is === "function";
}
