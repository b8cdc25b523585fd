import { unreadableAnswer } from "./errors.ts";

/** One event of an event stream (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export interface ServerSentEvent {
  readonly data: string;
  /** the last one given, by this event or before; "" when none was */
  readonly id: string;
}

/** Of one event, in UTF-16 code units: several times what the service sends at most, and what a client may hold. */
const EVENT_CHARS_MAX = 33_554_432;

/** Puts events together from text that comes in pieces of any size. Names of events and `retry` are not used here. */
export class EventParser {
  readonly #charsMax: number;
  /** the beginning of a line whose end has not come */
  #rest = "";
  /** the last piece ended in CR: an LF that follows belongs to it */
  #afterCr = false;
  #data: string[] = [];
  #dataChars = 0;
  #id = "";

  constructor(charsMax = EVENT_CHARS_MAX) {
    this.#charsMax = charsMax;
  }

  /**
   * @returns the events that this piece completes
   * @throws {BackscrollApiError} unreadable_answer for one that is too long
   */
  push(piece: string): readonly ServerSentEvent[] {
    const text = this.#afterCr && piece.startsWith("\n") ? piece.slice(1) : piece;
    if (piece !== "") this.#afterCr = piece.endsWith("\r");
    const [first = "", ...others] = text.split(/\r\n|\n|\r/);
    const lines = [this.#rest + first, ...others];
    this.#rest = lines.pop() ?? "";
    const events: ServerSentEvent[] = [];
    for (const line of lines) {
      if (line === "") events.push(...this.#dispatch());
      else this.#readField(line);
    }
    this.#checkLength();
    return events;
  }

  #readField(line: string): void {
    const [, name, value = ""] = /^([^:]*)(?:: ?([^]*))?$/.exec(line) ?? [];
    if (name === "data") {
      this.#data.push(value);
      this.#dataChars += value.length;
      this.#checkLength();
    }
    if (name === "id" && !value.includes("\0")) this.#id = value;
  }

  #dispatch(): readonly ServerSentEvent[] {
    const data = this.#data.join("\n");
    this.#data = [];
    this.#dataChars = 0;
    return data === "" ? [] : [{ data, id: this.#id }];
  }

  #checkLength(): void {
    if (this.#rest.length + this.#dataChars > this.#charsMax) {
      throw unreadableAnswer(`an event of over ${this.#charsMax} characters`);
    }
  }
}

/** Reads events to the end of the stream; one that is not complete by then is left out. Stopping cancels the stream. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerSentEvent, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new EventParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    await reader.cancel();
  }
}
