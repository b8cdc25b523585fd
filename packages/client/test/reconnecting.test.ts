import { expect, onTestFinished, test, vi } from "vitest";
import { BackscrollConnectionError } from "../src/index.ts";
import { Reconnecting } from "../src/reconnecting.ts";
import { failureOf } from "./running-service.ts";

const FAILURE = {
  error: new BackscrollConnectionError("lost"),
  retryable: true,
  mayHaveRun: true,
  retryAfterSeconds: 3_600,
};

function reconnecting(retries: number): Reconnecting {
  return new Reconnecting(async () => ({ answer: null }), { retries, signal: undefined });
}

test("who tries for ever waits a minute at most, whatever is asked of him", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const waited = reconnecting(Number.POSITIVE_INFINITY).waitAfter(FAILURE);

  await vi.advanceTimersByTimeAsync(60_500);

  expect(await waited).toBeUndefined();
});

test("who tries a few times is told at once that he would have to wait for longer", async () => {
  expect(await failureOf(reconnecting(5).waitAfter(FAILURE))).toBe(FAILURE.error);
});

test("what no retry changes is thrown at once, to who tries for ever, too", async () => {
  const failure = { ...FAILURE, retryable: false };

  expect(await failureOf(reconnecting(Number.POSITIVE_INFINITY).waitAfter(failure))).toBe(FAILURE.error);
});
