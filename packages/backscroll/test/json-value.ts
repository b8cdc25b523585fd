import fc from "fast-check";

/**
 * False: `JSON.parse` may take a key with an escape in it for another one, once it has read a key with a backslash.
 *
 * @see https://github.com/nodejs/node/issues/63785
 */
export function isReadRight(value: unknown): boolean {
  return !/\\.(?:[^"\\]|\\.)*":/.test(JSON.stringify(value));
}

/** Whatever JSON can hold, and Node.js reads. */
export function jsonValue(): fc.Arbitrary<fc.JsonValue> {
  return fc.jsonValue().filter(isReadRight);
}
