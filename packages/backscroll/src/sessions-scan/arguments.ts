import { mergedFrom } from "./context.ts";
import type { Value } from "./meaning.ts";
import { bindPattern, record, rootIs, sessionUnder, type Steps, unclassified, used } from "./record.ts";
import { type Node, textOf } from "./tree.ts";
import type { Parameter, View } from "./view.ts";
import { holdsLists, onSessionMerged } from "./writes.ts";

const ITERATES =
  /^(len|list|sorted|tuple|set|dict|iter|reversed|enumerate|any|all|max|min|sum|Array\.from|Object\.(keys|values|entries))$/;
/** They look at what they are given, and leave it alone. */
const READS =
  /^(len|str|repr|print|list|dict|bool|type|isinstance|id|hash|sorted|reversed|any|all|sum|max|min|enumerate|jsonify|String|Boolean|Array\.isArray|structuredClone)$|(^|\.)(json|dumps|stringify|log|info|debug|warn|error|send|deepcopy|copy)$/;

/** It is handed to a function. */
export function onArgument(
  steps: Steps,
  call: Node,
  node: Node,
  value: Value,
  { callee, args, named }: Extract<View, { is: "call" }>,
): void {
  const name = textOf(callee);
  if (value.kind === "pairs" || value.kind === "values" || value.kind === "keys") {
    return ITERATES.test(name) ? steps.follow(call, value) : undefined;
  }
  if (value.kind === "dictionary") {
    if (ITERATES.test(name)) {
      record(steps, value, "iterate", call, { all: true });
      const kind = name.endsWith("values") ? "values" : name.endsWith("entries") ? "pairs" : "keys";
      return steps.follow(call, { ...value, kind });
    }
    const at = args.indexOf(node);
    if (/^Object\.hasOwn$|hasOwnProperty\.call$/.test(name) && args[at + 1]) {
      return record(steps, sessionUnder(value, args[at + 1]), "check", call);
    }
  }
  if (value.kind === "session" && name === "Object.assign" && args[0] === node) {
    return onSessionMerged(steps, { node: call, by: args.slice(1), named }, value);
  }
  if (value.kind === "context" && name === "Object.assign" && args[0] === node) {
    return record(steps, value, "context-write", call, mergedFrom(args.slice(1), value));
  }
  const parameter = parameterFor(steps.parametersOf(callee), { node, args, named });
  if (parameter) {
    const key = keyInside(steps, callee, args, value.key);
    if (value.kind === "dictionary") record(steps, value, "alias", call);
    else used(steps, node, value);
    return bindPattern(steps, parameter.name, { ...value, key, isAlias: true, steps: 0, creates: false });
  }
  if (value.kind === "dictionary") {
    return unclassified(steps, value, call, `the whole dictionary is given to ${name}()`);
  }
  const isRead = READS.test(name) || (name === "Object.assign" && args[0] !== node);
  if (value.kind !== "session" || !value.isAlias || value.steps > 0 || isRead) return used(steps, node, value);
  steps.later(() => {
    if (holdsLists(value.dictionary) || rootIs(steps, callee, value.dictionary)) return;
    unclassified(steps, value, call, `the session is given to ${name}(), which may change it`);
  });
}

export function parameterFor(
  parameters: readonly Parameter[] | null,
  { node, args, named }: { node: Node; args: readonly Node[]; named: ReadonlyMap<string, Node> },
): Parameter | null {
  const own = (parameters ?? []).filter(({ name }) => !/^(self|cls)$/.test(textOf(name)));
  const byName = [...named].find(([, argument]) => argument === node)?.[0];
  if (byName !== undefined) return own.find(({ name }) => textOf(name) === byName) ?? null;
  return own[args.indexOf(node)] ?? null;
}

/** The session's id has another name inside the function, when it is handed over beside. */
function keyInside(steps: Steps, callee: Node, args: readonly Node[], key: string | null): string | null {
  const at = args.findIndex((argument) => textOf(argument) === key);
  const parameter = at === -1 ? undefined : steps.parametersOf(callee)?.[at];
  return parameter ? textOf(parameter.name) : null;
}
