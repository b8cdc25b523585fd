import { Marked, type Token, type TokensList } from "marked";
import { MATHS } from "./maths-rules.ts";

const marked = new Marked({ gfm: true, extensions: MATHS });

/** Deeper than anybody writes by hand; lexers recurse. */
const NESTED_MAX = 40;
const TOO_DEEP = new RegExp(
  `^(?:[ \\t]*>){${NESTED_MAX}}|^[ \\t]{${4 * NESTED_MAX},}(?:[-*+]|\\d{1,9}[.)])[ \\t]`,
  "m",
);

/**
 * @param text with `\n` at the ends of lines
 * @returns its blocks, whose `raw` together are the text; one of type `plain` when it is nested too deep to be read
 */
export function lex(text: string): readonly Token[] {
  if (TOO_DEEP.test(text)) return [{ type: "plain", raw: text }];
  return marked.lexer(text) satisfies TokensList;
}

/** Lines end in one way only, so that what was read of a text can be counted in it. */
export function normalize(text: string): string {
  return text.replaceAll(/\r\n?/g, "\n");
}
