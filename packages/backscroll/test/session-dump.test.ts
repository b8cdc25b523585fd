import fc from "fast-check";
import { expect, test } from "vitest";
import type { JsonValue } from "../src/domain/json.ts";
import { lackingFrom } from "../src/domain/session-alignment.ts";
import { parseTime, timeZone } from "../src/domain/session-time.ts";
import { fingerprint, FingerprintList, Fingerprints } from "../src/service/fingerprints.ts";
import { MessageHold } from "../src/service/message-hold.ts";
import { PythonJson } from "../src/service/python-json.ts";
import { SessionDump } from "../src/service/session-dump.ts";
import { inPieces } from "./import-sessions-fixture.ts";
import { isReadRight, jsonValue } from "./json-value.ts";

/** Cut at these places. */
function pieces(text: string, cuts: readonly number[]): Uint8Array[] {
  const bytes = Buffer.from(text);
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}

function toJson(text: string, cuts: readonly number[]): { json: string; nonFinite: number } {
  const python = new PythonJson();
  const parts = pieces(text, cuts).map((piece) => Buffer.from(python.toJson(piece)));
  return { json: Buffer.concat([...parts, python.end()]).toString(), nonFinite: python.nonFinite };
}

test("NaN and Infinity become null outside of texts, wherever the pieces end, and nothing else changes", () => {
  const unknown = fc.constantFrom("NaN", "Infinity", "-Infinity");
  const text = fc.string({ unit: fc.constantFrom("N", "a", "I", "-", '"', "\\", "é", "NaN", "Infinity") });
  const value = fc.oneof(
    unknown.map((word) => ({ written: word, read: "null", count: 1 })),
    fc.oneof(text, fc.double(), fc.integer(), fc.boolean()).map((known) => ({
      written: JSON.stringify(known),
      read: JSON.stringify(known),
      count: 0,
    })),
  );
  fc.assert(
    fc.property(fc.array(value), fc.array(fc.nat()), (values, cuts) => {
      const { json, nonFinite } = toJson(`[${values.map(({ written }) => written).join(", ")}]`, cuts);
      expect(json).toBe(`[${values.map(({ read }) => read).join(", ")}]`);
      expect(nonFinite).toBe(values.reduce((sum, { count }) => sum + count, 0));
    }),
  );
});

test.for(["Na", "NaNs", "-Infinit", "--NaN", "nullNaNa"])("%s is no number, and stays", (word) => {
  for (let cut = 0; cut <= word.length; cut += 1) expect(toJson(word, [cut])).toEqual({ json: word, nonFinite: 0 });
});

test("any dictionary is read as JSON.parse reads it, wherever the pieces end", async () => {
  const session = fc.oneof(
    fc.array(jsonValue()),
    fc.record({ messages: fc.array(jsonValue()), context: jsonValue(), x: jsonValue() }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(fc.string(), session).filter(isReadRight),
      fc.integer({ min: 1, max: 64 }),
      async (dictionary, size) => {
        const text = JSON.stringify(dictionary);
        const read: [string | null, JsonValue][] = [];
        for await (const { id, fields, messages } of new SessionDump(inPieces(text, size)).sessions()) {
          const list: unknown[] = [];
          for await (const piece of messages.pieces()) list.push(...piece);
          const isList = Array.isArray((JSON.parse(text) as Record<string, unknown>)[id ?? ""]);
          const value: unknown = isList ? list : { messages: list, ...Object.fromEntries(fields) };
          read.push([id, value as JsonValue]);
        }
        expect(read).toEqual(Object.entries(JSON.parse(text) as Record<string, JsonValue>));
      },
    ),
  );
});

test("a reading that is stopped ends between two sessions, and is no damaged dump", async () => {
  const stop = new AbortController();
  const read: (string | null)[] = [];
  for await (const { id } of new SessionDump(
    inPieces('{"a": [], "b": [1, 2, 3], "c": []}', 4),
    stop.signal,
  ).sessions()) {
    read.push(id);
    stop.abort();
  }
  expect(read).toEqual(["a"]);
});

test("a place in a dump is told as it is there, however many NaN come before it", async () => {
  const numbers = ["NaN", "-Infinity", "Infinity", "1"];
  const given = fc.array(fc.constantFrom(...numbers), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(given, fc.boolean(), fc.integer({ min: 1, max: 40 }), async (values, isCut, size) => {
      const begin = `{"a": [${values.join(", ")}], "b": [`;
      const text = isCut ? begin : `${begin}?]}`;
      const place = isCut
        ? `breaks off after ${begin.length} bytes, in what begins at ${begin.length - 1}$`
        : `byte ${begin.length}$`;
      const read = async (): Promise<void> => {
        for await (const { messages } of new SessionDump(inPieces(text, size)).sessions()) await messages.remove();
      };
      await expect(read()).rejects.toThrow(new RegExp(place));
    }),
  );
});

/** What somebody has begun to write, and does not go on with. */
async function* unfinished(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
  await new Promise(() => undefined);
}

test("a reading that is stopped does not wait for what is still to be written", async () => {
  const stop = new AbortController();
  const read: (string | null)[] = [];
  for await (const { id } of new SessionDump(unfinished('{"a": [], "b": ['), stop.signal).sessions()) {
    read.push(id);
    setImmediate(() => stop.abort());
  }
  expect(read).toEqual(["a"]);
});

