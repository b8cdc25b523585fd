import { expect } from "vitest";
import { test } from "./app-test.ts";
import { expectAtEnd, expectEach, givenMessages, scrollThrough, waitForMessage } from "./thread-fixture.ts";

const COUNT = 100_000;

test(
  "100,000 messages, all the way up to the first: nothing is missing or doubled",
  { timeout: 900_000 },
  async ({ stage }) => {
    const talk = await givenMessages(stage, COUNT);
    // As high as many screens, so that it takes minutes rather than hours.
    const page = await stage.open(talk.href, { viewport: { width: 1440, height: 8_000 } });
    await waitForMessage(page, COUNT);
    await expectAtEnd(page);
    const up = await scrollThrough(page, { stepPx: -5_000, until: 1 });
    expectEach(up, 1, COUNT);
    expect(up.heightPx).toBeLessThan(2_000 * 130);
    await page.getByText(/^Start of conversation · /).waitFor();
  },
);
