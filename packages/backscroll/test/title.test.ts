import { expect, test } from "vitest";
import { titleFrom, titleFromSuggestion } from "../src/domain/title.ts";
import { titleFromMessage } from "../src/service/title.ts";

test.for([
  ["a short line is the title, without its full stop", "Trip to Rome.", "Trip to Rome"],
  ["a question keeps its mark", "Why is the sky blue?", "Why is the sky blue?"],
  ["the first line with words counts", "\n\n---\n...\nTrip to Rome\nand back", "Trip to Rome"],
  ["white space is one space", "  Trip\t to\u00a0 Rome ", "Trip to Rome"],
  [
    "whole sentences, when they fit",
    `A fine sentence that ends here. ${"And then more ".repeat(9)}`,
    "A fine sentence that ends here",
  ],
  [
    "a greeting alone says too little",
    `Hi! ${"How do I sort a list by two keys ".repeat(3)}`,
    "Hi! How do I sort a list by two keys How do I sort a list…",
  ],
  [
    "otherwise the end of a word",
    "Compare the performance of insertion sort, merge sort and quicksort",
    "Compare the performance of insertion sort, merge sort and…",
  ],
  ["the mark before the cut goes", `${"x".repeat(50)}, (${"y".repeat(50)}`, `${"x".repeat(50)}…`],
  [
    "headings, quotes, lists and emphasis are plain",
    "> ## 1. **Plan** for _the_ `trip` to [Rome](http://x.y/z)",
    "Plan for the trip to Rome",
  ],
  ["what only looks like markup stays", "snake_case, 2 * 3 * 4 and a-b in C#", "snake_case, 2 * 3 * 4 and a-b in C#"],
  ["words beside code go before it", "```python\nprint(1)\n```\nWhat does it print?", "What does it print?"],
  ["code alone is better than nothing", "```python\nprint(1)\n```", "print(1)"],
  ["code that does not end is code, too", "Explain:\n```\nprint(1)", "Explain"],
  ["marks that turn the direction go", "a\u202eb\u2066c", "a b c"],
  ["what PostgreSQL could not keep goes", "a\u0000b \ud800", "a b \ufffd"],
  ["an emoji is a title", "🦜", "🦜"],
] as const)("from a message: %s", ([, text, title]) => {
  expect(titleFromMessage(text)).toBe(title);
});

test("no cut falls inside a character, a family or a letter with its accents, whatever the text", () => {
  const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });
  for (const unit of ["👨‍👩‍👧‍👦", "🇮🇹", "漢", "e\u0301", "สวัสดี", "x", "word ", "ก\u0e31"]) {
    for (const lead of ["", "a", "ab", "abc "]) {
      const text = lead + unit.repeat(100);
      const title = titleFromMessage(text);
      expect(title.length).toBeLessThanOrEqual(60);
      expect(title.length).toBeGreaterThan(40);
      const whole = [...graphemes.segment(text)].map(({ segment }) => segment).slice(0, 100);
      const shown = [...graphemes.segment(title.slice(0, -1))].map(({ segment }) => segment);
      expect(title.endsWith("…")).toBe(true);
      expect(whole.slice(0, shown.length)).toEqual(shown);
    }
  }
});

test("a message without words has the default title", () => {
  for (const text of ["", " \n\t", "...", "---\n***", "```", "\u0000\u202e", `e${"\u0301".repeat(100)}`]) {
    expect(titleFromMessage(text)).toBe("New Conversation");
    expect(titleFrom(text)).toBe("");
  }
});

test("only the beginning of a message is read, however long it is", () => {
  expect(titleFrom(`${"\n".repeat(1_999)}x`)).toBe("x");
  expect(titleFrom(`${"\n".repeat(2_000)}x`)).toBe("");
});

test.for([
  ['"Sorting lists"', "Sorting lists"],
  ["Title: **Sorting lists**.", "Sorting lists"],
  ["“Sorting lists”\n\nI chose it because…", "Sorting lists"],
  ["<think>\nThe user wants a title.\n</think>\n\nSorting lists\n", "Sorting lists"],
  ["The user wants…</think>Sorting lists", "Sorting lists"],
  ["<think>\nThe user wants a", ""],
  ["O'Neill's lists", "O'Neill's lists"],
  ["", ""],
] as const)("a model's suggestion %j is the title %j", ([said, title]) => {
  expect(titleFromSuggestion(said)).toBe(title);
});
