/** The roles, and the other words for them, that a store takes. */
export const ROLE_WORDS: ReadonlySet<string> = new Set(
  "user assistant system tool human ai bot model developer function".split(" "),
);

/** A line of code that saves messages, and, where one of them has no role, what it needs. */
export function withRoles(code: string, items: readonly string[] = [], comment: "//" | "#"): string {
  if (!items.some(lacksRole)) return code;
  const needed = comment === "#" ? '{"role": "user", "content": text}' : '{ role: "user", content: text }';
  return `${comment} a message needs a role: ${needed}\n${code}`;
}

/** A text, or an object whose keys are all seen. */
function lacksRole(item: string): boolean {
  if (/^[rbfu]{0,2}["'`]/i.test(item)) return true;
  return item.startsWith("{") && !/\.\.\.|\*\*/.test(item) && !/["']?\brole\b["']?\s*[:,}]/.test(item);
}
