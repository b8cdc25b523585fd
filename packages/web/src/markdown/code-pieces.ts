/** A part of a code, and what it is there: `keyword`, `string`, …; null: nothing in particular. */
export interface CodePiece {
  readonly text: string;
  readonly kind: string | null;
}

/** @returns the same pieces in parts of so many lines; the last one may have fewer */
export function cutInLines(pieces: readonly CodePiece[], lines: number): readonly (readonly CodePiece[])[] {
  const chunks: CodePiece[][] = [[]];
  let left = lines;
  for (const { text, kind } of pieces) {
    let from = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", end + 1)) {
      left -= 1;
      if (left > 0) continue;
      chunks.at(-1)?.push({ text: text.slice(from, end + 1), kind });
      chunks.push([]);
      left = lines;
      from = end + 1;
    }
    if (from < text.length) chunks.at(-1)?.push({ text: text.slice(from), kind });
  }
  return chunks.filter((chunk, at) => at === 0 || chunk.length > 0);
}
