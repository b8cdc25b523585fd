import { expect } from "vitest";
import { POLL, test } from "./app-test.ts";
import {
  expectAtEnd,
  expectEach,
  givenMessages,
  scrollThrough,
  shownNumbers,
  startWatching,
  stopWatching,
  twentyFrames,
  waitForMessage,
} from "./thread-fixture.ts";

const OLDER_PAGE = /messages\?.*before=/;
const COUNT = 100_000;
const STRETCH = 4_000;

test(
  "100,000 messages: nothing is missing or doubled at a wheel's pace, up from the last and down from the first",
  { timeout: 180_000 },
  async ({ stage }) => {
    const talk = await givenMessages(stage, COUNT);
    const page = await stage.open(talk.href);
    await waitForMessage(page, COUNT);
    await expectAtEnd(page);
    const up = await scrollThrough(page, { stepPx: -700, until: COUNT - STRETCH });
    expectEach(up, COUNT - STRETCH, COUNT);
    // Twice as many were read as may be held.
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

test("what is read does not move while older messages come in above it", { timeout: 60_000 }, async ({ stage }) => {
  const talk = await givenMessages(stage, 1_000);
  const page = await stage.open(talk.href);
  await waitForMessage(page, 1_000);
  for (let read = 0; read < 4; read += 1) {
    // Held until nothing scrolls any more: from then on nothing may move.
    const held = Promise.withResolvers<void>();
    const asked = page.waitForRequest(OLDER_PAGE);
    const answered = page.waitForResponse(OLDER_PAGE);
    await page.route(OLDER_PAGE, async (route) => {
      await held.promise;
      await route.continue();
    });
    await page.getByRole("log").evaluate((log) => log.scrollTo(0, 1_500));
    await asked;
    await twentyFrames(page);
    const [first] = await shownNumbers(page);
    await startWatching(page);
    held.resolve();
    await answered;
    await expect.poll(() => page.getByRole("log").evaluate((log) => log.scrollTop), POLL).toBeGreaterThan(3_000);
    expect(await stopWatching(page)).toBeLessThanOrEqual(1);
    expect(await shownNumbers(page)).toContain(first);
    await page.unroute(OLDER_PAGE);
  }
});
