import { expect, test } from "vitest";
import { messagesToAppend } from "../src/session-store/backfill.ts";
import { compareSession, parityText, reportParity, type SessionParity } from "../src/session-store/parity.ts";

const says = (texts: string): object[] => texts.split("").map((content) => ({ role: "user", content }));
const session = (texts: string, context = {}) => ({ messages: says(texts), context });

/** Messages are one letter each. */
function compare(legacy: string, backscroll: string): Partial<SessionParity> {
  const { missing, extra, different, reordered, forgotten, same } = compareSession(
    "s",
    session(legacy),
    session(backscroll),
  );
  const counts = { missing, extra, different, reordered, forgotten };
  expect(same).toBe(missing + extra + different + reordered === 0);
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}

test.for([
  ["abc", "abc", {}],
  ["", "", {}],
  ["aa", "aa", {}],
  ["abc", "ab", { missing: 1 }],
  ["abc", "ac", { missing: 1 }],
  ["abcde", "ace", { missing: 2 }],
  ["abc", "", { missing: 3 }],
  ["aaa", "aa", { missing: 1 }],
  ["ab", "abc", { extra: 1 }],
  ["abd", "abcd", { extra: 1 }],
  ["abc", "axc", { different: 1 }],
  ["abcd", "axyd", { different: 2 }],
  ["abc", "axyc", { different: 1, extra: 1 }],
  ["abc", "acb", { reordered: 2 }],
  ["abcd", "adcb", { reordered: 2 }],
  ["bc", "abc", { forgotten: 1 }],
  ["", "abc", { forgotten: 3 }],
  ["hi", "hihi", { forgotten: 2 }],
  ["cx", "abcy", { forgotten: 2, different: 1 }],
] as const)("the dictionary's %s beside Backscroll's %s is told as it is", ([legacy, backscroll, told]) => {
  expect(compare(legacy, backscroll)).toEqual(told);
});

test("a session that is in one of the two only is told", () => {
  expect(compareSession("s", session("ab"), undefined)).toMatchObject({ missing: 2, same: false });
  expect(compareSession("s", undefined, session("ab"))).toMatchObject({ forgotten: 2, same: true });
  expect(compareSession("s", undefined, undefined)).toMatchObject({ same: true });
});

test("a message that differs is told with the keys that do, its role among them", () => {
  const legacy = { messages: [{ role: "user", content: "a", at: 1, x: [1, { y: 2 }] }], context: {} };
  const ours = { messages: [{ x: [1, { y: 2 }], role: "assistant", content: "b" }], context: {} };
  expect(compareSession("s", legacy, ours).differences).toEqual([
    {
      kind: "different",
      index: 0,
      keys: ["role", "content", "at"],
      legacy: legacy.messages[0],
      backscroll: ours.messages[0],
    },
  ]);
});

test("the order of keys, dates and what JSON leaves out are no difference", () => {
  const at = new Date("2026-01-02T03:04:05.678Z");
  const legacy = {
    messages: [{ role: "user", content: "a", at, none: undefined }],
    context: { at, b: { c: 1, d: 2 } },
  };
  const ours = {
    messages: [{ content: "a", at: at.toISOString(), role: "user" }],
    context: { b: { d: 2, c: 1 }, at: at.toISOString() },
  };
  expect(compareSession("s", legacy, ours)).toMatchObject({ same: true });
});

test("contexts that differ are told by key; what an emptied dictionary has forgotten is no difference", () => {
  const { contextKeys, same } = compareSession("s", session("a", { x: 1, y: 1 }), session("a", { x: 2, z: 1 }));
  expect([contextKeys, same]).toEqual([["x", "y", "z"], false]);
  expect(compareSession("s", session("b", { x: 1 }), session("ab", { x: 1, z: 1 }))).toMatchObject({ same: true });
  expect(compareSession("s", session("b", { x: 1 }), session("ab", { x: 2 }))).toMatchObject({ contextKeys: ["x"] });
});

async function* each<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items;
}

test("a report counts all sessions and differences, and its text says nothing of what was written", async () => {
  const report = await reportParity(
    each([
      compareSession("one", session("ab"), session("ab")),
      compareSession("two", session("qrs", { secret: "w" }), session("qt")),
      compareSession("three", session("b"), session("ab")),
      null,
    ]),
  );
  expect(report).toMatchObject({ sessions: 4, same: 2, mismatched: 1, unsettled: 1 });
  expect(report).toMatchObject({ missing: 1, different: 1, forgotten: 1, contextDifferences: 1 });
  expect(report.mismatches.map(({ sessionId }) => sessionId)).toEqual(["two"]);
  expect(parityText(report)).toBe(
    [
      "4 sessions compared: 2 the same, 1 mismatched, 1 written to meanwhile",
      "  missing 1, extra 0, different 1, reordered 0, in contexts 1; 1 that the dictionary has forgotten",
      "two: 3 messages in the dictionary, 2 in Backscroll",
      "  missing in Backscroll: message 1 (user)",
      "  different: message 2 (user), in content",
      "  the contexts differ in secret",
    ].join("\n"),
  );
});

test("a report stays small, however much differs", async () => {
  const mismatch = compareSession("s", session("x".repeat(1_000)), session(""));
  expect(mismatch.differences).toHaveLength(5);
  const report = await reportParity(each(Array.from({ length: 300 }, () => mismatch)));
  expect(report).toMatchObject({ mismatched: 300, missing: 300_000 });
  expect(report.mismatches).toHaveLength(100);
  expect(parityText(report)).toContain("and 200 more sessions");
});

test.for([
  ["abc", "", "abc"],
  ["abc", "a", "bc"],
  ["abc", "ab", "c"],
  ["bc", "ab", "c"],
  ["cd", "ab", "cd"],
  ["abc", "abc", ""],
  ["abc", "ac", null],
  ["abc", "axc", null],
  ["abc", "bac", null],
] as const)("to end as the dictionary's %s, Backscroll's %s lacks %s", ([legacy, backscroll, lacking]) => {
  expect(messagesToAppend(says(legacy), says(backscroll))).toEqual(lacking === null ? null : says(lacking));
});
