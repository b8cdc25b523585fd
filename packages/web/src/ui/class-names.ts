/** @returns the names that are not false, undefined or empty, in one string */
export function classNames(...names: readonly (string | false | undefined)[]): string {
  return names.filter(Boolean).join(" ");
}
