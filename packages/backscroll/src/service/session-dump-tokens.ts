import { TokenParser, Tokenizer, TokenType } from "@streamparser/json";
import type { JsonValue } from "../domain/json.ts";
import { keepByteOrderMarks } from "./byte-order-marks.ts";

/** What a dump is made of, in its order: sessions, each with its messages and what it has beside them. */
export type DumpItem =
  | { readonly type: "session"; readonly id: string }
  /** its list of messages begins */
  | { readonly type: "messages" }
  /** `undefined`: it is larger or deeper than is read */
  | { readonly type: "message"; readonly value: JsonValue | undefined; readonly bytes: number }
  | { readonly type: "field"; readonly key: string; readonly value: JsonValue | undefined; readonly bytes: number }
  /** `problem` null: it is one */
  | { readonly type: "end"; readonly problem: string | null }
  /** in the place of a session, or of a pair; `id` null: it has none */
  | { readonly type: "oddity"; readonly id: string | null; readonly problem: string };

/** A value may be so large and so deep; one that is larger is passed over. */
export const VALUE_BYTES_MAX = 16_777_216;
export const VALUE_DEPTH_MAX = 150;
/** Long texts are gathered as bytes: as pieces of text they would take many times the memory. */
const TEXT_BUFFER_BYTES = 65_536;

/** What is open around the place that is read. */
type Frame =
  /** `{"id": session, …}` */
  | { readonly kind: "sessions" }
  /** `[["id", session], …]` */
  | { readonly kind: "pairs" }
  | Pair
  | { readonly kind: "session" }
  | { readonly kind: "messages"; readonly isSession: boolean };

interface Pair {
  readonly kind: "pair";
  id: string | null;
  length: number;
  /** what is in the session's place is one, or has been told */
  holds: "nothing" | "session" | "oddity";
}

interface Token {
  readonly token: TokenType;
  readonly value: string | number | boolean | null;
  readonly offset: number;
}

type Take = (value: JsonValue | undefined, bytes: number) => void;

/** A list or an object that is being read as a value. */
interface Held {
  readonly take: Take;
  readonly from: number;
  depth: number;
  isPassedOver: boolean;
}

/** Reads a dump of a dictionary of sessions, piece by piece: of its values only the one being read is in memory. */
export class DumpTokens {
  /** whole numbers that have lost digits, being over 2^53 */
  inexact = 0;
  /** numbers beyond 1.8e308, which become null */
  nonFinite = 0;
  /** false: it is one text, number and so on */
  isDictionary = true;
  /** of the last token, in bytes */
  offset = 0;
  readonly #tokenizer: Tokenizer;
  /** sees the frames, with null in the place of each list or object in them: it refuses what is not JSON */
  readonly #grammar = new TokenParser({ paths: [], keepStack: false });
  /** sees the lists and objects in the frames */
  #values = this.#newValues();
  #value: JsonValue | undefined;
  #held: Held | null = null;
  readonly #frames: Frame[] = [];
  #isKey = false;
  #key = "";
  readonly #items: DumpItem[] = [];

  constructor() {
    this.#tokenizer = new CountingTokenizer(this);
    keepByteOrderMarks(this.#tokenizer);
    this.#tokenizer.onToken = (token) => this.#onToken(token);
  }

  /** Whether the dictionary has ended. */
  get isWhole(): boolean {
    return this.#grammar.isEnded;
  }

  /** @throws {Error} when it is not JSON, or no dictionary of sessions; what came before is good */
  write(chunk: Uint8Array): void {
    this.#tokenizer.write(chunk);
  }

  /** @returns what has been read since it was last called */
  take(): readonly DumpItem[] {
    return this.#items.splice(0);
  }

  #onToken(token: Token): void {
    this.offset = token.offset;
    if (this.#held) return this.#hold(this.#held, token);
    this.#grammar.write(isBeginning(token) && !this.#isFrame(token) ? NULL : token);
    switch (token.token) {
      case TokenType.COMMA:
        this.#isKey = this.#isInObject();
        return;
      case TokenType.COLON:
        return;
      case TokenType.RIGHT_BRACE:
      case TokenType.RIGHT_BRACKET:
        return this.#close();
      default:
        if (!this.#isKey) return this.#begin(token);
        this.#key = token.value as string;
        this.#isKey = false;
    }
  }

  #isInObject(): boolean {
    const kind = this.#frames.at(-1)?.kind;
    return kind === "sessions" || kind === "session";
  }

  /** Whether a list or object that begins here is no value, but what values are in. */
  #isFrame({ token }: Token): boolean {
    const frame = this.#frames.at(-1);
    switch (frame?.kind) {
      case undefined:
      case "sessions":
        return true;
      case "pairs":
        return token === TokenType.LEFT_BRACKET;
      case "pair":
        return frame.length === 1 && frame.id !== null;
      case "session":
        return token === TokenType.LEFT_BRACKET && this.#key === "messages";
      case "messages":
        return false;
    }
  }

