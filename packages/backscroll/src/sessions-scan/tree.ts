import type { View } from "./view.ts";

export type Language = "python" | "javascript" | "typescript";

/** One file, parsed. */
export interface SourceFile {
  /** relative to the scanned directory, with `/` */
  readonly path: string;
  readonly language: Language;
  readonly text: string;
  readonly root: Node;
  /** Where the grammar could not follow; the rest of the file is there all the same. */
  readonly brokenLines: readonly number[];
}

/**
 * A named node of the syntax tree, without comments. Copied out of the parser: asking the native tree again and again costs
 * microseconds each time, and it cannot be let go of piece by piece.
 */
export interface Node {
  /** as the tree-sitter grammar calls it */
  readonly kind: string;
  /** in UTF-16 code units */
  readonly start: number;
  readonly end: number;
  /** from 1 */
  readonly line: number;
  readonly parent: Node | null;
  readonly children: readonly Node[];
  readonly file: SourceFile;
  /** What `viewOf` found. */
  view: View | null;
}

export function textOf(node: Node): string {
  return node.file.text.slice(node.start, node.end);
}

/** The source between two nodes: operators have no named node. */
export function between(left: Node, right: Node): string {
  return left.file.text.slice(left.end, right.start);
}

/** Every node below, itself first, in the order of the source. */
export function* descendants(top: Node): Generator<Node> {
  yield top;
  for (const child of top.children) yield* descendants(child);
}

export function ancestor(of: Node, matches: (node: Node) => boolean): Node | null {
  let node = of.parent;
  while (node && !matches(node)) node = node.parent;
  return node;
}
