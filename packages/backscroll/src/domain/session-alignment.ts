import type { JsonValue } from "./json.ts";

/** A list of messages by keys: the same for the same message, and for no other. */
export type MessageKeys = ArrayLike<string | bigint>;

/** @returns JSON whose keys are in order: the same for the same value */
export function canonicalJson(value: JsonValue | undefined): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === "object" && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

/**
 * What has to be appended to a session of Backscroll's so that it ends as the dictionary's. What Backscroll has may begin
 * before the dictionary, which forgets, and go on after it.
 *
 * @returns from which of the dictionary's messages on; null when they have diverged: appending would repeat messages, or
 * put them out of order
 */
export function lackingFrom(dictionary: MessageKeys, backscroll: MessageKeys): number | null {
  if (isWithin(dictionary, backscroll)) return dictionary.length;
  const there = overlap(dictionary, backscroll);
  if (there > 0) return there;
  const known = new Set(Array.from(backscroll));
  return Array.from(dictionary).some((message) => known.has(message)) ? null : 0;
}

/** @returns whether all of them are there, in their order, as `compareSession` sees it: the end first */
function isWithin(dictionary: MessageKeys, backscroll: MessageKeys): boolean {
  if (dictionary.length > backscroll.length) return false;
  const moreBy = backscroll.length - dictionary.length;
  let end = dictionary.length;
  while (end > 0 && dictionary[end - 1] === backscroll[end - 1 + moreBy]) end -= 1;
  let next = 0;
  while (next < end && dictionary[next] === backscroll[next]) next += 1;
  const left = new Map<string | bigint, number>();
  for (let i = next; i < end; i += 1) {
    const message = dictionary[i] as string | bigint;
    left.set(message, (left.get(message) ?? 0) + 1);
  }
  for (let i = next; next < end && i < end + moreBy; i += 1) {
    const message = backscroll[i] as string | bigint;
    const count = left.get(message) ?? 0;
    if (count === 0) continue;
    if (message !== dictionary[next]) return false;
    left.set(message, count - 1);
    next += 1;
  }
  return next === end;
}

/**
 * @returns how many messages the dictionary begins with that Backscroll ends with, at most: by Knuth, Morris and Pratt,
 * since people repeat themselves
 */
function overlap(dictionary: MessageKeys, backscroll: MessageKeys): number {
  const border = new Int32Array(dictionary.length + 1);
  for (let i = 1, length = 0; i < dictionary.length; i += 1) {
    while (length > 0 && dictionary[i] !== dictionary[length]) length = border[length] as number;
    if (dictionary[i] === dictionary[length]) length += 1;
    border[i + 1] = length;
  }
  let length = 0;
  for (let i = 0; i < backscroll.length; i += 1) {
    while (length > 0 && backscroll[i] !== dictionary[length]) length = border[length] as number;
    if (backscroll[i] === dictionary[length]) length += 1;
  }
  return length;
}
