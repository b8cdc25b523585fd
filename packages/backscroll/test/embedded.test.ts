import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../src/postgres/embedded.ts";
import { createServices } from "./services.ts";
import { temporaryDirectory } from "./service-process.ts";

async function start(dataDir: string): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres({ dataDir });
  onTestFinished(() => postgres.stop());
  return postgres;
}

async function ask(postgres: EmbeddedPostgres, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: postgres.connectionString });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

test("the cluster speaks UTF-8 whatever LANG says, listens on no port, and keeps its data", async () => {
  const dataDir = temporaryDirectory();
  const first = await start(dataDir);
  expect(await ask(first, "show server_encoding")).toEqual([{ server_encoding: "UTF8" }]);
  expect(await ask(first, "show listen_addresses")).toEqual([{ listen_addresses: "" }]);
  expect(await ask(first, "show fsync")).toEqual([{ fsync: "on" }]);
  await ask(first, "create table kept as select 1 as one");
  await first.stop();
  expect(await ask(await start(dataDir), "select one from kept")).toEqual([{ one: 1 }]);
});

test("a second Backscroll on the same folder is refused while the first lives", async () => {
  const dataDir = temporaryDirectory();
  const first = await start(dataDir);
  await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow("another Backscroll is running on");
  expect(await ask(first, "select 1 as one")).toEqual([{ one: 1 }]);
});

test("a command beside a running service uses its server, and leaves it running", async () => {
  const dataDir = temporaryDirectory();
  const first = await start(dataDir);
  await ask(first, "create table kept as select 1 as one");
  const second = await startEmbeddedPostgres({ dataDir, share: true });
  expect(await ask(second, "select one from kept")).toEqual([{ one: 1 }]);
  await second.stop();
  expect(await ask(first, "select one from kept")).toEqual([{ one: 1 }]);
});

test("a half-made cluster is made again", async () => {
  const dataDir = temporaryDirectory();
  mkdirSync(join(dataDir, "postgres.unfinished", "base"), { recursive: true });
  mkdirSync(join(dataDir, "postgres", "base"), { recursive: true });
  expect(await ask(await start(dataDir), "select 1 as one")).toEqual([{ one: 1 }]);
});

test("the lock file of a dead server is cleaned up, even when another process has its number now", async () => {
  const dataDir = temporaryDirectory();
  await (await start(dataDir)).stop();
  writeFileSync(join(dataDir, "postgres", "postmaster.pid"), `${process.pid}\n/nowhere\n1\n5432\n\n\n`);
  expect(await ask(await start(dataDir), "select 1 as one")).toEqual([{ one: 1 }]);
});

test("a PostgreSQL that is killed is started again, and the service goes on by itself", async () => {
  const dataDir = temporaryDirectory();
  const postgres = await start(dataDir);
  const services = await createServices({ databaseUrl: postgres.connectionString });
  onTestFinished(() => services.close());
  await services.call("ada@example.com", "POST", "/api/conversations", { id: "c" });

  const pid = Number(readFileSync(join(dataDir, "postgres", "postmaster.pid"), "utf8").split("\n", 1)[0]);
  process.kill(pid, "SIGKILL");

  const read = (): Promise<number> =>
    services.call("ada@example.com", "GET", "/api/conversations/c").then(({ status }) => status);
  await expect.poll(read, { timeout: 15_000 }).toBe(200);
});

test.skipIf(process.getuid?.() !== 0 || process.platform !== "linux")(
  "started by root, the server runs as somebody else, who owns its files",
  async () => {
    const dataDir = temporaryDirectory();
    await start(dataDir);
    const pid = readFileSync(join(dataDir, "postgres", "postmaster.pid"), "utf8").split("\n", 1)[0];
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    expect(/^Uid:\s+(\d+)/m.exec(status)?.[1]).not.toBe("0");
  },
);

test.skipIf(process.getuid?.() !== 0)(
  "a folder that the server's account cannot reach is refused with what to do",
  async () => {
    const closed = join(temporaryDirectory(), "closed");
    mkdirSync(closed, { mode: 0o700 });
    await expect(startEmbeddedPostgres({ dataDir: join(closed, "data") })).rejects.toThrow("--data-dir");
  },
);

test("a path too long for a socket still works", async () => {
  const dataDir = join(temporaryDirectory(), "d".repeat(60), "e".repeat(60));
  const postgres = await start(dataDir);
  expect(await ask(postgres, "select 1 as one")).toEqual([{ one: 1 }]);
  expect(existsSync(postgres.socketDirectory) && readdirSync(dataDir).includes("postgres")).toBe(true);
});