test("what is in the place of a pair is told once, with its messages, and is no session", async () => {
  const dump =
    '[["a", [1, 2], 3], ["b", {"messages": [1]}], ["c", null, 3], ["d", null], ["e"], [], ["f", [], [], {}], [{}, []]]';
  const read: unknown[] = [];
  for await (const { id, position, problem, messages } of new SessionDump(inPieces(dump, 5)).sessions())
    read.push([id, position, problem?.slice(0, 9) ?? null, messages.length]);
  expect(read).toEqual([
    ["a", 0, "it is not", 2],
    ["b", 1, null, 1],
    ["c", 2, "it is nul", 0],
    ["d", 3, "it is nul", 0],
    ["e", 4, "it is not", 0],
    [null, 5, "it is not", 0],
    ["f", 6, "it is not", 0],
    [null, 7, "it is not", 0],
  ]);
});

test("messages that are held are the same from memory and from a file, as often as they are read", async () => {
  const hold = new MessageHold();
  const values = [{ a: "\u2028\ud800\n" }, undefined, null, "x".repeat(1_500_000), ["é"], { b: 1 }];
  for (const value of values) {
    hold.add(value, typeof value === "string" ? value.length : 10);
    await hold.settle();
  }
  for (let reading = 0; reading < 2; reading += 1) {
    const read: unknown[] = [];
    for await (const piece of hold.pieces()) read.push(...piece);
    expect(read).toEqual(values);
  }
  expect(hold.length).toBe(values.length);
  await hold.remove();
});

test.for([
  ["2024-05-01 12:34:56.789012", "UTC", "2024-05-01T12:34:56.789Z", true],
  ["2024-05-01T12:34:56", "Europe/Rome", "2024-05-01T10:34:56.000Z", true],
  ["2024-05-01 12:34", "America/New_York", "2024-05-01T16:34:00.000Z", true],
  ["2024-05-01", "Asia/Kolkata", "2024-04-30T18:30:00.000Z", true],
  ["2024-05-01 12:34:56+00:00", "Europe/Rome", "2024-05-01T12:34:56.000Z", false],
  ["2024-05-01T12:34:56.7-0330", "UTC", "2024-05-01T16:04:56.700Z", false],
  ["2024-05-01T12:34:56Z", "Europe/Rome", "2024-05-01T12:34:56.000Z", false],
  // Twice: the first. Left out: as if the clock had not been changed.
  ["2024-10-27 02:30:00", "Europe/Rome", "2024-10-27T00:30:00.000Z", true],
  ["2024-10-27 03:00:00", "Europe/Rome", "2024-10-27T02:00:00.000Z", true],
  ["2024-03-31 02:30:00", "Europe/Rome", "2024-03-31T01:30:00.000Z", true],
  [1_714_566_896, "Europe/Rome", "2024-05-01T12:34:56.000Z", false],
  [1_714_566_896.5, "UTC", "2024-05-01T12:34:56.500Z", false],
  [1_714_566_896_789, "UTC", "2024-05-01T12:34:56.789Z", false],
  ["1714566896.5", "UTC", "2024-05-01T12:34:56.500Z", false],
] as const)("%s in %s is %s", ([given, zone, at, isNaive]) => {
  expect(parseTime(given, timeZone(zone))).toEqual({ at: new Date(at), isNaive });
});

test.for([
  "2024-02-30",
  "2024-05-01 25:00:00",
  "0000-01-01",
  "yesterday",
  "12:34",
  "",
  5,
  0.5,
  -1,
  1e15,
  null,
  true,
  {},
  [],
] as const)("%s is no time", (given) => expect(parseTime(given, timeZone("UTC"))).toBeNull());

test("a zone that there is not is refused", () => expect(() => timeZone("Mars/Olympus")).toThrow(RangeError));

test("what a dictionary has more is found as the slow way finds it", () => {
  const letters = fc.array(fc.constantFrom("a", "b"), { maxLength: 9 });
  const slowly = (old: string[], ours: string[]): number | null => {
    for (let length = Math.min(old.length, ours.length); length > 0; length -= 1) {
      if (old.slice(0, length).join("") === ours.slice(-length).join("")) return length;
    }
    return old.some((each) => ours.includes(each)) ? null : 0;
  };
  fc.assert(
    fc.property(letters, letters, (old, ours) => {
      const from = lackingFrom(old, ours);
      // Where it is all there, nothing is lacking.
      if (from !== old.length) expect(from).toBe(slowly(old, ours));
      else expect(isSubsequence(old, ours)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

function isSubsequence(some: readonly string[], all: readonly string[]): boolean {
  const rest = all.values();
  return some.every((each) => rest.some((other) => other === each));
}

test("fingerprints are kept as a map keeps them", () => {
  const kept = new Fingerprints();
  const list = new FingerprintList();
  const model = new Map<bigint, bigint>();
  for (let n = 0; n < 20_000; n += 1) {
    const key = n % 3 === 0 ? BigInt(n % 7) << 32n : fingerprint(`${n % 9_000}`);
    const same = key === 0n ? 1n : key;
    expect(kept.add(key, BigInt(n))).toBe(model.get(same));
    if (!model.has(same)) model.set(same, BigInt(n));
    list.push(key);
  }
  expect(list.items).toHaveLength(20_000);
});
