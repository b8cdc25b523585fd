import { addAbortListener } from "node:events";
import { BackscrollError, errorMessage } from "../domain/errors.ts";
import type { JsonValue } from "../domain/json.ts";
import { MessageHold } from "./message-hold.ts";
import { PythonJson } from "./python-json.ts";
import { type DumpItem, DumpTokens } from "./session-dump-tokens.ts";

/** A session of a dump, or what is in the place of one. */
export interface DumpedSession {
  /** null: it has none */
  readonly id: string | null;
  /** in the dump, from 0 */
  readonly position: number;
  /** why it is no session; null: it is one */
  readonly problem: string | null;
  /** what it has beside its messages */
  readonly fields: ReadonlyMap<string, JsonValue>;
  /** keys of what was too large to be read */
  readonly passedOver: readonly string[];
  /** to be removed by whoever takes the session */
  readonly messages: MessageHold;
}

/** What was made of numbers that JSON, or JavaScript, does not know. */
export interface DumpNumbers {
  /** NaN, Infinity and what is over 1.8e308: null now */
  readonly nonFinite: number;
  /** whole numbers over 2^53: they may have lost digits */
  readonly inexact: number;
}

/** What a session may have beside its messages; what is more is passed over. */
const FIELDS_BYTES_MAX = 16_777_216;
/** One text; V8 has none over 512 MB. */
const TEXT_BYTES_MAX = 134_217_728;

/** Reads a dump of a dictionary of sessions, as `json.dump` and `JSON.stringify` write it. */
export class SessionDump {
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #signal: AbortSignal | undefined;
  readonly #python = new PythonJson();
  readonly #tokens = new DumpTokens();
  #open: OpenSession | null = null;
  #sessions = 0;
  #bytes = 0;

  /** @param signal no more is read, and a session that is not whole is left */
  constructor(source: AsyncIterable<Uint8Array>, signal?: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
  }

  get numbers(): DumpNumbers {
    return { nonFinite: this.#python.nonFinite + this.#tokens.nonFinite, inexact: this.#tokens.inexact };
  }

  /** @throws {BackscrollError} malformed_json; what came before it has been given out */
  async *sessions(): AsyncGenerator<DumpedSession> {
    try {
      for await (const chunk of untilAborted(this.#source, this.#signal)) {
        if (this.#bytes === 0) refuseUtf16(chunk);
        yield* this.#read(this.#python.toJson(chunk));
        await this.#open?.messages.settle();
      }
      if (this.#signal?.aborted === true) return;
      yield* this.#read(this.#python.end());
      if (this.#bytes === 0) throw malformed("it is empty");
      if (!this.#tokens.isWhole)
        throw malformed(
          `it breaks off after ${this.#sourceOffset(this.#bytes)} bytes, in what begins at ${this.#sourceOffset(this.#tokens.offset)}`,
        );
    } finally {
      await this.#open?.messages.remove();
    }
  }

  /** Of the dump, where the tokens' offsets are of what was made of it. */
  #sourceOffset(offset: number): number {
    return this.#python.sourceOffset(offset);
  }

  *#read(chunk: Uint8Array): Generator<DumpedSession> {
    let failure: unknown = null;
    try {
      this.#tokens.write(chunk);
    } catch (error) {
      failure = error;
    }
    for (const item of this.#tokens.take()) {
      const session = this.#add(item);
      if (session) yield session;
    }
    if (failure !== null) {
      const place = this.#sourceOffset(placeOf(failure, this.#tokens.offset));
      throw malformed(`it is not JSON in UTF-8 near byte ${place}`);
    }
    this.#bytes += chunk.length;
    if (this.#bytes - this.#tokens.offset > TEXT_BYTES_MAX) {
      throw malformed(`a text is over ${TEXT_BYTES_MAX} bytes, at byte ${this.#sourceOffset(this.#tokens.offset)}`);
    }
    if (!this.#tokens.isDictionary)
      throw malformed("it is no dictionary of sessions: neither an object nor a list of pairs");
  }

  /** @returns a session that is complete now */
  #add(item: DumpItem): DumpedSession | null {
    const open = this.#open;
    switch (item.type) {
      case "session":
        this.#open = new OpenSession(item.id, this.#sessions);
        this.#sessions += 1;
        return null;
      case "oddity":
        this.#sessions += 1;
        return new OpenSession(item.id, this.#sessions - 1).complete(item.problem);
      case "messages":
        open?.beginMessages();
        return null;
      case "message":
        open?.messages.add(item.value, item.bytes);
        return null;
      case "field":
        open?.addField(item);
        return null;
      case "end":
        this.#open = null;
        return open?.complete(item.problem ?? undefined) ?? null;
    }
  }
}

/** A session that is being read. */
class OpenSession {
  readonly messages = new MessageHold();
  readonly #id: string | null;
  readonly #position: number;
  readonly #fields = new Map<string, JsonValue>();
  readonly #passedOver: string[] = [];
  #fieldBytes = 0;
  #lists = 0;

  constructor(id: string | null, position: number) {
    this.#id = id;
    this.#position = position;
  }

  beginMessages(): void {
    this.#lists += 1;
  }

  addField({ key, value, bytes }: DumpItem & { type: "field" }): void {
    if (value !== undefined && this.#fieldBytes + bytes <= FIELDS_BYTES_MAX) {
      this.#fieldBytes += bytes;
      this.#fields.set(key, value);
    } else if (this.#passedOver.length < KEYS_NAMED) this.#passedOver.push(key);
  }

  complete(problem: string | null = this.#problem()): DumpedSession {
    return {
      id: this.#id,
      position: this.#position,
      problem,
      fields: this.#fields,
      passedOver: this.#passedOver,
      messages: this.messages,
    };
  }

  #problem(): string | null {
    if (this.#lists > 1) return "it has messages twice";
    const other = this.#fields.get("messages");
    if (other !== undefined && other !== null) return "its messages are not a list";
    // One without any is there when it is one at all.
    const isSession = this.#lists === 1 || other === null || this.#fields.has("context");
    return isSession ? null : 'it has no "messages"';
  }
}

/** Of keys that are passed over the first are told. */
const KEYS_NAMED = 10;

/** As PowerShell writes it. */
function refuseUtf16(chunk: Uint8Array): void {
  const [first, second] = chunk;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    throw malformed("it is in UTF-16: save it in UTF-8");
  }
}

function placeOf(error: unknown, offset: number): number {
  return Number(/absolute position "(\d+)"/.exec(errorMessage(error))?.[1] ?? offset);
}

/** Does not wait for what somebody may never write. */
async function* untilAborted<Item>(source: AsyncIterable<Item>, signal?: AbortSignal): AsyncGenerator<Item> {
  const items = source[Symbol.asyncIterator]();
  let isOver = false;
  try {
    for (;;) {
      const next = await nextOf(items, signal);
      isOver = next?.done === true;
      if (next === null || next.done === true || signal?.aborted === true) return;
      yield next.value;
    }
  } finally {
    // Not waited for either: it comes after what is being read.
    if (!isOver) void items.return?.();
  }
}

/** @returns null: aborted before */
async function nextOf<Item>(items: AsyncIterator<Item>, signal?: AbortSignal): Promise<IteratorResult<Item> | null> {
  if (!signal) return items.next();
  if (signal.aborted) return null;
  const { promise, resolve } = Promise.withResolvers<null>();
  using _ = addAbortListener(signal, () => resolve(null));
  return await Promise.race([items.next(), promise]);
}

function malformed(message: string): BackscrollError {
  return new BackscrollError("malformed_json", `the dump is damaged: ${message}`);
}
