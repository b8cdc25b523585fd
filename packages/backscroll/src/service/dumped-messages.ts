import { BackscrollError, type ErrorCode } from "../domain/errors.ts";
import type { JsonObject, JsonValue } from "../domain/json.ts";
import type { NewMessage } from "../domain/message.ts";
import { canonicalJson } from "../domain/session-alignment.ts";
import { toNewMessage } from "../domain/session-message.ts";
import { saysTime, type SessionTime, timeOf, type TimeZone } from "../domain/session-time.ts";
import { checkNewMessages } from "./check.ts";
import { Fingerprints, fingerprint } from "./fingerprints.ts";
import type { MessageHold } from "./message-hold.ts";
import { VALUE_BYTES_MAX, VALUE_DEPTH_MAX } from "./session-dump-tokens.ts";

/** A message of a dump that Backscroll takes. */
export interface DumpedMessage {
  /** in its session's list, from 0 */
  readonly position: number;
  /** as the dump has it */
  readonly given: JsonObject;
  readonly message: NewMessage;
  readonly createdAt: Date;
}

export interface TimeReading {
  readonly zone: TimeZone;
  /** a time after it is none: nothing was written later than it is imported */
  readonly notAfter: Date;
  /** of what has no time, and none before it */
  readonly otherwise: Date;
}

/** What happens to single messages; told once, however often they are read. */
export interface MessageEvents {
  refused(position: number, code: ErrorCode, message: string): void;
  /** it is in its session twice, under one id */
  repeated(): void;
  /** its time had no zone */
  naive(): void;
  /** what it has for a time is none that can be read */
  timeUnreadable(): void;
}

/**
 * The messages of one session of a dump, in their order, without those that Backscroll does not take. What a reading
 * gives is the same each time.
 */
export class DumpedMessages {
  readonly #hold: MessageHold;
  readonly #settings: { readonly messageBytesMax: number };
  readonly #times: TimeReading;
  readonly #events: MessageEvents;
  /** position of the last message of which everything has been told */
  #told = -1;

  constructor(
    hold: MessageHold,
    { settings, times, events }: { settings: { messageBytesMax: number }; times: TimeReading; events: MessageEvents },
  ) {
    this.#hold = hold;
    this.#settings = settings;
    this.#times = times;
    this.#events = events;
  }

  /** @returns them in pieces; a piece may be empty */
  async *pieces(): AsyncGenerator<readonly DumpedMessage[]> {
    const ids = new Fingerprints();
    let position = 0;
    let at = this.#times.otherwise;
    for await (const values of this.#hold.pieces()) {
      const taken: DumpedMessage[] = [];
      for (const value of values) {
        const message = this.#take(value, position, ids);
        if (message) {
          const time = this.#timeOf(value as JsonObject, position);
          at = time?.at ?? at;
          taken.push({ position, given: value as JsonObject, message, createdAt: at });
        }
        this.#told = Math.max(this.#told, position);
        position += 1;
      }
      yield taken;
    }
  }

  #take(value: JsonValue | undefined, position: number, ids: Fingerprints): NewMessage | null {
    try {
      if (value === undefined) throw TOO_LARGE;
      const message = toNewMessage(value);
      checkNewMessages([message], this.#settings);
      return message.id !== undefined && this.#isRepeated(message.id, value, { position, ids }) ? null : message;
    } catch (error) {
      if (!(error instanceof BackscrollError)) throw error;
      if (position > this.#told) this.#events.refused(position, error.code, error.message);
      return null;
    }
  }

  /** @throws {BackscrollError} message_id_conflict when it is there with another body */
  #isRepeated(id: string, given: JsonValue, { position, ids }: { position: number; ids: Fingerprints }): boolean {
    const body = messageKey(given);
    const before = ids.add(fingerprint(id), body);
    if (before === undefined) return false;
    if (before !== body) throw new BackscrollError("message_id_conflict", "the session has this id with another body");
    if (position > this.#told) this.#events.repeated();
    return true;
  }

  #timeOf(given: JsonObject, position: number): SessionTime | null {
    const time = timeOf(given, this.#times);
    if (position <= this.#told) return time;
    if (time?.isNaive === true) this.#events.naive();
    if (time === null && saysTime(given)) this.#events.timeUnreadable();
    return time;
  }
}

/** @returns the same for the same message, as a dictionary has it */
export function messageKey(message: JsonValue): bigint {
  return fingerprint(canonicalJson(message));
}

const TOO_LARGE = new BackscrollError(
  "message_too_large",
  `a message over ${VALUE_BYTES_MAX} bytes, or more than ${VALUE_DEPTH_MAX} levels deep, is not read`,
);
