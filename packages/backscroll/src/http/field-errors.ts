import type { z } from "zod";
import type { FieldError } from "../domain/errors.ts";

/** What a caller sent is in these messages: it does not come back whole. */
const MESSAGE_CHARS_MAX = 300;

/** Where a value may have several shapes, what is wrong is told for the one it comes nearest to. */
export function toFieldErrors(issues: readonly z.core.$ZodIssue[]): FieldError[] {
  return issues.flatMap((issue) => {
    const nearest = issue.code === "invalid_union" ? nearestShape(issue.errors) : undefined;
    if (nearest === undefined) {
      return [{ path: issue.path.map(String).join("."), message: issue.message.slice(0, MESSAGE_CHARS_MAX) }];
    }
    return toFieldErrors(nearest.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })));
  });
}

/** The one whose problems lie deepest; of those, the one with the fewest. */
function nearestShape(shapes: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] | undefined {
  return shapes.toSorted((a, b) => deepest(b) - deepest(a) || a.length - b.length)[0];
}

function deepest(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map(({ path }) => path.length));
}
