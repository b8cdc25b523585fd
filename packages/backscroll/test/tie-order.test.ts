import fc from "fast-check";
import { expect, test } from "vitest";
import { idClock } from "../src/domain/id-clock.ts";
import type { Role } from "../src/domain/message.ts";
import { orderTies, type Tied } from "../src/domain/tie-order.ts";
import { cuid } from "./import-guide-fixture.ts";

const TIME = Date.UTC(2026, 0, 1);
const NOBODY = { before: null, after: null };

function order(tied: readonly Tied[], around: { before: Role | null; after: Role | null } = NOBODY): string[] {
  return orderTies(tied, around).map(({ message }) => message.id);
}

const user = (id: string): Tied => ({ id, role: "user" });
const assistant = (id: string): Tied => ({ id, role: "assistant" });

test("ids tell their time, or nothing", () => {
  expect(idClock(cuid(TIME, 7, "ab12"))).toEqual({ ms: TIME, counted: { process: "ab12", count: 7 } });
  expect(idClock("019b76da-a800-7abc-8def-0123456789ab")).toEqual({ ms: TIME, counted: null });
  expect(idClock("01KDVDNA00ABCDEFGHJKMNPQRS")).toEqual({ ms: TIME, counted: null });
  const silent = [
    "tz4a98xxat96iws9zmbrgj3a",
    "9f1c3b1e-54f4-4b43-9d0e-6d5c9c2a7f10",
    "m1",
    "",
    "c00000000000000000000000a",
  ];
  for (const id of silent) expect(idClock(id), id).toBeNull();
});

test("cuids of one process are in the order of its counter, whoever speaks", () => {
  const tied = [9, 3, 7].map((count) => assistant(cuid(TIME, count)));
  expect(order(tied)).toEqual([3, 7, 9].map((count) => cuid(TIME, count)));
});

test("a counter that began again goes on", () => {
  const [last, first] = [cuid(TIME, 36 ** 4 - 1), cuid(TIME, 0)];
  expect(order([user(first), user(last)])).toEqual([last, first]);
});

test("an earlier millisecond in the id goes before a lower counter, and before another process's", () => {
  const early = cuid(TIME, 9, "aaaa");
  const late = cuid(TIME + 1, 1, "aaaa");
  const other = cuid(TIME + 2, 0, "bbbb");
  expect(order([user(other), user(late), user(early)])).toEqual([early, late, other]);
});

test("cuids of two processes in one millisecond are in the order of a dialogue", () => {
  const question = cuid(TIME, 900, "aaaa");
  const answer = cuid(TIME, 1, "bbbb");
  expect(orderTies([assistant(answer), user(question)], NOBODY)).toEqual([
    { message: user(question), rule: "roles" },
    { message: assistant(answer), rule: "roles" },
  ]);
});

test("where ids are random, a question goes before its answer", () => {
  expect(order([assistant("a"), user("b")])).toEqual(["b", "a"]);
  expect(order([assistant("a"), user("b"), { id: "z", role: "system" }])).toEqual(["z", "b", "a"]);
});

test("an answer that was due comes before the next question, as those around say", () => {
  const tied = [user("u"), assistant("a")];
  expect(order(tied, { before: "user", after: "assistant" })).toEqual(["a", "u"]);
  expect(order(tied, { before: "assistant", after: "user" })).toEqual(["u", "a"]);
  expect(order(tied, { before: "user", after: "user" })).toEqual(["u", "a"]);
});

test("a history with one time for all is a dialogue", () => {
  const tied = [assistant("1"), assistant("2"), user("3"), user("4"), { id: "0", role: "system" as const }];
  expect(order(tied)).toEqual(["0", "3", "1", "4", "2"]);
});

const anyTied = fc
  .uniqueArray(fc.string({ minLength: 1, maxLength: 6 }), { minLength: 2, maxLength: 12 })
  .chain((ids) =>
    fc.tuple(
      ...ids.map((text, index) =>
        fc.record({
          id: fc.constantFrom(text, cuid(TIME, index), cuid(TIME + index, 5, `p${index % 10}xx`)),
          role: fc.constantFrom<(Role | null)[]>("system", "user", "assistant", "tool", null),
        }),
      ),
    ),
  )
  .filter((tied) => new Set(tied.map(({ id }) => id)).size === tied.length);
const anyRole = fc.constantFrom<(Role | null)[]>("system", "user", "assistant", "tool", null);

test("whatever is tied, it comes out once each, in one order however it came in", () => {
  fc.assert(
    fc.property(
      anyTied,
      anyRole,
      anyRole,
      fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
      (tied, before, after, random) => {
        const placed = orderTies(tied, { before, after }).map(({ message }) => message);
        expect(placed.map(({ id }) => id).toSorted()).toEqual(tied.map(({ id }) => id).toSorted());
        const shuffled = tied
          .map((message) => ({ message, key: random.next().value }))
          .toSorted((a, b) => a.key - b.key);
        expect(
          orderTies(
            shuffled.map(({ message }) => message),
            { before, after },
          ).map(({ message }) => message),
        ).toEqual(placed);
      },
    ),
  );
});

test("what one process wrote comes out as it was written, whatever it said", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 36 ** 4 - 1 }),
      fc.array(fc.constantFrom<Role[]>("system", "user", "assistant", "tool"), { minLength: 2, maxLength: 20 }),
      fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 20, maxLength: 20 }),
      anyRole,
      (start, roles, steps, before) => {
        let ms = TIME;
        const written = roles.map((role, index) => {
          ms += steps[index] ?? 0;
          return { id: cuid(ms, (start + index) % 36 ** 4), role };
        });
        expect(order(written.toReversed(), { before, after: null })).toEqual(written.map(({ id }) => id));
      },
    ),
  );
});

test("a dialogue that alternates is found again, however many of it have one time", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 12 }), fc.boolean(), fc.boolean(), (length, userFirst, wholeKnown) => {
      const roles = Array.from({ length }, (_, i): Role => ((i % 2 === 0) === userFirst ? "user" : "assistant"));
      const tied = roles.map((role, i) => ({ id: `m${i}`, role }));
      const [first, last] = [
        userFirst ? "assistant" : "user",
        (length % 2 === 0) === userFirst ? "user" : "assistant",
      ] as const;
      const around = wholeKnown || !userFirst ? { before: first, after: last } : NOBODY;
      const placed = orderTies(tied, around).map(({ message }) => message.role);
      expect(placed).toEqual(roles);
    }),
  );
});
