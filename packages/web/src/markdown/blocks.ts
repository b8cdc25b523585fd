import type { Token } from "marked";
import remend from "remend";
import { lex, normalize } from "./lexer.ts";

/** One thing after the other of a text: a paragraph, a list, a table. */
export interface Block {
  readonly token: Token;
  /** it is still being written */
  readonly isOpen: boolean;
  /** of a heading, in the outline of the page: 2 to 6; 0 for everything else */
  readonly level: number;
}

/** So many at the end may still become something else: a paragraph a table, a list a longer one. */
const UNSETTLED = 2;

/** @returns the blocks of a text that is whole */
export function blocksOf(text: string): readonly Block[] {
  return withLevels(lex(normalize(text)), 0);
}

/**
 * The blocks of a text that grows. What is settled is read once, and is the same object from then on; whether a link's
 * address is defined further below is known when the text is whole.
 */
export class GrowingBlocks {
  #settled: Token[] = [];
  #settledText = "";

  /** @param text what it was before, and more; anything else begins anew */
  read(text: string): readonly Block[] {
    const normal = normalize(text);
    if (!normal.startsWith(this.#settledText)) this.#forget();
    const rest = normal.slice(this.#settledText.length);
    const tail = lex(rest);
    const count = countSettled(tail);
    const settled = tail.slice(0, count);
    this.#settled.push(...settled);
    this.#settledText += settled.map(({ raw }) => raw).join("");
    const unsettled = tail.slice(count);
    const open = this.#closed(unsettled);
    return withLevels([...this.#settled, ...open], 1);
  }

  /** What is open at the end is shown as if it were closed there: half a `**bold` is bold already. */
  #closed(tokens: readonly Token[]): readonly Token[] {
    const last = tokens.at(-1);
    if (!last || last.type === "code" || last.type === "plain") return tokens;
    const closed = remend(last.raw, REMEND);
    return closed === last.raw ? tokens : [...tokens.slice(0, -1), ...lex(closed)];
  }

  #forget(): void {
    this.#settled = [];
    this.#settledText = "";
  }
}

/** Up to a blank line: a line of `===` makes a heading of all that is above it, whatever that was. */
function countSettled(tokens: readonly Token[]): number {
  for (let count = tokens.length - UNSETTLED; count > 0; count -= 1) {
    const end = `${tokens[count - 2]?.raw ?? ""}${tokens[count - 1]?.raw ?? ""}`.slice(-200);
    if (/\n[ \t]*\n[ \t]*$/.test(end)) return count;
  }
  return 0;
}

/** HTML is text here, and a comparison stays one. */
const REMEND = { linkMode: "text-only", htmlTags: false, comparisonOperators: false } as const;

/** @param openCount how many at the end are still being written */
function withLevels(tokens: readonly Token[], openCount: number): readonly Block[] {
  const above: number[] = [];
  return tokens.map((token, at) => {
    const isOpen = at >= tokens.length - openCount;
    if (token.type !== "heading") return { token, isOpen, level: 0 };
    // No level is left out, whatever the text does: the page's title is the first one.
    const depth = token["depth"] as number;
    while ((above.at(-1) ?? 0) >= depth) above.pop();
    above.push(depth);
    return { token, isOpen, level: Math.min(6, above.length + 1) };
  });
}
