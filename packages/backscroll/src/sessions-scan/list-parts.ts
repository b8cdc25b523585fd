import { type Node, textOf } from "./tree.ts";
import { bare, viewOf } from "./view.ts";

/** Of a list that is put together. */
export interface Part {
  readonly node: Node;
  /** its items are part of the whole, not itself */
  readonly isList: boolean;
  /** as an item of a list */
  readonly text: string;
}

export function itemPart(item: Node): Part {
  const view = viewOf(item);
  return view.is === "spread"
    ? { node: view.inner, isList: true, text: textOf(item) }
    : { node: item, isList: false, text: textOf(item) };
}

/** The parts of a list: of `a + [b]`, of `[...a, b]`. */
export function operands(node: Node): Part[] {
  const view = viewOf(bare(node));
  if (view.is === "concatenation") return [...operands(view.left), ...operands(view.right)];
  if (view.is === "list") return view.items.map(itemPart);
  return [{ node, isList: true, text: node.file.language === "python" ? `*${textOf(node)}` : `...${textOf(node)}` }];
}

/** `concat()` takes lists and single messages: `[m].flat()` is either. */
export function concatenated(argument: Node): Part[] {
  const view = viewOf(bare(argument));
  if (view.is === "list") return view.items.map(itemPart);
  if (view.is === "spread") return [{ node: view.inner, isList: true, text: `...${textOf(view.inner)}.flat()` }];
  if (view.is === "dictionary") return [{ node: argument, isList: false, text: textOf(argument) }];
  return [{ node: argument, isList: true, text: `...[${textOf(argument)}].flat()` }];
}
