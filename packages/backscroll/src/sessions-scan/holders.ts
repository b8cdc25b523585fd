import { parameterFor } from "./arguments.ts";
import { membersOf } from "./candidates.ts";
import { methodOf } from "./definitions.ts";
import type { Dictionary, FoundUse } from "./dictionary.ts";
import { addSite, type Holder, type Meaning } from "./meaning.ts";
import { type Scope, type Scopes, targets } from "./scopes.ts";
import { ancestor, descendants, type Node, textOf } from "./tree.ts";
import { bare, literalText, outer, type View, viewOf } from "./view.ts";

/** What `bindings.ts` does for the holders that are followed here. */
interface Names<File extends { readonly scopes: Scopes }> {
  readonly reached: Dictionary["reached"];
  open(path: string): File | null;
  bind(to: File, scope: Scope, name: string, meaning: Meaning): void;
  addClassMember(to: File, owner: Node, name: string, meaning: Meaning): void;
  assignTo(statement: Node, view: Extract<View, { is: "assign" }>, meaning: Meaning): void;
  returned(node: Node, meaning: Meaning): void;
  functionOf(callee: Node): { view: Extract<View, { is: "function" }>; to: File } | null;
  follow(node: Node, meaning: Meaning): void;
  later(decide: () => void): void;
  use(found: FoundUse): void;
}

/** Follows what has members of interest: a module, a class, an object. */
export function createHolders<File extends { readonly scopes: Scopes }>(
  names: Names<File>,
): (node: Node, holder: Holder, as: "module" | "class" | "instance") => void {
  function followHolder(node: Node, holder: Holder, as: "module" | "class" | "instance"): void {
    const parent = outer(node);
    if (!parent) return;
    const view = viewOf(parent);
    const self: Meaning = { of: "holder", holder, as };
    if (view.is === "wrapper") return followHolder(parent, holder, as);
    if (view.is === "attribute" && view.object === node) {
      addSite(holder, view.name, (_, meaning) => names.follow(parent, meaning));
      const key = view.name === "get" ? calledWith(parent) : null;
      if (key !== null) addSite(holder, key, (_, meaning) => names.follow(outer(parent)!, meaning));
    } else if (view.is === "index" && view.object === node) {
      subscripted(parent, view.key, holder, as);
    } else if (view.is === "membership" && view.container === node) {
      operated(holder, "__contains__", { pattern: "check", start: node, node: parent, key: textOf(view.item) });
    } else if (view.is === "call" && view.callee === node && as === "class") {
      followHolder(parent, holder, "instance");
    } else if (view.is === "assign" && view.value === node) names.assignTo(parent, view, self);
    else if (view.is === "either" && view.operator === "or") followHolder(parent, holder, as);
    else if (as === "class") typed(node, holder);
    else if (view.is === "return") names.returned(parent, self);
    else if (view.is === "assign" && view.target === node && view.value) madeAnew(bare(view.value), holder);
    else if (view.is === "call") given(node, parent, view, self);
  }

  /** `STATE["sessions"]`; `manager[id]`, where the class has `__getitem__`. */
  function subscripted(node: Node, key: Node, holder: Holder, as: "module" | "class" | "instance"): void {
    const name = literalText(key);
    if (name !== null) addSite(holder, name, (_, meaning) => names.follow(node, meaning));
    if (as !== "instance") return;
    addSite(holder, "__getitem__", (_, meaning) => {
      if (meaning.of !== "producer") return;
      const value = { ...meaning.result, key: textOf(key), start: node, isAlias: true, steps: 1, creates: false };
      names.follow(node, value);
    });
    if (!node.parent || viewOf(node.parent).is !== "delete") return;
    operated(holder, "__delitem__", { pattern: "delete", start: node, node: node.parent, key: textOf(key) });
  }

  /** An operator that a method of the class answers from the dictionary. */
  function operated(
    holder: Holder,
    method: string,
    { key, ...at }: Pick<FoundUse, "pattern" | "start" | "node"> & { key: string },
  ): void {
    const owner = typeof holder.of === "string" ? null : viewOf(holder.of);
    const body = owner?.is === "class" ? methodOf(owner.body, method)?.body : undefined;
    if (!body) return;
    names.later(() => {
      if (![...descendants(body)].some((node) => names.reached.has(node))) return;
      names.use({ ...at, reason: null, details: { key, isAlias: true } });
    });
  }

  /** The object that it is in is made once more, with another dictionary. */
  function madeAnew(object: Node, holder: Holder): void {
    for (const { key, value: node } of membersOf(object)) {
      if (key === null) continue;
      addSite(holder, key, (_, meaning) => {
        const isDictionary = meaning.of === "value" && meaning.kind === "dictionary";
        if (isDictionary) names.use({ pattern: "declare", reason: null, start: node, node, details: {} });
      });
    }
  }

  /** What holds it is handed to a function. */
  function given(node: Node, call: Node, view: Extract<View, { is: "call" }>, meaning: Meaning): void {
    if (meaning.of !== "holder" || meaning.as !== "instance") return;
    const called = names.functionOf(view.callee);
    const parameter = called && parameterFor(called.view.parameters, { node, args: view.args, named: view.named });
    if (called && parameter) {
      for (const name of targets(parameter.name))
        names.bind(called.to, called.to.scopes.at(name), textOf(name), meaning);
      return;
    }
    if (typeof meaning.holder.of === "string" || membersOf(meaning.holder.of).length === 0) return;
    const reason = `${textOf(node)}, which it is in, is given to ${textOf(view.callee)}()`;
    names.use({ pattern: "unclassified", reason, start: node, node: call, details: {} });
  }

  /** `manager: SessionManager`, and what inherits from it. */
  function typed(node: Node, holder: Holder): void {
    const annotation = ancestor(node, ({ kind }) => kind === "type" || kind === "type_annotation");
    const heir = ancestor(node, ({ kind }) => kind === "argument_list" || kind === "class_heritage")?.parent;
    const to = names.open(node.file.path);
    if (!to) return;
    if (heir && viewOf(heir).is === "class") {
      addSite(holder, "**", (name, meaning) => names.addClassMember(to, heir, name, meaning));
      return;
    }
    const declared = annotation?.parent;
    if (!declared || /return|generic/.test(declared.kind)) return;
    const found = declared.children.flatMap(targets);
    const instance: Meaning = { of: "holder", holder, as: "instance" };
    for (const name of found.slice(0, 1)) {
      names.bind(to, to.scopes.at(name), textOf(name), instance);
      const isField = declared.children.some(({ kind }) => kind === "accessibility_modifier");
      const owner = isField ? ancestor(declared, (other) => viewOf(other).is === "class") : null;
      if (owner) names.addClassMember(to, owner, textOf(name), instance);
    }
    const field = declared.children.find(({ kind }) => kind.endsWith("property_identifier"));
    const owner = field && ancestor(field, (other) => viewOf(other).is === "class");
    if (field && owner) names.addClassMember(to, owner, textOf(field), instance);
  }

  return followHolder;
}

/** The literal argument of the call that this is the callee of. */
function calledWith(callee: Node): string | null {
  const view = callee.parent && viewOf(callee.parent);
  const first = view?.is === "call" && view.callee === callee ? view.args[0] : undefined;
  return first ? literalText(first) : null;
}
