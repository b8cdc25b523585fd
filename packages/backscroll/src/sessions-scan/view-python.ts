import type { Entry, Parameter, View } from "./view.ts";
import { between, type Node, textOf } from "./tree.ts";

const OTHER: View = { is: "other" };

export function pythonView(node: Node): View {
  const [first, second, third] = node.children;
  switch (node.kind) {
    case "identifier":
      return { is: "name", name: textOf(node) };
    case "attribute":
      return first && second ? { is: "attribute", object: first, name: textOf(second) } : OTHER;
    case "subscript":
      if (!first || !second || node.children.length > 2) return OTHER;
      return second.kind === "slice" ? slice(first, second) : { is: "index", object: first, key: second };
    case "call":
      return first && second ? call(first, second) : OTHER;
    case "assignment":
      return first ? assignment(first, node.children.slice(1)) : OTHER;
    case "augmented_assignment":
    case "named_expression":
      if (!first || !second) return OTHER;
      return { is: "assign", target: first, annotation: null, value: second, operator: between(first, second).trim() };
    case "delete_statement":
      return { is: "delete", targets: first?.kind === "expression_list" ? first.children : node.children };
    case "comparison_operator":
      return comparison(node.children);
    case "for_statement":
    case "for_in_clause":
      return first && second ? { is: "loop", target: first, iterable: second } : OTHER;
    case "return_statement":
    case "yield":
      return { is: "return", value: first ?? null };
    case "parenthesized_expression":
    case "await":
    case "expression_list":
      return first && !second ? { is: "wrapper", inner: first } : OTHER;
    case "boolean_operator":
      if (!first || !second) return OTHER;
      return {
        is: "either",
        left: first,
        right: second,
        operator: between(first, second).includes("or") ? "or" : "and",
      };
    case "conditional_expression":
      return first && second && third ? { is: "conditional", yes: first, condition: second, no: third } : OTHER;
    case "not_operator":
    case "if_statement":
    case "elif_clause":
    case "while_statement":
    case "assert_statement":
    case "if_clause":
      return first ? { is: "test", condition: first } : OTHER;
    case "dictionary":
      return dictionary(node.children);
    case "list":
    case "tuple":
      return { is: "list", items: node.children };
    case "binary_operator":
      return first && second && between(first, second).trim() === "+"
        ? { is: "concatenation", left: first, right: second }
        : OTHER;
    case "string":
      return node.children.some(({ kind }) => kind === "interpolation") ? OTHER : { is: "text", value: content(node) };
    case "integer":
      return { is: "number", value: Number(textOf(node)) };
    case "unary_operator":
      return first?.kind === "integer" ? { is: "number", value: Number(textOf(node)) } : OTHER;
    case "list_splat":
    case "dictionary_splat":
      return first ? { is: "spread", inner: first } : OTHER;
    case "function_definition":
    case "lambda":
      return functionView(node);
    case "class_definition":
      return classView(node);
    case "expression_statement":
      return first && !second ? { is: "statement", inner: first } : OTHER;
    default:
      return OTHER;
  }
}

/** A part that is missing has no node: which one is there, the colons say. */
function slice(object: Node, bounds: Node): View {
  const colon = textOf(bounds).indexOf(":") + bounds.start;
  const [first, second] = bounds.children;
  const from = first && first.start <= colon ? first : null;
  const rest = from ? second : first;
  const isStep = rest ? rest.file.text.slice(colon + 1, rest.start).includes(":") : false;
  return { is: "slice", object, from, to: isStep ? null : (rest ?? null) };
}

function call(callee: Node, list: Node): View {
  const args: Node[] = [];
  const named = new Map<string, Node>();
  for (const argument of list.kind === "argument_list" ? list.children : [list]) {
    const [name, value] = argument.children;
    if (argument.kind === "keyword_argument" && name && value) named.set(textOf(name), value);
    else args.push(argument);
  }
  return { is: "call", callee, args, named, isNew: false };
}

function assignment(target: Node, rest: readonly Node[]): View {
  const annotation = rest.find(({ kind }) => kind === "type") ?? null;
  return { is: "assign", target, annotation, value: rest.find((node) => node !== annotation) ?? null, operator: "=" };
}

function comparison(operands: readonly Node[]): View {
  const [left, right] = operands;
  if (left && right && operands.length === 2 && /^\s*(not\s+)?in\s*$/.test(between(left, right))) {
    return { is: "membership", item: left, container: right };
  }
  return { is: "compare", parts: operands };
}

function dictionary(children: readonly Node[]): View {
  const entries: Entry[] = [];
  const spreads: Node[] = [];
  for (const child of children) {
    const [key, value] = child.children;
    if (child.kind === "pair" && key && value) {
      const view = pythonView(key);
      entries.push({ key: view.is === "text" ? view.value : null, value });
    } else if (child.kind === "dictionary_splat" && key) spreads.push(key);
  }
  return { is: "dictionary", entries, spreads };
}

function content(node: Node): string {
  return node.children
    .filter(({ kind }) => kind === "string_content")
    .map(textOf)
    .join("");
}

function functionView(node: Node): View {
  const name = node.kind === "lambda" ? null : (node.children.find(({ kind }) => kind === "identifier") ?? null);
  const list = node.children.find(({ kind }) => kind === "parameters" || kind === "lambda_parameters");
  const body = node.children.at(-1);
  if (!body) return OTHER;
  return {
    is: "function",
    name,
    parameters: (list?.children ?? []).map(parameter).filter((parameter) => parameter !== null),
    body,
    isAsync: node.file.text.startsWith("async", node.start),
    isExpression: node.kind === "lambda",
  };
}

function parameter(node: Node): Parameter | null {
  const name = node.kind === "identifier" ? node : node.children.find(({ kind }) => kind === "identifier");
  return name ? { name, annotation: node.children.find(({ kind }) => kind === "type") ?? null } : null;
}

function classView(node: Node): View {
  const body = node.children.at(-1);
  if (!body) return OTHER;
  return {
    is: "class",
    name: node.children[0] ?? null,
    bases: node.children.find(({ kind }) => kind === "argument_list")?.children ?? [],
    body,
  };
}
