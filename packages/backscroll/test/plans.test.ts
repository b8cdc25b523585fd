import { expect } from "vitest";
import { cachedAs } from "../src/domain/session.ts";
import { findVersion } from "../src/postgres/conversations.ts";
import type { Database, Statement } from "../src/postgres/pool.ts";
import { createApiKeyFinder } from "../src/service/api-keys.ts";
import { createAppender } from "../src/service/appender.ts";
import * as conversations from "../src/service/conversations.ts";
import type { Deps } from "../src/service/deps.ts";
import { eraseUser } from "../src/service/erase-user.ts";
import { exportConversation } from "../src/service/export.ts";
import * as history from "../src/service/history.ts";
import { createLogins } from "../src/service/logins.ts";
import * as messages from "../src/service/messages.ts";
import { listAged, listUserIds, listUsersWithAged, markAgedErasing } from "../src/postgres/retention.ts";
import { checkpointReplies } from "../src/postgres/running-generations.ts";
import { findSessionVersion } from "../src/postgres/sessions.ts";
import { followReply, stopReply } from "../src/service/remote-reply.ts";
import { startTurnInSession } from "../src/service/session-turns.ts";
import * as sessions from "../src/service/sessions.ts";
import { finishTurn, regenerateReply, startTurn } from "../src/service/turn.ts";
import { getUsage } from "../src/service/usage.ts";
import { type Services, test } from "./services.ts";

/** 100 users with 30 conversations each; one of them has 20,000 messages, the others 10. */
async function seed(services: Services): Promise<messages.ConversationName> {
  const at = await services.newConversation("ada@example.com");
  const run = (sql: string): Promise<unknown> => services.deps.db.pool.query(sql);
  await run("insert into users (issuer, subject) select 'seed', n::text from generate_series(1, 99) as n");
  await run(`
    insert into conversations (user_id, id, title, title_source, last_seq, message_count, version, created_at, updated_at)
    select users.id, gen_random_uuid(), 'Seeded', 'user', 10, 10, 10, now() - interval '30 days', now() - n * interval '1 day'
      from users, generate_series(1, 30) as n`);
  await run(`
    insert into messages (user_id, conversation_id, seq, id, role, content, created_at)
    select user_id, id, n, gen_random_uuid(), 'user', repeat('words ', 30), created_at + n * interval '1 minute'
      from conversations, generate_series(1, 10) as n where title = 'Seeded'`);
  await run(`
    insert into messages (user_id, conversation_id, seq, id, role, content, created_at)
    select user_id, id, n, gen_random_uuid(), 'user', repeat('words ', 30), now() - interval '1 day' + n * interval '1 second'
      from conversations, generate_series(1, 20000) as n where title <> 'Seeded'`);
  await run(
    "update conversations set last_seq = 20000, message_count = 20000, version = version + 20000 where title <> 'Seeded'",
  );
  await run(`
    insert into deleted_messages (user_id, conversation_id, seq)
    select user_id, id, n from conversations, generate_series(20001, 20003) as n where title = 'Seeded'`);
  await run(`
    insert into usage_daily (user_id, day, role, model, messages, tokens_used)
    select id, current_date - n, 'user', '', 1, 1 from users, generate_series(1, 60) as n`);
  await run(`
    insert into api_keys (id, user_id, name, key_sha256, scope)
    select gen_random_uuid(), id, '', sha256((id || ' ' || n)::bytea), 'own'
      from users, generate_series(1, 50) as n`);
  await run(`
    insert into logins (cookie_sha256, user_id, api_key_id, is_admin, expires_at)
    select key_sha256, user_id, id, false, now() + interval '1 day' from api_keys`);
  await run(`
    insert into sessions (user_id, session_id, id, conversation_id, expires_at)
    select user_id, 'session-' || id, gen_random_uuid(), id, now() + interval '30 days' from conversations`);
  await run("analyze");
  return at;
}

/** Every statement that a piece of work sends. */
function recorder(services: Services): { deps: Deps; statements: Map<string, Statement> } {
  const statements = new Map<string, Statement>();
  const recording = <Db extends Pick<Database, "query">>(db: Db): Db => ({
    ...db,
    query(statement: Statement) {
      statements.set(statement.name, statement);
      return db.query(statement);
    },
  });
  const { db } = services.deps;
  const recorded: Database = { ...recording(db), transaction: (work) => db.transaction((tx) => work(recording(tx))) };
  return {
    deps: { ...services.deps, db: recorded, appender: createAppender(recorded, { batching: true }) },
    statements,
  };
}

