import { expect, onTestFinished } from "vitest";
import { finishErasures } from "../src/service/conversations.ts";
import { eraseUser } from "../src/service/erase-user.ts";
import { resolveUser } from "../src/service/users.ts";
import { createServices, type Services, test } from "./services.ts";

// What is erased in batches meets others who lock the same rows in another order.

const ADA = "ada@example.com";

/** Ten messages in one conversation. */
async function converse({ conversations }: Services): Promise<void> {
  await conversations.createConversation(ADA, { id: "c" });
  const messages = Array.from({ length: 10 }, (_, i) => ({ role: "user" as const, content: `said ${i}` }));
  await conversations.saveMessages(ADA, "c", messages);
}

async function messagesLeft({ deps }: Services): Promise<number> {
  const { rows } = await deps.db.pool.query("select count(*)::int as n from messages");
  return rows[0].n;
}

/** Runs work that deletes the messages, and makes it one of two that wait for each other's rows. */
async function inADeadlock({ deps }: Services, work: () => Promise<unknown>): Promise<void> {
  const { pool } = deps.db;
  const other = await pool.connect();
  try {
    await other.query("begin");
    // In the middle: in whatever order the work goes along the rows, it has some of the others by then.
    await other.query("select from messages where seq = 5 for update");
    const working = work().then(
      () => null,
      (error: unknown) => error,
    );
    const waiting = async (): Promise<number> => {
      const { rows } = await pool.query(
        "select from pg_stat_activity where cardinality(pg_blocking_pids(pid)) > 0 and pg_blocking_pids(pid) <@ $1",
        [[(other as unknown as { processID: number }).processID]],
      );
      return rows.length;
    };
    await expect.poll(waiting, { interval: 5 }).toBe(1);
    // PostgreSQL ends the one that has waited for a second first: the work.
    await other.query("select from messages for update").catch(() => undefined);
    await other.query("rollback");
    expect(await working).toBeNull();
  } finally {
    other.release();
  }
}

test.for<[string, (services: Services) => Promise<unknown>]>([
  ["a person", async ({ deps }) => eraseUser(deps, { userId: await resolveUser(deps, ADA), actor: null })],
  ["a conversation", ({ conversations }) => conversations.deleteConversation(ADA, "c", { permanent: true })],
])("%s is erased for good although somebody is in the way", async ([, erase], { services }) => {
  await converse(services);
  await inADeadlock(services, () => erase(services));
  expect(await messagesLeft(services)).toBe(0);
});

test("what leaves with its person is left to whoever erases them", async ({ services }) => {
  const other = await createServices({ databaseUrl: services.databaseUrl });
  onTestFinished(() => other.close());
  await converse(services);
  const { pool } = services.deps.db;
  await pool.query("update users set erasing_at = now()");
  await pool.query("update conversations set erasing = true, deleted_at = now()");

  await finishErasures(other.deps);

  expect(await messagesLeft(services)).toBe(10);
  await eraseUser(services.deps, { userId: await userIdOf(services), actor: null });
  expect(await messagesLeft(services)).toBe(0);
});

async function userIdOf({ deps }: Services): Promise<number> {
  const { rows } = await deps.db.pool.query("select id from users");
  return Number(rows[0].id);
}
