import { targets } from "./scopes.ts";
import { type Node, textOf } from "./tree.ts";
import { lastName, type View, viewOf } from "./view.ts";

/** `{ sessions, users: people }`: the keys, and the names that they are bound to. */
export function patternParts(pattern: Node): { key: string; name: Node }[] {
  return pattern.children.flatMap((part) => {
    const [key, inner] = part.kind === "pair_pattern" ? part.children : [part, part];
    const name = key && inner ? targets(inner)[0] : undefined;
    return key && name ? [{ key: textOf(key).split(/[\s=]/)[0]!, name }] : [];
  });
}

export function isSelf(node: Node): boolean {
  return /^(self|cls|this|type\(self\)|self\.__class__|this\.constructor)$/.test(textOf(node));
}

export function inherits(heir: Node, owner: Node): boolean {
  const [from, of] = [viewOf(heir), viewOf(owner)];
  if (from.is !== "class" || of.is !== "class" || !of.name) return false;
  return from.bases.some((base) => lastName(base) === textOf(of.name!));
}

export function methodOf(body: Node, name: string): Extract<View, { is: "function" }> | null {
  for (const child of body.children) {
    const node = child.kind === "decorated_definition" ? (child.children.at(-1) ?? child) : child;
    const view = viewOf(node);
    if (view.is === "function" && view.name && textOf(view.name) === name) return view;
  }
  return null;
}

export function valueSetTo(name: Node): Node[] {
  const view = name.parent && viewOf(name.parent);
  return view?.is === "assign" && view.target === name && view.value ? [view.value] : [];
}

export function declaredFunction(name: Node): Extract<View, { is: "function" }> | null {
  const { parent } = name;
  const view = parent && viewOf(parent);
  if (view?.is === "function" && view.name === name) return view;
  const value = view?.is === "assign" && view.target === name && view.value ? viewOf(view.value) : null;
  return value?.is === "function" ? value : null;
}
