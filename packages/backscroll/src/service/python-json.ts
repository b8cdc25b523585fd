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
  /** how many bytes of JSON there are so far */
  #written = 0;
  /** from which byte of the JSON on it is so many ahead; those of the chunk, and the last two before it */
  #shifts: { readonly from: number; readonly by: number }[] = [];
  /** at the end of the last chunk: it may be one of them, or the beginning of one */
  #word: Buffer = Buffer.alloc(0);

  /** @returns JSON */
  toJson(chunk: Uint8Array): Uint8Array {
    const bytes = this.#word.length > 0 ? Buffer.concat([this.#word, chunk]) : asBuffer(chunk);
    this.#word = Buffer.alloc(0);
    const pieces: Uint8Array[] = [];
    let given = 0;
    this.#shifts = this.#shifts.slice(-2);
    const add = (piece: Uint8Array): void => {
      this.#written += piece.length;
      pieces.push(piece);
    };
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
          add(bytes.subarray(given, i));
          return Buffer.concat(pieces);
        }
        if (isNonFinite(word)) {
          add(bytes.subarray(given, i));
          add(this.#replaced(word));
          given = end;
        }
        i = end;
      } else {
        this.#inText = byte === QUOTE;
        i += 1;
      }
    }
    add(bytes.subarray(given));
    return pieces.length === 1 ? bytes : Buffer.concat(pieces);
  }

  /**
   * @param offset of a byte of the JSON: of the last chunk, or of the last token before it
   * @returns where it is in what was read
   */
  sourceOffset(offset: number): number {
    return offset - (this.#shifts.findLast(({ from }) => from <= offset)?.by ?? 0);
  }

  /** @returns what was held back, once nothing follows */
  end(): Uint8Array {
    const word = this.#word;
    this.#word = Buffer.alloc(0);
    return isNonFinite(word) ? this.#replaced(word) : word;
  }

  #replaced(word: Buffer): Uint8Array {
    this.nonFinite += 1;
    const by = (this.#shifts.at(-1)?.by ?? 0) + NULL.length - word.length;
    this.#shifts.push({ from: this.#written + NULL.length, by });
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
