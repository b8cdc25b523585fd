import { hash } from "node:crypto";

/** @returns 64 bits of a hash: of a million texts two have the same in one of 37 million cases */
export function fingerprint(text: string): bigint {
  return hash("sha1", text, "buffer").readBigUInt64LE();
}

/** No fingerprint in a free place; whose fingerprint is 0 is taken for 1. */
const FREE = 0n;
const SIZE_FIRST = 16;

/** A map of fingerprints that takes 16 to 48 bytes an entry, where a Map takes over a hundred. */
export class Fingerprints {
  #keys = new BigUint64Array(SIZE_FIRST);
  #values = new BigUint64Array(SIZE_FIRST);
  #size = 0;

  /** @returns the value that was there, and stays; undefined: it is there now */
  add(key: bigint, value = 0n): bigint | undefined {
    if (this.#size * 3 >= this.#keys.length * 2) this.#grow();
    const place = this.#placeOf(key === FREE ? 1n : key);
    if (this.#keys[place] !== FREE) return this.#values[place];
    this.#keys[place] = key === FREE ? 1n : key;
    this.#values[place] = value;
    this.#size += 1;
    return undefined;
  }

  /** Where it is, or would be. */
  #placeOf(key: bigint): number {
    const last = this.#keys.length - 1;
    let place = Number(BigInt.asUintN(32, key)) & last;
    while (this.#keys[place] !== FREE && this.#keys[place] !== key) place = (place + 1) & last;
    return place;
  }

  #grow(): void {
    const [keys, values] = [this.#keys, this.#values];
    this.#keys = new BigUint64Array(keys.length * 2);
    this.#values = new BigUint64Array(keys.length * 2);
    for (const [i, key] of keys.entries()) {
      if (key === FREE) continue;
      const place = this.#placeOf(key);
      this.#keys[place] = key;
      this.#values[place] = values[i] as bigint;
    }
  }
}

/** A list of fingerprints, of 8 to 16 bytes each. */
export class FingerprintList {
  #items = new BigUint64Array(SIZE_FIRST);
  #length = 0;

  push(item: bigint): void {
    if (this.#length === this.#items.length) {
      const items = new BigUint64Array(this.#length * 2);
      items.set(this.#items);
      this.#items = items;
    }
    this.#items[this.#length] = item;
    this.#length += 1;
  }

  get items(): BigUint64Array {
    return this.#items.subarray(0, this.#length);
  }
}
