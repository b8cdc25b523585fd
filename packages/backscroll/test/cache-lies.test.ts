import { describe, expect, test } from "vitest";
import { LIES } from "./cache-lies.ts";
import { createWorld, NAIVE, NAIVE_ABOUT_RETRIES, OURS } from "./cache-subjects.ts";

describe("Backscroll", () => {
  test.for(LIES)("$letter: $guarantee", async ({ tell, truth }) => {
    expect(await tell(await createWorld(OURS))).toBe(truth);
  });
});

describe("the guide's cache is caught", () => {
  test.for(LIES)("$letter: it tells '$lie' instead of '$truth'", async ({ letter, tell, lie }) => {
    expect(await tell(await createWorld(letter === "h" ? NAIVE_ABOUT_RETRIES : NAIVE))).toBe(lie);
  });
});
