import type { Entry, Parameter, View } from "./view.ts";
import { between, descendants, type Node, textOf } from "./tree.ts";

const OTHER: View = { is: "other" };

export function ecmascriptView(node: Node): View {
  const [first, second, third] = node.children;
  switch (node.kind) {
    case "identifier":
    case "shorthand_property_identifier":
    case "shorthand_property_identifier_pattern":
    case "type_identifier":
      return { is: "name", name: textOf(node) };
    case "this":
      return { is: "name", name: "this" };
    case "member_expression":
      return first && second ? { is: "attribute", object: first, name: textOf(second) } : OTHER;
    case "subscript_expression":
      return first && second ? { is: "index", object: first, key: second } : OTHER;
    case "call_expression":
    case "new_expression":
      return call(node);
    case "assignment_expression":
    case "augmented_assignment_expression":
      if (!first || !second) return OTHER;
      return { is: "assign", target: first, annotation: null, value: second, operator: between(first, second).trim() };
    case "variable_declarator":
    case "public_field_definition":
    case "field_definition":
      return declaration(node);
    case "unary_expression":
      return unary(node);
    case "binary_expression":
      return first && second ? binary(first, second) : OTHER;
    case "for_in_statement":
      if (!first || !second) return OTHER;
      return { is: "loop", target: first, iterable: second };
    case "return_statement":
    case "yield_expression":
      return { is: "return", value: first ?? null };
    case "parenthesized_expression":
    case "await_expression":
    case "as_expression":
    case "satisfies_expression":
    case "non_null_expression":
      return first ? { is: "wrapper", inner: first } : OTHER;
    case "type_assertion":
      return second ? { is: "wrapper", inner: second } : OTHER;
    case "ternary_expression":
      return first && second && third ? { is: "conditional", condition: first, yes: second, no: third } : OTHER;
    case "if_statement":
    case "while_statement":
      return first ? { is: "test", condition: first } : OTHER;
    case "object":
      return object(node.children);
    case "array":
      return { is: "list", items: node.children };
    case "string":
      return { is: "text", value: content(node) };
    case "template_string":
      return node.children.some(({ kind }) => kind === "template_substitution")
        ? OTHER
        : { is: "text", value: content(node) };
    case "number":
      return { is: "number", value: Number(textOf(node)) };
    case "spread_element":
      return first ? { is: "spread", inner: first } : OTHER;
    case "function_declaration":
    case "function_expression":
    case "generator_function_declaration":
    case "generator_function":
    case "arrow_function":
    case "method_definition":
      return functionView(node);
    case "class_declaration":
    case "abstract_class_declaration":
    case "class":
      return classView(node);
    case "expression_statement":
      return first ? { is: "statement", inner: first } : OTHER;
    default:
      return OTHER;
  }
}

function call(node: Node): View {
  const callee = node.children[0];
  const args = node.children.find(({ kind }) => kind === "arguments");
  if (!callee || (!args && node.kind === "call_expression")) return OTHER;
  return { is: "call", callee, args: args?.children ?? [], named: new Map(), isNew: node.kind === "new_expression" };
}

const FIELD_NAMES = new Set(["property_identifier", "private_property_identifier"]);

function declaration(node: Node): View {
  const isField = node.kind !== "variable_declarator";
  const at = isField ? node.children.findIndex(({ kind }) => FIELD_NAMES.has(kind)) : 0;
  const target = node.children[at];
  if (!target) return OTHER;
  const rest = node.children.slice(at + 1);
  const annotation = rest.find(({ kind }) => kind === "type_annotation") ?? null;
  return { is: "assign", target, annotation, value: rest.find((node) => node !== annotation) ?? null, operator: "=" };
}

function unary(node: Node): View {
  const [operand] = node.children;
  if (!operand) return OTHER;
  const operator = node.file.text.slice(node.start, operand.start).trim();
  if (operator === "delete") return { is: "delete", targets: [operand] };
  if (operator === "!") return { is: "test", condition: operand };
  if (operator === "-" && operand.kind === "number") return { is: "number", value: -Number(textOf(operand)) };
  return operator === "void" ? { is: "wrapper", inner: operand } : OTHER;
}

function binary(left: Node, right: Node): View {
  const operator = between(left, right).trim();
  switch (operator) {
    case "||":
    case "??":
      return { is: "either", left, right, operator: "or" };
    case "&&":
      return { is: "either", left, right, operator: "and" };
    case "in":
      return { is: "membership", item: left, container: right };
    case "+":
      return { is: "concatenation", left, right };
    default:
      return /^([=!]==?|[<>]=?|instanceof)$/.test(operator) ? { is: "compare", parts: [left, right] } : OTHER;
  }
}

function object(children: readonly Node[]): View {
  const entries: Entry[] = [];
  const spreads: Node[] = [];
  for (const child of children) {
    const [key, value] = child.children;
    if (child.kind === "pair" && key && value) entries.push({ key: keyText(key), value });
    else if (child.kind === "shorthand_property_identifier") entries.push({ key: textOf(child), value: child });
    else if (child.kind === "spread_element" && key) spreads.push(key);
    else if (child.kind === "method_definition") entries.push({ key: null, value: child });
  }
  return { is: "dictionary", entries, spreads };
}

function keyText(key: Node): string | null {
  if (key.kind === "string") return content(key);
  return key.kind === "computed_property_name" ? null : textOf(key);
}

function content(node: Node): string {
  return textOf(node).slice(1, -1);
}

function functionView(node: Node): View {
  const body = node.children.at(-1);
  if (!body) return OTHER;
  const list = node.children.find(({ kind }) => kind === "formal_parameters");
  const name = node.children[0] && list && node.children[0] !== list ? nameOf(node) : null;
  const single = node.kind === "arrow_function" && !list ? node.children[0] : undefined;
  const head = node.file.text.slice(node.start, (list ?? single ?? body).start);
  return {
    is: "function",
    name,
    parameters: single ? [{ name: single, annotation: null }] : (list?.children ?? []).flatMap(parameter),
    body,
    isAsync: /(^|\s)async(\s|$)/.test(head),
    isExpression: node.kind === "arrow_function" && body.kind !== "statement_block",
  };
}

function nameOf(node: Node): Node | null {
  return node.children.find(({ kind }) => kind === "identifier" || FIELD_NAMES.has(kind)) ?? null;
}

function parameter(node: Node): Parameter[] {
  const annotation = node.children.find(({ kind }) => kind === "type_annotation") ?? null;
  const pattern = node.children.find(({ kind }) => kind !== "accessibility_modifier" && kind !== "decorator") ?? node;
  const target = node.kind === "identifier" || node.kind === "object_pattern" ? node : pattern;
  return [{ name: target, annotation }];
}

function classView(node: Node): View {
  const body = node.children.find(({ kind }) => kind === "class_body");
  if (!body) return OTHER;
  const heritage = node.children.find(({ kind }) => kind === "class_heritage");
  return {
    is: "class",
    name: node.children.find(({ kind }) => kind === "type_identifier" || kind === "identifier") ?? null,
    bases: heritage ? [...descendants(heritage)].filter(({ kind }) => /^(type_)?identifier$/.test(kind)) : [],
    body,
  };
}