test("no hot statement reads a table from end to end, planned with or without its values", async ({ services }) => {
  const at = await seed(services);
  const { deps, statements } = recorder(services);

  const save = (id: string): Promise<messages.SavedMessages> =>
    messages.saveMessages(deps, at, [{ role: "user", content: "x", id }]);
  await save("one");
  await Promise.all(Array.from({ length: 8 }, (_, i) => save(`together-${i}`)));
  await save("one"); // a retry
  await history.getRecentMessages(deps, at);
  await history.getRecentMessages(deps, at, { from: new Date(Date.now() - 3_600_000), fields: ["id"] });
  await history.getFullHistory(deps, at, { page: 200 });
  await messages.deleteMessage(deps, at, { messageId: "one", actor: null });
  await history.getFullHistory(deps, at, { page: 200, from: new Date(Date.now() - 80_000_000) });
  await history.getMessagesAround(deps, at, { around: "together-3" });
  await messages.editMessage(deps, at, "together-3", { content: "y", expectedVersion: null });
  await takeTurns(deps, at);
  await conversations.getConversation(deps, at);
  await findVersion(deps.db, messages.toRef(at));
  await conversations.updateConversation(deps, at, { title: "New" });
  await conversations.listUserConversations(deps, at.userId);
  const first = await conversations.listConversationsFrom(deps, at.userId, { limit: 5 });
  await conversations.listConversationsFrom(deps, at.userId, { limit: 5, cursor: first.nextCursor ?? "" });
  await conversations.listDeletedConversations(deps, at.userId);
  for await (const piece of await exportConversation(deps, at, { actor: null })) expect(piece).not.toBe("");
  await getUsage(deps, at.userId, {});
  await createApiKeyFinder(deps)(`bsk_${"x".repeat(43)}`);
  await createLogins(deps).find("x".repeat(43));
  await keepSessions(deps, at);
  await conversations.deleteConversation(deps, at, { actor: null, permanent: true });

  await lookForAged(deps, at);
  await eraseUser(deps, { userId: at.userId, actor: null });

  const client = await services.deps.db.pool.connect();
  try {
    const { rows } = await client.query<{ server_version_num: string }>("show server_version_num");
    const canPlanWithoutValues = Number(rows[0]?.server_version_num) >= 160_000;
    const plans: [string, string][] = [];
    for (const { name, text, values } of statements.values()) {
      if (name === "check_health") continue;
      plans.push([name, await explain(client, `explain (costs off) ${text}`, [...values])]);
      if (canPlanWithoutValues)
        plans.push([`${name}, generic`, await explain(client, `explain (generic_plan, costs off) ${text}`)]);
    }
    // PostgreSQL 15 cannot plan without values: half as many.
    expect(plans.length).toBeGreaterThan(canPlanWithoutValues ? 40 : 20);
    const scanning = plans.filter(([, plan]) =>
      /Seq Scan on (messages|conversations|deleted_messages|usage_daily|api_keys|logins|sessions)/.test(plan),
    );
    expect(scanning.map(([name, plan]) => `${name}\n${plan}`).join("\n\n")).toBe("");
  } finally {
    client.release();
  }
});

/** What retention sends, whether anything is due or not. */
async function lookForAged({ db }: Deps, at: messages.ConversationName): Promise<void> {
  const users = await listUserIds(db, 0, 500);
  for (const by of ["said", "trashed"] as const) {
    await listUsersWithAged(db, users, { by, days: 20 });
    await listAged(db, at.userId, { by, days: 20, limit: 100 });
    await markAgedErasing(db, messages.toRef(at), { by, days: 20 });
  }
}

/** A first turn, one more, its retry, its reply written again, and one that is stopped. */
async function takeTurns(deps: Deps, { userId, conversationId }: messages.ConversationName): Promise<void> {
  const at = { userId, conversationId };
  await finishTurn(await startTurn(deps, userId, { message: "Hello" }));
  const question = { message: "Hello", messageId: "asked", conversationId };
  await finishTurn(await startTurn(deps, userId, question));
  await finishTurn(await startTurn(deps, userId, question));
  await finishTurn(await regenerateReply(deps, at));
  await followReply(deps, at);
  await stopReply(deps, at);
  const running = { at: messages.toRef(at), fence: "1", soFar: null };
  await checkpointReplies(deps.db, [running]);
}

/** A session that is new, used, aged, elsewhere, gone; and all that have expired. */
async function keepSessions(deps: Deps, { userId, conversationId }: messages.ConversationName): Promise<void> {
  const at = { userId, sessionId: "s" };
  await finishTurn(await startTurnInSession(deps, at, { message: "Hello", messageId: "in-session" }));
  await sessions.putSession(deps, at, { conversationId });
  await findSessionVersion(deps.db, sessions.toSessionRef(at));
  await deps.db.pool.query("update sessions set expires_at = expires_at - interval '29 days' where session_id = 's'");
  await deps.cache.changed(cachedAs(sessions.toSessionRef(at)));
  await sessions.getSession(deps, at);
  await sessions.updateSession(deps, at, { context: { a: 1 } });
  await expect(sessions.updateSession(deps, at, { context: { a: "x".repeat(262_140) } })).rejects.toThrow("at most");
  await sessions.listSessions(deps, userId);
  await sessions.deleteSession(deps, at);
  await sessions.forgetExpiredSessions(deps);
}

async function explain(
  client: { query(sql: string, values?: unknown[]): Promise<{ rows: Record<string, string>[] }> },
  sql: string,
  values?: unknown[],
): Promise<string> {
  const { rows } = await (values ? client.query(sql, values) : client.query(sql));
  return rows.map((row) => row["QUERY PLAN"]).join("\n");
}

test("an append updates its conversation's row in place, without touching an index", async ({ services }) => {
  const at = await services.newConversation("ada@example.com");
  const hot = async (): Promise<number> => {
    const { rows } = await services.deps.db.pool.query<{ share: number }>(
      "select n_tup_hot_upd::float / n_tup_upd as share from pg_stat_user_tables where relname = 'conversations' and schemaname = current_schema() and n_tup_upd > 50",
    );
    return rows[0]?.share ?? 0;
  };
  for (let i = 0; i < 100; i += 1) await messages.saveMessages(services.deps, at, [{ role: "user", content: `m${i}` }]);
  await expect.poll(hot, { timeout: 15_000 }).toBeGreaterThan(0.95);
});
