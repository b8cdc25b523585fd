const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const CAPITAL_I = 0x49;
const CAPITAL_N = 0x4e;

const NULL = Buffer.from("null");
const NON_FINITE = ["NaN", "Infinity", "-Infinity"].map((word) => Buffer.from(word));
const WORD_LENGTH_MAX = 9;

/**
 * Python's `json.dump` writes NaN, Infinity and -Infinity, which JSON does not know: outside of texts they become null,
 * as `JSON.stringify` makes them. Everything else stays as it is; a chunk may end anywhere.
 */
export class PythonJson {
  /** how many there were */
  nonFinite = 0;
  #inText = false;
  #isEscaped = false;
  /** at the end of the last chunk: it may be one of them, or the beginning of one */
  #word: Buffer = Buffer.alloc(0);

  /** @returns JSON */
  toJson(chunk: Uint8Array): Uint8Array {
    const bytes = this.#word.length > 0 ? Buffer.concat([this.#word, chunk]) : asBuffer(chunk);
    this.#word = Buffer.alloc(0);
    const pieces: Uint8Array[] = [];
    let given = 0;
    for (let i = 0; i < bytes.length;) {
      const byte = bytes[i];
      if (this.#inText) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === BACKSLASH) this.#isEscaped = true;
        else if (byte === QUOTE) this.#inText = false;
        i += 1;
      } else if (byte === CAPITAL_N || byte === CAPITAL_I || byte === MINUS) {
        const end = endOfWord(bytes, i);
        const word = bytes.subarray(i, end);
        if (end === bytes.length && isBeginning(word)) {
          this.#word = word;
          pieces.push(bytes.subarray(given, i));
          return Buffer.concat(pieces);
        }
        if (isNonFinite(word)) {
          pieces.push(bytes.subarray(given, i), this.#replaced());
          given = end;
        }
        i = end;
      } else {
        this.#inText = byte === QUOTE;
        i += 1;
      }
    }
    return pieces.length === 0 ? bytes : Buffer.concat([...pieces, bytes.subarray(given)]);
  }

  /** @returns what was held back, once nothing follows */
  end(): Uint8Array {
    const word = this.#word;
    this.#word = Buffer.alloc(0);
    return isNonFinite(word) ? this.#replaced() : word;
  }

  #replaced(): Uint8Array {
    this.nonFinite += 1;
    return NULL;
  }
}

/** @returns where its letters end; a `-` may come before them */
function endOfWord(bytes: Uint8Array, from: number): number {
  let end = from + 1;
  while (end < bytes.length && end - from <= WORD_LENGTH_MAX && isLetter(bytes[end] as number)) end += 1;
  return end;
}

function isLetter(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
}

function isNonFinite(word: Buffer): boolean {
  return NON_FINITE.some((each) => each.equals(word));
}

/** Or all of it: what follows may make it another word. */
function isBeginning(word: Buffer): boolean {
  return NON_FINITE.some((each) => each.subarray(0, word.length).equals(word));
}

function asBuffer(chunk: Uint8Array): Buffer {
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
}
