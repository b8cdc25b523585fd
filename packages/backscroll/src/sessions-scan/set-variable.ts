/** The variable that a statement sets, to set it again. */
export function variableOf(code: string): { name: string; declares: string } | null {
  const match = /^(?:(const|let|var)\s+)?([A-Za-z_$][\w$]*)\s*(?::[^=]+)?=(?!=)/.exec(code);
  return match ? { name: match[2]!, declares: match[1] ? `${match[1]} ` : "" } : null;
}
