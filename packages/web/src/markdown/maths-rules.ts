import type { TokenizerAndRendererExtension } from "marked";

/** Longer ones are no formulas, and what opens one without closing it is looked for no further. */
const CHARS_MAX = 4_000;

const BLOCK = [
  ["$$", "$$"],
  ["\\[", "\\]"],
] as const;
const INLINE = [...BLOCK, ["\\(", "\\)"]] as const;
/**
 * Prices stay prices: what is between does not begin or end with a space, and no digit follows.
 * As Pandoc reads it: https://pandoc.org/MANUAL.html#extension-tex_math_dollars
 */
const DOLLARS = /^\$(?![\s$])((?:\\[^\n]|[^\\$\n]){0,1000}?(?:\\\S|[^\\$\s]))\$(?!\d)/;

/** `$$…$$`, `\[…\]`, `\(…\)` and `$…$`. */
export const MATHS: TokenizerAndRendererExtension[] = [
  {
    name: "mathsBlock",
    level: "block",
    start: (source) =>
      firstOf(
        source,
        BLOCK.map(([open]) => `\n${open}`),
      ),
    tokenizer(source) {
      const found = between(source, BLOCK);
      if (!found) return undefined;
      // A formula with words behind it on its line is one of the line's.
      const rest = /^[ \t]*(?:\n|$)/.exec(source.slice(found.raw.length, found.raw.length + 100));
      return rest ? { type: "mathsBlock", raw: found.raw + rest[0], tex: found.tex } : undefined;
    },
  },
  {
    name: "maths",
    level: "inline",
    start: (source) => firstOf(source, ["$", "\\(", "\\["]),
    tokenizer(source) {
      const found = between(source, INLINE);
      if (found) return { type: "maths", ...found };
      const [raw, tex] = DOLLARS.exec(source) ?? [];
      return raw !== undefined && tex !== undefined ? { type: "maths", raw, tex } : undefined;
    },
  },
];

function between(
  source: string,
  delimiters: readonly (readonly [open: string, close: string])[],
): { raw: string; tex: string } | null {
  for (const [open, close] of delimiters) {
    if (!source.startsWith(open)) continue;
    const near = source.slice(open.length, open.length + CHARS_MAX);
    const end = near.indexOf(close);
    const tex = near.slice(0, Math.max(end, 0)).trim();
    // A blank line ends what a formula could be part of.
    if (end < 0 || tex === "" || /\n[ \t]*\n/.test(tex)) continue;
    return { raw: source.slice(0, open.length + end + close.length), tex };
  }
  return null;
}

function firstOf(source: string, openings: readonly string[]): number | undefined {
  const found = openings.map((opening) => source.indexOf(opening)).filter((at) => at >= 0);
  return found.length === 0 ? undefined : Math.min(...found);
}