  #begin(token: Token): void {
    const frame = this.#frames.at(-1);
    switch (frame?.kind) {
      case undefined:
        this.isDictionary = isBeginning(token);
        if (!this.isDictionary) return;
        return this.#open({ kind: token.token === TokenType.LEFT_BRACE ? "sessions" : "pairs" });
      case "sessions":
        return this.#beginSession(this.#key, token);
      case "pairs":
        if (token.token === TokenType.LEFT_BRACKET)
          return this.#open({ kind: "pair", id: null, length: 0, holds: "nothing" });
        return this.#read(token, () => this.#odd(null, NO_PAIR));
      case "pair":
        return this.#beginInPair(frame, token);
      case "session": {
        const key = this.#key;
        if (this.#isFrame(token)) return this.#open({ kind: "messages", isSession: false });
        return this.#read(token, (value, bytes) => this.#items.push({ type: "field", key, value, bytes }));
      }
      case "messages":
        return this.#read(token, (value, bytes) => this.#items.push({ type: "message", value, bytes }));
    }
  }

  #beginInPair(pair: Pair, token: Token): void {
    pair.length += 1;
    if (pair.length === 2 && pair.id !== null) {
      pair.holds = isBeginning(token) ? "session" : "oddity";
      return this.#beginSession(pair.id, token);
    }
    const isFirst = pair.length === 1;
    this.#read(token, (value) => {
      if (isFirst && (typeof value === "string" || typeof value === "number")) pair.id = String(value);
    });
  }

  #beginSession(id: string, token: Token): void {
    if (!isBeginning(token)) {
      const found = token.value === null ? "null" : `a ${typeof token.value}`;
      return this.#odd(id, `it is ${found}: a session is an object with messages, or a list of them`);
    }
    this.#items.push({ type: "session", id });
    this.#open(token.token === TokenType.LEFT_BRACE ? { kind: "session" } : { kind: "messages", isSession: true });
  }

  #open(frame: Frame): void {
    this.#frames.push(frame);
    this.#isKey = this.#isInObject();
    if (frame.kind === "messages") this.#items.push({ type: "messages" });
  }

  #close(): void {
    const frame = this.#frames.pop();
    this.#isKey = false;
    if (frame?.kind === "pair") return this.#closePair(frame);
    const isSession = frame?.kind === "session" || (frame?.kind === "messages" && frame.isSession);
    // One in a pair ends with it: there may be more in the pair.
    if (isSession && this.#frames.at(-1)?.kind !== "pair") this.#items.push({ type: "end", problem: null });
  }

  #closePair({ id, length, holds }: Pair): void {
    if (holds === "session") this.#items.push({ type: "end", problem: length === 2 ? null : NO_PAIR });
    if (holds === "nothing") this.#odd(id, NO_PAIR);
  }

  #odd(id: string | null, problem: string): void {
    this.#items.push({ type: "oddity", id, problem });
  }

  #read(token: Token, take: Take): void {
    if (isBeginning(token)) {
      this.#held = { take, from: token.offset, depth: 0, isPassedOver: false };
      return this.#hold(this.#held, token);
    }
    const bytes = typeof token.value === "string" ? token.value.length : 8;
    take(bytes > VALUE_BYTES_MAX ? undefined : token.value, bytes);
  }

  #hold(held: Held, token: Token): void {
    if (isBeginning(token)) held.depth += 1;
    if (token.token === TokenType.RIGHT_BRACE || token.token === TokenType.RIGHT_BRACKET) held.depth -= 1;
    const bytes = token.offset - held.from + 1;
    if (!held.isPassedOver && (held.depth > VALUE_DEPTH_MAX || bytes > VALUE_BYTES_MAX)) {
      held.isPassedOver = true;
      this.#values = this.#newValues();
    }
    if (!held.isPassedOver) this.#values.write(token);
    if (held.depth > 0) return;
    this.#held = null;
    held.take(held.isPassedOver ? undefined : this.#value, bytes);
  }

  #newValues(): TokenParser {
    const values = new TokenParser({ paths: ["$"], separator: "" });
    values.onValue = ({ value }) => (this.#value = value as JsonValue);
    return values;
  }
}

const NULL: Token = { token: TokenType.NULL, value: null, offset: 0 };
const NO_PAIR = "it is not a pair of a session's id and the session";

function isBeginning({ token }: Token): boolean {
  return token === TokenType.LEFT_BRACE || token === TokenType.LEFT_BRACKET;
}

/** JSON's numbers are JavaScript's: what does not fit is counted. */
class CountingTokenizer extends Tokenizer {
  readonly #counts: { inexact: number; nonFinite: number };

  constructor(counts: { inexact: number; nonFinite: number }) {
    super({ stringBufferSize: TEXT_BUFFER_BYTES });
    this.#counts = counts;
  }

  protected override parseNumber(text: string): number {
    const number = Number(text);
    if (!Number.isFinite(number)) this.#counts.nonFinite += 1;
    else if (!Number.isSafeInteger(number) && /^-?\d+$/.test(text)) this.#counts.inexact += 1;
    return number;
  }
}
