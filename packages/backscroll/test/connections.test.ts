import pg from "pg";
import { expect, inject, test } from "vitest";
import { connectionsAtMost, poolShare, whatDoesNotFit } from "../src/cli/connections.ts";
import { findCapacity } from "../src/postgres/capacity.ts";

test("workers share DATABASE_POOL_MAX out, rounded down, and have two each at least", () => {
  const share = (databasePoolMax: number, workers: number): number => poolShare({ databasePoolMax, workers });
  expect([share(20, 1), share(1, 1), share(20, 2), share(20, 3), share(5, 4), share(100, 16)]).toEqual([
    20, 1, 10, 6, 2, 6,
  ]);
});

test("a server needs its pool and one connection that listens; workers those of one worker more, while they restart", () => {
  expect(connectionsAtMost({ databasePoolMax: 20, workers: 1 })).toBe(21);
  expect(connectionsAtMost({ databasePoolMax: 20, workers: 3 })).toBe(4 * (6 + 1));
});

test("what does not fit now, and what leaves no room for a second server, is said with numbers", () => {
  const capacity = { usable: 97, maxConnections: 100, reserved: 3, inUse: 10 };
  expect(whatDoesNotFit(48, capacity)).toBeNull();
  expect(whatDoesNotFit(49, capacity)).toContain("may need 49: a second one like it would not fit");
  expect(whatDoesNotFit(88, capacity)).toMatch(
    /^PostgreSQL takes 97 connections \(max_connections 100, 3 reserved\), 10 are in use, and this server may need 88\./,
  );
});

test("a role that may not see others' connections counts them all the same", async () => {
  const connectionString = inject("databaseUrl");
  const client = new pg.Client({ connectionString });
  await client.connect();
  const role = `plain_${process.pid}`;
  try {
    await client.query(`create role ${role} login`);
    const plain = new URL(connectionString);
    plain.username = role;
    const others = Array.from({ length: 10 }, () => new pg.Client({ connectionString }));
    await Promise.all(others.map((other) => other.connect()));
    expect((await findCapacity(plain.href)).inUse).toBeGreaterThanOrEqual(others.length);
    await Promise.all(others.map((other) => other.end()));
  } finally {
    await client.query(`drop role if exists ${role}`);
    await client.end();
  }
});

test("a limit of the role counts as one of the server", async () => {
  const connectionString = inject("databaseUrl");
  const client = new pg.Client({ connectionString });
  await client.connect();
  const role = `limited_${process.pid}`;
  try {
    const before = await findCapacity(connectionString);
    expect(before.usable).toBe(before.maxConnections - before.reserved);
    expect(before.inUse).toBeGreaterThan(0);
    await client.query(`create role ${role} login connection limit 5`);
    const limited = new URL(connectionString);
    limited.username = role;
    expect((await findCapacity(limited.href)).usable).toBe(5);
  } finally {
    await client.query(`drop role if exists ${role}`);
    await client.end();
  }
});
