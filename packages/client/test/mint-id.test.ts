import { expect, onTestFinished, test, vi } from "vitest";
import { mintId } from "../src/index.ts";

test("an id is a UUIDv7 of this moment", () => {
  const before = Date.now();
  const id = mintId();

  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const mintedAt = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
  expect(mintedAt).toBeGreaterThanOrEqual(before);
  expect(mintedAt).toBeLessThanOrEqual(Date.now());
});

test("100 000 ids minted in a row are all different and in order, many to a millisecond", () => {
  const ids = Array.from({ length: 100_000 }, () => mintId());

  const milliseconds = new Set(ids.map((id) => id.slice(0, 13)));
  expect(milliseconds.size).toBeLessThan(ids.length / 10);
  expect(ids.every((id, index) => index === 0 || id > (ids[index - 1] ?? ""))).toBe(true);
});

test("ids stay in order while the clock stands still, and when it goes back", () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const ids = Array.from({ length: 10_000 }, () => mintId());
  vi.setSystemTime(Date.now() - 60_000);
  ids.push(...Array.from({ length: 10_000 }, () => mintId()));

  expect(new Set(ids).size).toBe(20_000);
  expect(ids).toEqual(ids.toSorted());
});
