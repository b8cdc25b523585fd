import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { expect, test } from "vitest";
import { type CountTokens, TokenCounter } from "../src/service/token-counter.ts";

const MAX = 8_000;
const asText = { disallowedSpecial: new Set<string>() };
const PROSE = "Die Katze sprang über den Zaun; then she sat down, 12 times, and looked at me. ";

/** A counter whose tokenizer is the real one and writes down what it was asked. */
function spied(max = MAX): { counter: TokenCounter; asked: string[]; loads: () => number } {
  const asked: string[] = [];
  let loads = 0;
  const count: CountTokens = (text) => {
    asked.push(text);
    return countTokens(text, asText);
  };
  const counter = new TokenCounter(max, () => {
    loads += 1;
    return Promise.resolve(count);
  });
  return { counter, asked, loads: () => loads };
}

test.for([
  ["one letter", "a"],
  ["spaces", " "],
  ["line breaks", "\n"],
  ["dashes", "-"],
  ["families", "👨‍👩‍👧‍👦"],
  ["parrots", "x🦜"],
  ["Chinese", "漢字仮名交"],
  ["Thai", "สวัสดี"],
  ["accents", "e\u0301"],
  ["prose", PROSE],
] as const)("%s: slices of 256 at most, and no more of them than the budget allows", async ([, unit]) => {
  for (const length of [MAX * 16, 1_000_000]) {
    const { counter, asked } = spied();
    await counter.count("k", unit.repeat(length / unit.length));
    // A tokenizer's time grows with the square of a slice, so these two bound it.
    expect(asked.length).toBeLessThanOrEqual((MAX * 16) / 255 + 1);
    for (const slice of asked) {
      expect(slice.length).toBeLessThanOrEqual(256);
      expect(slice.isWellFormed()).toBe(true);
    }
    expect(asked.length > 0).toBe(length === MAX * 16);
  }
});

test("base64, of which no two slices are alike, stops at the budget, too", async () => {
  const bytes = Uint8Array.from({ length: 750_000 }, (_, i) => (i * i * 31 + i * 17) % 251);
  const { counter, asked } = spied();
  const text = Buffer.from(bytes).toString("base64").slice(0, 120_000);
  expect(await counter.count("k", text)).toBe(Infinity);
  expect(asked.join("").length).toBeLessThan(text.length);
  expect(asked.slice(0, -1).reduce((sum, slice) => sum + countTokens(slice, asText), 0)).toBeLessThanOrEqual(MAX);
});

test("others get their turn while a long text is counted", async () => {
  const { counter, asked } = spied();
  const counting = counter.count("k", "a".repeat(60_000));
  const askedAtEachTurn: number[] = [];
  let done = false;
  const watch = (): void => {
    askedAtEachTurn.push(asked.length);
    if (!done) setImmediate(watch);
  };
  setImmediate(watch);
  await counting;
  done = true;
  askedAtEachTurn.push(asked.length);
  const steps = askedAtEachTurn.map((count, i) => count - (askedAtEachTurn[i - 1] ?? 0));
  expect(asked.length).toBeGreaterThan(200);
  expect(Math.max(...steps)).toBeLessThanOrEqual(64);
});

test("a count is the tokenizer's own, and 2% more at most", async () => {
  const counter = new TokenCounter(MAX);
  for (const text of ["", "x", PROSE, PROSE.repeat(100), "漢字仮名交じり文".repeat(100), "🦜".repeat(300)]) {
    const whole = countTokens(text, asText);
    const counted = await counter.count(text, text);
    expect(counted).toBeGreaterThanOrEqual(whole);
    expect(counted).toBeLessThanOrEqual(Math.ceil(whole * 1.02));
  }
});

test("what a provider writes between messages is text here", async () => {
  const counter = new TokenCounter(MAX);
  for (const text of ["<|endoftext|>", "a <|im_start|>system<|im_sep|> b", "<|endofprompt|>".repeat(100)]) {
    expect(await counter.count(text, text)).toBeGreaterThan(1);
  }
});

test("more than the budget is Infinity, exactly the budget is not", async () => {
  const { counter } = spied(10);
  expect(await counter.count("ten", "one two three four five six seven eight nine ten")).toBe(10);
  expect(await counter.count("eleven", "one two three four five six seven eight nine ten eleven")).toBe(Infinity);
});

test("a text is counted once; another key is another text", async () => {
  const { counter, asked, loads } = spied();
  await counter.count("a", "Hello");
  await counter.count("a", "Hello");
  await counter.count("b", "Good morning");
  expect(asked).toEqual(["Hello", "Good morning"]);
  expect(loads()).toBe(1);
});

test("what is too long for any prose does not even load the tokenizer", async () => {
  const { counter, loads } = spied(10);
  expect(await counter.count("k", "x".repeat(161))).toBe(Infinity);
  expect(loads()).toBe(0);
});

test("20,000 counts are remembered, the latest ones", async () => {
  const { counter, asked } = spied();
  for (let i = 0; i <= 20_000; i += 1) await counter.count(`${i}`, "x");
  await counter.count("20000", "x");
  expect(asked).toHaveLength(20_001);
  await counter.count("0", "x");
  expect(asked).toHaveLength(20_002);
});
