import type { JsonValue } from "./json.ts";

/** @returns why PostgreSQL could not keep this text byte for byte, or null when it can */
export function textProblem(text: string): string | null {
  if (text.includes("\u0000")) return "must not contain the character U+0000";
  if (!text.isWellFormed()) return "must not contain a lone surrogate (half of a character)";
  return null;
}

/** The same for every string and key inside a JSON value, and for numbers that JSON cannot carry. */
export function jsonTextProblem(value: JsonValue): string | null {
  if (typeof value === "string") return textProblem(value);
  if (typeof value === "number" && !Number.isFinite(value)) return "must not contain a number beyond 1.8e308";
  if (typeof value !== "object" || value === null) return null;
  if (Array.isArray(value)) {
    return value.reduce<string | null>((problem, item: JsonValue) => problem ?? jsonTextProblem(item), null);
  }
  for (const [key, item] of Object.entries(value)) {
    const problem = textProblem(key) ?? jsonTextProblem(item);
    if (problem !== null) return problem;
  }
  return null;
}
