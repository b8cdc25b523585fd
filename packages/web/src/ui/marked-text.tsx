import type { ReactNode } from "react";

/** A text in which each place that matches what was searched for is marked. @param query taken literally, in any case */
export function MarkedText({ text, query }: { readonly text: string; readonly query: string }): ReactNode {
  if (query === "") return text;
  // Split by a group, every second piece is a match.
  const pieces = text.split(new RegExp(`(${query.replaceAll(/[$()*+.?[\\\]^{|}]/g, "\\$&")})`, "iu"));
  return pieces.map((piece, index) => {
    if (index % 2 === 0) return piece;
    return (
      // oxlint-disable-next-line react/no-array-index-key -- pieces of one text, which change together
      <mark key={index} className="rounded-[3px] bg-mark text-on-mark">
        {piece}
      </mark>
    );
  });
}
