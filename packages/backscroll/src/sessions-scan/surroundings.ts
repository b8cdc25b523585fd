import { type Node, textOf } from "./tree.ts";
import { isFunction, viewOf } from "./view.ts";

export interface Surroundings {
  readonly statement: Node;
  /** the name that the expression is the value of */
  readonly variable: string | null;
  readonly mayAwait: boolean;
}

const STATEMENT = /_statement$|_declaration$|_definition$|^(assignment|decorated_definition)$/;
const BODIES = new Set([
  "module",
  "program",
  "block",
  "statement_block",
  "class_body",
  "switch_case",
  "switch_default",
]);

/** The statement that a node is in, and whether one may wait there. */
export function enclosing(node: Node): Surroundings {
  let statement = node;
  while (statement.parent && !isStatement(statement)) statement = statement.parent;
  let around: Node | null = node;
  while (around && !isFunction(around)) around = around.parent;
  const view = around && viewOf(around);
  const mayAwait = view?.is === "function" ? view.isAsync && isInBody(node, view.body) : isModule(node);
  return { statement, variable: variableOf(node), mayAwait };
}

function variableOf(node: Node): string | null {
  const view = node.parent && viewOf(node.parent);
  if (view?.is === "wrapper" || view?.is === "either") return variableOf(node.parent!);
  return view?.is === "assign" && view.value === node && viewOf(view.target).is === "name" ? textOf(view.target) : null;
}

function isStatement(node: Node): boolean {
  return (
    node.parent !== null &&
    BODIES.has(node.parent.kind) &&
    (STATEMENT.test(node.kind) || node.parent.kind !== "class_body")
  );
}

function isInBody(node: Node, body: Node): boolean {
  return body.start <= node.start && node.end <= body.end;
}

/** Only what is an ES module for certain waits at its top: what a `.ts` or `.js` becomes, its package decides. */
function isModule({ file }: Node): boolean {
  return /\.m[jt]s$/.test(file.path);
}
