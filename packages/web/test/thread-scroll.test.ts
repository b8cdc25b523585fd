import { expect } from "vitest";
import { POLL, test } from "./app-test.ts";
import {
  expectAtEnd,
  givenMessages,
  scrollThrough,
  shownNumbers,
  type Walk,
  waitForMessage,
} from "./thread-fixture.ts";

const COUNT = 100_000;
const STRETCH = 4_000;

test(
  "100,000 messages: nothing is missing or doubled on the way up, and from the first one down",
  { timeout: 180_000 },
  async ({ stage }) => {
    const talk = await givenMessages(stage, COUNT);
    const page = await stage.open(talk.href);
    await waitForMessage(page, COUNT);
    await expectAtEnd(page);
    const up = await scrollThrough(page, { stepPx: -700, until: COUNT - STRETCH });
    expectEach(up, COUNT - STRETCH, COUNT);
    // Twice as many were read as may be held; a message is about 110 px high.
    expect(up.heightPx).toBeLessThan(2_000 * 130);
    await page.getByRole("log").focus();
    await page.keyboard.press("Home");
    await waitForMessage(page, 1);
    await page.getByText(/^Start of conversation · /).waitFor();
    await expect.poll(async () => (await shownNumbers(page))[0], POLL).toBe(1);
    const down = await scrollThrough(page, { stepPx: 700, until: STRETCH });
    expectEach(down, 1, STRETCH);
    expect(down.heightPx).toBeLessThan(2_000 * 130);
  },
);

function expectEach(walk: Walk, low: number, high: number): void {
  expect(walk.faults).toEqual([]);
  const seen = new Set(walk.seen);
  const missing = Array.from({ length: high - low + 1 }, (_, i) => low + i).filter((nth) => !seen.has(nth));
  expect(missing).toEqual([]);
}
