/** @returns 12,345 */
export function shown(number: number): string {
  return number.toLocaleString("en");
}

/** @param what one of them @returns "1 message", "12,345 messages" */
export function count(number: number, what: string): string {
  return `${shown(number)} ${what}${number === 1 ? "" : "s"}`;
}
