/** What an id tells of when it was made. */
export interface IdClock {
  /** milliseconds since 1970, by the clock of whoever made it */
  readonly ms: number;
  /** of a cuid: which process made it, and its how-manieth that was, from 0 to 36^4 - 1, over and over; null: it does not say */
  readonly counted: { readonly process: string; readonly count: number } | null;
}

/** https://github.com/paralleldrive/cuid: c, the time, a counter, the process, randomness; a cuid2 tells nothing. */
const CUID = /^c([0-9a-z]{8})([0-9a-z]{4})([0-9a-z]{4})[0-9a-z]{8}$/;
/** https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7 */
const UUID_V7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;
/** https://github.com/ulid/spec */
const ULID = /^([0-7][0-9A-HJKMNP-TV-Z]{9})[0-9A-HJKMNP-TV-Z]{16}$/i;
const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** There were no cuids before; 36^8 ms are in 2059. */
const EARLIEST_MS = Date.UTC(2012, 0, 1);
const LATEST_MS = 36 ** 8;

/** @returns null when it tells nothing: a cuid2, a random UUID, anything else */
export function idClock(id: string): IdClock | null {
  const clock = cuidClock(id) ?? uuidClock(id) ?? ulidClock(id);
  return clock !== null && clock.ms >= EARLIEST_MS && clock.ms < LATEST_MS ? clock : null;
}

function cuidClock(id: string): IdClock | null {
  const [, time, count, process] = CUID.exec(id) ?? [];
  if (time === undefined || count === undefined || process === undefined) return null;
  return { ms: Number.parseInt(time, 36), counted: { process, count: Number.parseInt(count, 36) } };
}

function uuidClock(id: string): IdClock | null {
  const [, high, low] = UUID_V7.exec(id) ?? [];
  return high === undefined || low === undefined ? null : { ms: Number.parseInt(high + low, 16), counted: null };
}

function ulidClock(id: string): IdClock | null {
  const [, time] = ULID.exec(id) ?? [];
  if (time === undefined) return null;
  const ms = Array.from(time.toUpperCase()).reduce((sum, digit) => sum * 32 + CROCKFORD.indexOf(digit), 0);
  return { ms, counted: null };
}
