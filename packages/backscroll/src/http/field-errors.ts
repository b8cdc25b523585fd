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

/** The one whose own fields were meant: what is wrong inside them says nothing against it. */
function nearestShape(shapes: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] | undefined {
  return shapes.toSorted((a, b) => misfits(a) - misfits(b) || a.length - b.length)[0];
}

/** @returns how many fields of a value are missing, unknown, or of another kind */
function misfits(issues: readonly z.core.$ZodIssue[]): number {
  const outside = issues.filter(({ path }) => path.length <= 1);
  return outside.reduce((sum, issue) => sum + (issue.code === "unrecognized_keys" ? issue.keys.length : 1), 0);
}
