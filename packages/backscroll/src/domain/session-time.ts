import type { JsonObject, JsonValue } from "./json.ts";

/** When something of a dictionary was written, and how that is known. */
export interface SessionTime {
  readonly at: Date;
  /** it said no zone: it was taken to be in the one asked for */
  readonly isNaive: boolean;
}

/** Where apps keep the time of a message, or of a session; the first that is a time. */
const TIME_KEYS = ["timestamp", "created_at", "createdAt", "time", "ts", "date"] as const;

/**
 * @param notAfter no time can be later: what says so is none
 * @returns null when no key holds a time
 */
export function timeOf(value: JsonObject, { zone, notAfter }: { zone: TimeZone; notAfter: Date }): SessionTime | null {
  for (const key of TIME_KEYS) {
    const time = parseTime(Object.hasOwn(value, key) ? value[key] : undefined, zone);
    if (time !== null && time.at <= notAfter) return time;
  }
  return null;
}

/** @returns whether a time is kept under one of its keys, readable or not */
export function saysTime(value: JsonObject): boolean {
  return TIME_KEYS.some((key) => Object.hasOwn(value, key) && value[key] !== null);
}

/**
 * Takes ISO 8601, as `isoformat()`, `str()` of a Python datetime and `toJSON()` write it, and seconds or milliseconds
 * since 1970, from 1973 on: a smaller number is a duration, or a place in a list. Below a millisecond it is cut off.
 *
 * @returns null when it is no time
 */
export function parseTime(value: JsonValue | undefined, zone: TimeZone): SessionTime | null {
  if (typeof value === "number") return parseEpoch(value);
  if (typeof value !== "string") return null;
  if (/^\d{9,}(?:\.\d+)?$/.test(value)) return parseEpoch(Number(value));
  const found = ISO_TIME.exec(value.trim());
  if (!found) return null;
  const [, year, month, day, hour = "0", minute = "0", second = "0", fraction = "", offset] = found;
  const ms = Number(fraction.slice(0, 3).padEnd(3, "0"));
  const utc = utcOf([Number(year), Number(month), Number(day), Number(hour), Number(minute), Number(second)], ms);
  if (utc === null) return null;
  const at = offset === undefined ? zone.toUtc(utc) : utc - offsetMs(offset);
  return Math.abs(at) > YEAR_9999 || new Date(at).getUTCFullYear() < 1
    ? null
    : { at: new Date(at), isNaive: offset === undefined };
}

const ISO_TIME =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?(Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?)?$/i;
const YEAR_9999 = Date.UTC(9999, 11, 31);
/** Seconds of the year 1973 and of 5138: from there on they are milliseconds. */
const SECONDS = { from: 1e8, to: 1e11 };

function parseEpoch(value: number): SessionTime | null {
  if (!(value >= SECONDS.from && value < SECONDS.to * 1_000)) return null;
  return { at: new Date(Math.floor(value < SECONDS.to ? value * 1_000 : value)), isNaive: false };
}

type Fields = [year: number, month: number, day: number, hour: number, minute: number, second: number];

/** @returns null for a day or an hour that there is not */
function utcOf([year, month, day, hour, minute, second]: Fields, ms: number): number | null {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day); // Date.UTC takes the years 0 to 99 for 1900 to 1999
  date.setUTCHours(hour, minute, second, ms);
  const isSame =
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    date.getUTCHours() === hour &&
    date.getUTCMinutes() === minute &&
    date.getUTCSeconds() === second;
  return isSame ? date.getTime() : null;
}

function offsetMs(offset: string): number {
  if (offset.toUpperCase() === "Z") return 0;
  const [hours = 0, minutes = 0, seconds = 0] = (offset.slice(1).replaceAll(":", "").match(/\d\d/g) ?? []).map(Number);
  return (offset.startsWith("-") ? -1 : 1) * ((hours * 60 + minutes) * 60 + seconds) * 1_000;
}

/** What a wall clock shows, in milliseconds as if it were UTC, as an instant. */
export interface TimeZone {
  readonly name: string;
  toUtc(wallClock: number): number;
}

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/**
 * As Python reads a naive time (PEP 495, `fold=0`): one that came twice is the first, one that was left out is as if the
 * clock had not been changed.
 *
 * @param name of the IANA database
 * @throws {RangeError} when there is no such zone
 */
export function timeZone(name: string): TimeZone {
  const format = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
  const isUtc = /^(?:etc\/)?(?:utc|gmt|z|zulu)$/i.test(name);
  const offsetAt = (instant: number): number => {
    const [, sign, hours, minutes, seconds = "0"] =
      /GMT([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(format.format(instant)) ?? [];
    if (sign === undefined) return 0;
    return (sign === "-" ? -1 : 1) * ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1_000;
  };
  // Messages of one session are near each other, and a clock is changed at a whole quarter of an hour.
  let known = { quarter: Number.NaN, offset: 0 };
  return {
    name,
    toUtc(wallClock) {
      if (isUtc) return wallClock;
      const quarter = Math.floor(wallClock / (HOUR_MS / 4));
      if (quarter !== known.quarter) {
        const before = offsetAt(wallClock - DAY_MS);
        const after = offsetAt(wallClock + DAY_MS);
        const offset =
          offsetAt(wallClock - before) === before || offsetAt(wallClock - after) !== after ? before : after;
        known = { quarter, offset };
      }
      return wallClock - known.offset;
    },
  };
}
