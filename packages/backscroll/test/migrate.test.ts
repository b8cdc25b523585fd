import { expect, onTestFinished, test } from "vitest";
import { migrate, readMigrations } from "../src/postgres/migrate.ts";
import { newSchema } from "./services.ts";

async function emptySchema(): Promise<string> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  return databaseUrl;
}

test("a second migration applies nothing", async () => {
  const databaseUrl = await emptySchema();
  const known = await readMigrations();
  expect(await migrate(databaseUrl)).toEqual(known.map(({ name }) => name));
  expect(await migrate(databaseUrl)).toEqual([]);
});

test("a database newer than the code is refused, and left as it is", async () => {
  const databaseUrl = await emptySchema();
  const known = await readMigrations();
  const next = { version: known.length + 1, name: "9999_next.sql", sql: "create table next_one ()", checksum: "x" };
  await migrate(databaseUrl, [...known, next]);
  await expect(migrate(databaseUrl, known)).rejects.toThrow("the database is newer than this Backscroll");
});

test("a migration that was changed after its release is refused", async () => {
  const databaseUrl = await emptySchema();
  const known = await readMigrations();
  await migrate(databaseUrl, known);
  const changed = known.map((migration) => ({ ...migration, checksum: "another" }));
  await expect(migrate(databaseUrl, changed)).rejects.toThrow("a released migration never changes");
});

test("a migration that fails leaves nothing of itself, and works when mended", async () => {
  const databaseUrl = await emptySchema();
  const known = await readMigrations();
  const broken = {
    version: known.length + 1,
    name: "9999_broken.sql",
    sql: "create table half (); select 1/0",
    checksum: "x",
  };
  await expect(migrate(databaseUrl, [...known, broken])).rejects.toThrow("division by zero");
  const mended = { ...broken, sql: "create table half ()" };
  expect(await migrate(databaseUrl, [...known, mended])).toEqual(["9999_broken.sql"]);
});
