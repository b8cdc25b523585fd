import fc from "fast-check";
import { expect, test } from "vitest";
import { EventParser, readEvents, type ServerSentEvent } from "../src/sse.ts";
import { collect, failureOf } from "./running-service.ts";

function bodyOf(...pieces: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
}

function eventsOf(text: string): Promise<ServerSentEvent[]> {
  return collect(readEvents(bodyOf(new TextEncoder().encode(text))));
}

test("an event's data is its data lines, with what follows one space after the colon", async () => {
  expect(await eventsOf("data: a\ndata:b\ndata:  c\ndata\n\ndata:d\n\n")).toEqual([
    { data: "a\nb\n c\n", id: "" },
    { data: "d", id: "" },
  ]);
});

test("a line ends with LF, CR or CRLF", async () => {
  expect((await eventsOf("data: a\r\n\r\ndata: b\r\rdata: c\n\n")).map(({ data }) => data)).toEqual(["a", "b", "c"]);
});

test("an id holds until the next one, and one with U+0000 is none", async () => {
  const ids = (await eventsOf("id: 1\ndata: a\n\ndata: b\n\nid: x\0y\ndata: c\n\nid\ndata: d\n\n")).map(({ id }) => id);

  expect(ids).toEqual(["1", "1", "1", ""]);
});

test("comments, unknown fields, events without data and one that is cut off are no events", async () => {
  expect(await eventsOf(": keep-alive\n\nretry: 5\nfoo: bar\n\nevent: x\n\ndata: a\n\ndata: cut off\n")).toEqual([
    { data: "a", id: "" },
  ]);
});

test("a byte order mark at the beginning is left out", async () => {
  expect((await eventsOf("\uFEFFdata: a\n\n")).map(({ data }) => data)).toEqual(["a"]);
});

test("events are the same wherever the bytes are divided", async () => {
  const line = fc.stringMatching(/^(data: ?|id: ?|: ?|event: ?|)[aé漢😀: ]{0,6}$/u);
  const stream = fc
    .array(fc.tuple(line, fc.constantFrom("\n", "\r\n", "\r")), { maxLength: 12 })
    .map((lines) => `${lines.flat().join("")}data: end\n\n`);
  await fc.assert(
    fc.asyncProperty(stream, fc.array(fc.nat(200), { maxLength: 8 }), async (text, places) => {
      const bytes = new TextEncoder().encode(text);
      const cuts = [0, ...places.map((place) => place % bytes.length).toSorted((a, b) => a - b), bytes.length];
      const pieces = cuts.slice(1).map((end, index) => bytes.subarray(cuts[index], end));

      const whole = await eventsOf(text);

      expect(whole.at(-1)?.data.endsWith("end")).toBe(true);
      expect(await collect(readEvents(bodyOf(...pieces)))).toEqual(whole);
    }),
    { numRuns: 500 },
  );
});

test("every byte alone, CRLF and a character of four bytes among them, is the same event", async () => {
  const bytes = new TextEncoder().encode("id: 7\r\ndata: 😀\r\ndata: é\r\n\r\n");

  expect(await collect(readEvents(bodyOf(...Array.from(bytes, (byte) => Uint8Array.of(byte)))))).toEqual([
    { data: "😀\né", id: "7" },
  ]);
});

for (const [what, piece] of [
  ["a line without an end", "aaaaaaaaaa"],
  ["lines without an end of their event", "data: aaaa\n"],
] as const) {
  test(`${what} is an error once it is too long to be the service's, not memory without end`, () => {
    const parser = new EventParser(1_000);
    const push = (): void => {
      for (let pieces = 0; pieces < 1_000; pieces += 1) parser.push(piece);
    };

    expect(push).toThrow(expect.objectContaining({ code: "unreadable_answer" }));
  });
}

test("many events are of any length together", () => {
  const parser = new EventParser(1_000);
  let events = 0;
  for (let pieces = 0; pieces < 10_000; pieces += 1) events += parser.push("data: aaaaaaaa\n\n").length;

  expect(events).toBe(10_000);
});

test("a stream that breaks is an error, and what came before it is not lost", async () => {
  const broken = new Error("broken");
  const events = readEvents(
    new ReadableStream(
      {
        start: (controller) => controller.enqueue(new TextEncoder().encode("data: a\n\n")),
        pull: (controller) => controller.error(broken),
      },
      { highWaterMark: 0 },
    ),
  );

  expect(await events.next()).toEqual({ done: false, value: { data: "a", id: "" } });
  expect(await failureOf(events.next())).toBe(broken);
});

test("who stops reading cancels the stream", async () => {
  let isCanceled = false;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode("data: a\n\n")),
    cancel: () => void (isCanceled = true),
  });

  for await (const _ of readEvents(body)) break;

  expect(isCanceled).toBe(true);
});
