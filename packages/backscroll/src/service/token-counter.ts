import { setImmediate as letOthersRun } from "node:timers/promises";
import { LRUCache } from "lru-cache";

/** @returns how many tokens a text is */
export type CountTokens = (text: string) => number;

/**
 * The tokenizer's merges take time with the square of a stretch without breaks (200,000 times one letter: 12 seconds).
 * A slice of this many UTF-16 code units takes 0.4 ms at worst, and counts one token too many at most.
 */
const SLICE_CHARS = 256;
/** Others get their turn after so many slices: 12 ms at worst, 0.2 ms for prose. */
const SLICES_AT_A_TIME = 32;
/** No prose has so many characters a token (English: 4). Longer is too long without counting: a megabyte of spaces. */
const CHARS_PER_TOKEN_MAX = 16;
const REMEMBERED_MAX = 20_000;

/** Counts the tokens of messages as `o200k_base` has them, and remembers what it counted. */
export class TokenCounter {
  readonly #max: number;
  readonly #load: () => Promise<CountTokens>;
  readonly #counted = new LRUCache<string, number>({ max: REMEMBERED_MAX });
  #count: Promise<CountTokens> | undefined;

  /** @param max where it stops counting a text */
  constructor(max: number, load: () => Promise<CountTokens> = loadTokenizer) {
    this.#max = max;
    this.#load = load;
  }

  /**
   * @param key names this text, for good
   * @returns about 2% too many at most; Infinity when there are more than `max`
   */
  async count(key: string, text: string): Promise<number> {
    const remembered = this.#counted.get(key);
    if (remembered !== undefined) return remembered;
    const tokens = await this.#countNew(text);
    this.#counted.set(key, tokens);
    return tokens;
  }

  async #countNew(text: string): Promise<number> {
    if (text.length > this.#max * CHARS_PER_TOKEN_MAX) return Infinity;
    const count = await (this.#count ??= this.#load());
    let tokens = 0;
    let slices = 0;
    for (const slice of slicesOf(text)) {
      tokens += count(slice);
      if (tokens > this.#max) return Infinity;
      slices += 1;
      if (slices % SLICES_AT_A_TIME === 0) await letOthersRun();
    }
    return tokens;
  }
}

/** No cut falls inside a character. */
function* slicesOf(text: string): Generator<string> {
  for (let start = 0, end = 0; start < text.length; start = end) {
    end = Math.min(start + SLICE_CHARS, text.length);
    if (end < text.length && isLowSurrogate(text.charCodeAt(end))) end -= 1;
    yield text.slice(start, end);
  }
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc_00 && unit <= 0xdf_ff;
}

/** 130 ms and 30 MB: only who needs it loads it. */
async function loadTokenizer(): Promise<CountTokens> {
  const { countTokens, setMergeCacheSize } = await import("gpt-tokenizer/encoding/o200k_base");
  // It would hold 100,000 pieces of text, each of them the whole message it was cut from.
  setMergeCacheSize(0);
  // People write <|endoftext|> too: it is text.
  const asText = { disallowedSpecial: new Set<string>() };
  return (text) => countTokens(text, asText);
}
