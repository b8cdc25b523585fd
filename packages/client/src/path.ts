/** What a query may hold; what is undefined is left out. */
export type QueryValue = string | number | boolean | Date | readonly string[] | undefined;

/**
 * A path with its ids percent-encoded: path`/api/conversations/${id}`.
 *
 * @throws {TypeError} when an id is "", "." or "..": a URL cannot name these, and what is left would name another thing
 */
export function path(parts: TemplateStringsArray, ...ids: readonly string[]): string {
  for (const id of ids) {
    if (id === "" || id === "." || id === "..") throw new TypeError(`"${id}" cannot be an id in a URL`);
  }
  return String.raw({ raw: parts }, ...ids.map((id) => encodeURIComponent(id)));
}

/** @returns `?name=value&…`, or "" when there is nothing to say */
export function queryString(query: Readonly<Record<string, QueryValue>>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) params.set(name, value instanceof Date ? value.toISOString() : String(value));
  }
  const text = params.toString();
  return text === "" ? "" : `?${text}`;
}
