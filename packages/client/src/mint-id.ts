import type { NewMessage } from "./types.ts";

const COUNTER_MAX = 0xfff;

let lastMs = 0;
let counter = 0;

/**
 * @returns a UUIDv7 (RFC 9562, 5.7): ids minted here sort as they were minted, within a millisecond too and when
 * the clock goes back (6.2, method 1: `rand_a` counts; when it is full, the time moves on by itself)
 */
export function mintId(): string {
  // Not randomUUID: browsers have that on secure origins only.
  const [a = 0, b = 0, c = 0, d = 0, start = 0] = crypto.getRandomValues(new Uint16Array(5));
  const now = Date.now();
  if (now > lastMs) {
    lastMs = now;
    // Begins in the lower half, so that it has room to count.
    counter = start & (COUNTER_MAX >> 1);
  } else if (counter < COUNTER_MAX) {
    counter += 1;
  } else {
    lastMs += 1;
    counter = 0;
  }
  const time = hex(lastMs, 12);
  const variant = (a & 0x3fff) | 0x8000;
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(counter, 3)}-${hex(variant, 4)}-${hex(b, 4)}${hex(c, 4)}${hex(d, 4)}`;
}

/** @returns the message with an id, its own or a new one: sent twice it is one */
export function withId(message: NewMessage): NewMessage {
  return { ...message, id: message.id ?? mintId() };
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
