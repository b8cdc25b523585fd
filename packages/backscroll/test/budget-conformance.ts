import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import type { Budgets, Spending } from "../src/live/budgets.ts";
import type { StreamSlot } from "../src/live/stream-slots.ts";
import { eventually, type FeedOptions, type Servers } from "./live-fixture.ts";

type Checks = Readonly<Record<string, (make: (options?: FeedOptions) => Promise<Servers>) => Promise<void>>>;

/** @returns how many of so many at once are allowed, half of them on each server */
export async function spendAtOnce({ one, other }: Servers, key: string, max: number, times: number): Promise<number> {
  const spent = Array.from({ length: times }, async (_, i) => (i % 2 ? one : other).budgets.spend(key, max));
  return (await Promise.all(spent)).filter(({ allowed }) => allowed).length;
}

/** @returns what each of so many says, one after the other */
export async function spendInTurn(budgets: Budgets, key: string, max: number, times: number): Promise<Spending[]> {
  const spent: Spending[] = [];
  for (let i = 0; i < times; i += 1) spent.push(await budgets.spend(key, max));
  return spent;
}

const BUDGETS: Checks = {
  "a budget of one is spent by one": async (make) => {
    const { one } = await make();
    const spent = await spendInTurn(one.budgets, randomUUID(), 1, 3);
    expect(spent.map(({ allowed }) => allowed)).toEqual([true, false, false]);
  },

  "what is left counts down to nothing, one at a time": async (make) => {
    const { one } = await make();
    const spent = await spendInTurn(one.budgets, randomUUID(), 500, 502);
    expect(spent.map(({ left }) => left)).toEqual([...Array.from({ length: 500 }, (_, i) => 499 - i), 0, 0]);
    expect(spent.filter(({ allowed }) => allowed)).toHaveLength(500);
    for (const { resetsInMs } of spent) expect(resetsInMs).toBeLessThanOrEqual(60_000);
    for (const { resetsInMs } of spent) expect(resetsInMs).toBeGreaterThan(0);
  },

  "1,000 at once, on both servers, never spend more than there is": async (make) => {
    const servers = await make();
    for (const max of [1, 7, 64, 300, 999]) expect(await spendAtOnce(servers, randomUUID(), max, 1_000)).toBe(max);
  },

  "whoever spends less than the budget is never refused": async (make) => {
    const servers = await make();
    expect(await spendAtOnce(servers, randomUUID(), 300, 300)).toBe(300);
  },

  "one key's budget is not another's": async (make) => {
    const servers = await make();
    const keys = Array.from({ length: 20 }, () => randomUUID());
    expect(await Promise.all(keys.map((key) => spendAtOnce(servers, key, 50, 100)))).toEqual(keys.map(() => 50));
  },

  "when its window ends a budget is whole again, on both servers": async (make) => {
    const servers = await make({ budgets: { windowMs: 1_000 } });
    const key = randomUUID();
    expect(await spendAtOnce(servers, key, 40, 100)).toBe(40);
    for (const { budgets } of [servers.one, servers.other])
      await eventually(async () => (await budgets.spend(key, 40)).allowed).toBe(true);
  },

  "a look spends nothing, and says what a spending would": async (make) => {
    const { one } = await make();
    const key = randomUUID();
    expect(await one.budgets.look(key, 2)).toMatchObject({ allowed: true, left: 2 });
    await one.budgets.spend(key, 2);
    for (let i = 0; i < 10; i += 1) expect(await one.budgets.look(key, 2)).toMatchObject({ allowed: true, left: 1 });
    await one.budgets.spend(key, 2);
    expect(await one.budgets.look(key, 2)).toMatchObject({ allowed: false, left: 0 });
  },

  "a server that has spent of a key hears that others have spent the rest": async (make) => {
    const { one, other } = await make();
    const key = randomUUID();
    await one.budgets.spend(key, 10);
    await spendInTurn(other.budgets, key, 10, 9);
    expect(await one.budgets.look(key, 10)).toMatchObject({ allowed: false });
    expect(await one.budgets.spend(key, 10)).toMatchObject({ allowed: false });
  },

  "of more keys than are remembered the latest are still counted": async (make) => {
    const { one } = await make({ budgets: { remembered: 100 } });
    const allowed = async (key: string): Promise<boolean> => (await one.budgets.spend(key, 1)).allowed;
    for (let i = 0; i < 1_100; i += 1) expect(await allowed(`${i}`)).toBe(true);
    for (let i = 1_050; i < 1_100; i += 1) expect(await allowed(`${i}`)).toBe(false);
  },
};

let users = 0;
const newUser = (): number => (users += 1);

const SLOTS: Checks = {
  "a user opens as many as are allowed, on both servers together": async (make) => {
    const { one, other } = await make();
    const user = newUser();
    const opened = Array.from({ length: 40 }, (_, i) => (i % 2 ? one : other).slots.open(user, 7));
    expect((await Promise.all(opened)).filter((slot) => slot !== null)).toHaveLength(7);
    expect(await one.slots.open(newUser(), 7)).not.toBeNull();
  },

  "one that is released is free again, once": async (make) => {
    const { one, other } = await make();
    const user = newUser();
    const first = (await one.slots.open(user, 2)) as StreamSlot;
    await one.slots.open(user, 2);
    expect(await other.slots.open(user, 2)).toBeNull();
    first.release();
    first.release();
    await eventually(async () => (await other.slots.open(user, 2)) !== null).toBe(true);
    expect(await one.slots.open(user, 2)).toBeNull();
    first.release();
    expect(await one.slots.open(user, 2)).toBeNull();
  },

  "one that stays open keeps its place": async (make) => {
    const { one, other } = await make({ slots: { keepMs: 500, renewMs: 50 } });
    const user = newUser();
    await one.slots.open(user, 1);
    const until = performance.now() + 1_500;
    await eventually(async () => {
      expect(await other.slots.open(user, 1)).toBeNull();
      return performance.now() > until;
    }).toBe(true);
  },
};

export const LIMITS_CONFORMANCE = { budgets: BUDGETS, "stream slots": SLOTS };
