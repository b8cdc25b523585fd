import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { expect, onTestFinished, test as plain } from "vitest";
import { mintId } from "../src/domain/ids.ts";
import { startEmbeddedPostgres } from "../src/postgres/embedded.ts";
import { deleteMessageBatch } from "../src/postgres/erasure.ts";
import { claimIdempotencyKey, type IdempotencyClaim } from "../src/postgres/idempotency.ts";
import { finishErasures } from "../src/service/conversations.ts";
import { resolveUser } from "../src/service/users.ts";
import { createServices, newSchema, test } from "./services.ts";
import { temporaryDirectory } from "./service-process.ts";

const ADA = "ada@example.com";

plain("closing finishes what runs: no call is cut off, and closing twice is closing once", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const services = await createServices({ databaseUrl });
  await services.conversations.createConversation(ADA, { id: "c" });
  const saves = Array.from({ length: 2_000 }, (_, i) =>
    services.conversations.saveMessage(ADA, "c", { role: "user", content: `m${i}` }),
  );
  const requests = Array.from({ length: 50 }, () => services.call(ADA, "GET", "/api/conversations/c"));
  await Promise.all([services.close(), services.close()]);
  const seqs = (await Promise.all(saves)).map(({ seq }) => seq);
  expect(seqs.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 2_000 }, (_, i) => i + 1));
  expect(new Set((await Promise.all(requests)).map(({ status }) => status))).toEqual(new Set([200]));
});

plain("closing gives up on a responder that does not listen", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const asked = Promise.withResolvers<void>();
  const services = await createServices({
    databaseUrl,
    drainTimeoutMs: 100,
    responder: {
      description: "deaf",
      async *respond() {
        asked.resolve();
        await new Promise(() => undefined);
        yield { type: "text", text: "never" };
      },
    },
  });
  const turn = services.call(ADA, "POST", "/api/conversations/messages", { message: "Hello" });
  await asked.promise;
  await services.close();
  expect(await turn).toMatchObject({ status: 503, json: { code: "shutting_down" } });
});

test(
  "30,000 appends that wait for one conversation are stored in their order",
  { timeout: 60_000 },
  async ({ services }) => {
    const { conversations } = services;
    await conversations.createConversation(ADA, { id: "c" });
    const saves = Array.from({ length: 30_000 }, (_, i) =>
      conversations.saveMessage(ADA, "c", { role: "user", content: String(i) }),
    );
    const saved = await Promise.all(saves);
    expect(saved.every(({ seq, content }) => content === String(seq - 1))).toBe(true);
  },
);

test("two that erase the same conversation at once both go on until nothing is left", async ({ services }) => {
  const { userId } = await services.newConversation(ADA);
  const { pool } = services.deps.db;
  // The upkeep of a service that starts erases what is marked: that is behind it once it goes on to the next task.
  await expect.poll(async () => (await pool.query("select from upkeep_tasks")).rowCount).toBeGreaterThan(0);
  const { rows } = await pool.query<{ id: string }>(
    "update conversations set last_seq = 12000, message_count = 12000, erasing = true, deleted_at = now() returning id",
  );
  await pool.query(`
    insert into messages (user_id, conversation_id, seq, id, role, content, created_at)
    select user_id, id, n, gen_random_uuid(), 'user', 'x', created_at from conversations, generate_series(1, 12000) as n`);
  const at = { userId, id: rows[0]?.id ?? "" };
  const more = await Promise.all([1, 2].map(() => deleteMessageBatch(services.deps.db, at, 5_000)));
  expect(more).toEqual([true, true]);
  await finishErasures(services.deps);
  expect((await pool.query("select from messages")).rowCount).toBe(0);
  expect((await pool.query("select from conversations")).rowCount).toBe(0);
});

test("the key of a request whose process died is free again within its lease", async ({ services }) => {
  const key = { userId: await resolveUser(services.deps, ADA), key: "k", requestHash: Buffer.alloc(32) };
  const claim = (): Promise<IdempotencyClaim> =>
    claimIdempotencyKey(services.deps.db, key, { seed: mintId(), runningMs: 200, keepMs: 60_000 });
  const first = await claim();
  expect(await claim()).toEqual({ state: "running" });
  await expect.poll(claim).toEqual(first);
});

plain("a PostgreSQL that is frozen, not dead, costs a request its time limit and no more", async () => {
  const dataDir = temporaryDirectory();
  const postgres = await startEmbeddedPostgres({ dataDir });
  onTestFinished(() => postgres.stop());
  const services = await createServices({
    databaseUrl: postgres.connectionString,
    databaseStatementTimeoutMs: 300,
    databaseConnectTimeoutMs: 300,
  });
  onTestFinished(() => services.close());
  await services.call(ADA, "POST", "/api/conversations", { id: "c" });

  const postmaster = readFileSync(join(dataDir, "postgres", "postmaster.pid"), "utf8").split("\n", 1)[0] ?? "";
  const { stdout } = spawnSync("ps", ["-o", "pid=", "--ppid", postmaster], { encoding: "utf8" });
  const processes = [postmaster, ...stdout.trim().split(/\s+/)].map(Number);
  for (const pid of processes) process.kill(pid, "SIGSTOP");
  const answers = await Promise.all([
    services.call(ADA, "GET", "/api/conversations/c"),
    services.call(ADA, "POST", "/api/conversations/c/messages", { role: "user", content: "x", id: "x" }),
    services.call(ADA, "GET", "/readyz"),
  ]).finally(() => {
    for (const pid of processes) process.kill(pid, "SIGCONT");
  });
  expect(answers.map(({ status }) => status)).toEqual([503, 503, 503]);

  const read = (): Promise<number> => services.call(ADA, "GET", "/api/conversations/c").then(({ status }) => status);
  await expect.poll(read, { timeout: 15_000 }).toBe(200);
});

plain("whoever asks whether it is ready, however many at once, take one connection of PostgreSQL", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const services = await createServices({ databaseUrl, databasePoolMax: 1 });
  onTestFinished(() => services.close());
  const asked = Promise.all(Array.from({ length: 200 }, () => services.call("", "GET", "/readyz")));
  const over = new AbortController();
  let waiting = 0;
  void asked.finally(() => over.abort());
  while (!over.signal.aborted) {
    await setImmediate();
    waiting = Math.max(waiting, services.deps.db.pool.waitingCount);
  }
  expect(new Set((await asked).map(({ status }) => status))).toEqual(new Set([200]));
  expect(waiting).toBeLessThan(2);
});

plain("two first starts on one folder at once: one runs, the other says so", async () => {
  const dataDir = temporaryDirectory();
  const starts = await Promise.allSettled([startEmbeddedPostgres({ dataDir }), startEmbeddedPostgres({ dataDir })]);
  const started = starts.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
  for (const postgres of started) await postgres.stop();
  expect(started).toHaveLength(1);
  expect(starts.find(({ status }) => status === "rejected")).toMatchObject({
    reason: { message: expect.stringContaining("another Backscroll is running") as string },
  });
});
