import type { JsonValue } from "./json.ts";

/** @returns why PostgreSQL could not keep this text byte for byte, or null when it can */
export function textProblem(text: string): string | null {
  if (text.includes("\u0000")) return "must not contain the character U+0000";
  if (!text.isWellFormed()) return "must not contain a lone surrogate (half of a character)";
  return null;
}

/** Deeper than any provider writes, and far from where recursion ends. */
const JSON_DEPTH_MAX = 100;

/** The same for every string and key inside a JSON value, for numbers that JSON cannot carry, and for its depth. */
export function jsonProblem(value: JsonValue, depth = 0): string | null {
  if (depth > JSON_DEPTH_MAX) return `must be at most ${JSON_DEPTH_MAX} levels deep`;
  if (typeof value === "string") return textProblem(value);
  if (typeof value === "number" && !Number.isFinite(value)) return "must not contain a number beyond 1.8e308";
  if (typeof value !== "object" || value === null) return null;
  if (Array.isArray(value)) {
    return value.reduce<string | null>((problem, item: JsonValue) => problem ?? jsonProblem(item, depth + 1), null);
  }
  for (const [key, item] of Object.entries(value)) {
    const problem = textProblem(key) ?? jsonProblem(item, depth + 1);
    if (problem !== null) return problem;
  }
  return null;
}
