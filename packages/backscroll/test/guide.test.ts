// The tests that the guide Backscroll began from asks for, under its names, against real servers.
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { ADA, type Cached, startCached } from "./cache-fixture.ts";
import type { Services } from "./services.ts";

/** The guide's CACHE_MESSAGE_LIMIT. */
const LIMIT = 20;

/** @returns the names of the statements sent to PostgreSQL since */
function recordStatements({ deps: { db } }: Services): string[] {
  const names: string[] = [];
  const send = db.query.bind(db);
  const spy = vi.spyOn(db, "query").mockImplementation((statement) => {
    names.push(statement.name);
    return send(statement);
  });
  onTestFinished(() => spy.mockRestore());
  return names;
}

async function contents(services: Services, id: string, limit = LIMIT): Promise<string[]> {
  const { messages } = await services.conversations.getRecentMessages(ADA, id, { limit });
  return messages.map(({ content }) => content);
}

async function untilCached({ call }: Pick<Services, "call">, id: string): Promise<void> {
  const source = async (): Promise<string | null> =>
    (await call(ADA, "GET", `/api/conversations/${id}/messages`)).headers.get("x-backscroll-cache");
  await expect.poll(source).toBe("hit");
}

/** @returns the keys of the cache */
async function cachedKeys({ redis }: Cached): Promise<string[]> {
  return (await redis.ask("KEYS", "*")) as string[];
}

/** A conversation with the messages "1" … `length`. */
async function converse({ conversations }: Services, length: number): Promise<string> {
  const { id } = await conversations.createConversation(ADA);
  const numbers = Array.from({ length }, (_, index) => String(index + 1));
  for (let from = 0; from < length; from += 100) {
    const some = numbers.slice(from, from + 100).map((content) => ({ role: "user" as const, content }));
    await conversations.saveMessages(ADA, id, some);
  }
  return id;
}

describe("unit tests", () => {
  test("test_create_conversation", async () => {
    const { services } = await startCached(0);
    const created = await services.conversations.createConversation(ADA, { title: "Hello" });
    expect(created).toMatchObject({ title: "Hello", messageCount: 0 });
    expect(await services.conversations.getConversation(ADA, created.id)).toEqual(created);
    expect(await contents(services, created.id)).toEqual([]);
  });

  test("test_save_message", async () => {
    const { services } = await startCached(0);
    const id = await converse(services, 1);
    await untilCached(services, id);
    const statements = recordStatements(services);
    const saved = await services.conversations.saveMessage(ADA, id, {
      role: "assistant",
      content: "Hello",
      tokensUsed: 3,
      latencyMs: 40,
    });
    expect(saved).toMatchObject({ seq: 2, role: "assistant", content: "Hello", tokensUsed: 3, latencyMs: 40 });
    expect(statements, "stored by one statement").toEqual(["insert_messages"]);
    // The cache has been told: it answers with the message, and PostgreSQL has the same one.
    const [cached] = (await services.conversations.getRecentMessages(ADA, id)).messages;
    expect(statements).toEqual(["insert_messages"]);
    const [stored] = (await services.conversations.getRecentMessages(ADA, id, { consistency: "strong" })).messages;
    expect([cached, stored]).toEqual([saved, saved]);
  });

  test("test_get_recent_messages_cache_hit", async () => {
    const { services } = await startCached(0);
    const id = await converse(services, 25);
    await untilCached(services, id);
    const statements = recordStatements(services);
    expect(await contents(services, id)).toEqual(Array.from({ length: LIMIT }, (_, index) => String(25 - index)));
    expect(await contents(services, id, 3)).toEqual(["25", "24", "23"]);
    expect(statements, "PostgreSQL is not asked").toEqual([]);
  });

  test("test_get_recent_messages_cache_miss", async () => {
    const { services, redis } = await startCached(0);
    const id = await converse(services, 25);
    await untilCached(services, id);
    await redis.ask("FLUSHALL");
    const statements = recordStatements(services);
    expect(await contents(services, id, 3)).toEqual(["25", "24", "23"]);
    expect(statements, "PostgreSQL answers, once").toEqual(["list_newest_messages"]);
    // And the next reader is served by the cache, whatever the first one's limit was.
    await untilCached(services, id);
    statements.length = 0;
    expect(await contents(services, id)).toHaveLength(LIMIT);
    expect(statements).toEqual([]);
  });

  test("test_delete_conversation", async () => {
    const cached = await startCached(0);
    const { services } = cached;
    const id = await converse(services, 3);
    await untilCached(services, id);
    expect(await cachedKeys(cached)).not.toEqual([]);
    await services.conversations.deleteConversation(ADA, id, { permanent: true });
    expect(await cachedKeys(cached)).toEqual([]);
    await expect(services.conversations.getRecentMessages(ADA, id)).rejects.toMatchObject({
      code: "conversation_not_found",
    });
    const left = "select from messages union all select from conversations where client_id is distinct from 'c'";
    expect((await services.deps.db.pool.query(left)).rowCount, "its messages went with it").toBe(0);
  });
});

describe("integration tests", () => {
  test("test_save_and_retrieve_message_integration", async () => {
    const { services } = await startCached(0);
    const { id } = await services.conversations.createConversation("test@example.com");
    await services.conversations.saveMessage("test@example.com", id, { role: "user", content: "Hello" });
    const { messages } = await services.conversations.getRecentMessages("test@example.com", id);
    expect(messages).toHaveLength(1);
    expect(messages[0]?.content).toBe("Hello");
  });

  test("End-to-end message flow", async () => {
    const { services } = await startCached(0);
    const created = await services.call(ADA, "POST", "/api/conversations");
    expect(created.status).toBe(201);
    const id: string = created.json.conversation_id;
    const sent = await services.call(ADA, "POST", "/api/conversations/messages", {
      conversation_id: id,
      message: "I need some help",
    });
    expect(sent.status).toBe(200);
    const { assistant_message: reply } = sent.json;
    for (let again = 0; again < 3; again += 1) {
      const { json } = await services.call(ADA, "GET", `/api/conversations/${id}/messages`);
      expect(json.messages.map(({ role }: { role: string }) => role)).toEqual(["assistant", "user"]);
      expect(json.messages[0]).toEqual(reply);
      expect(json.messages[1].content).toBe("I need some help");
    }
    expect((await services.call(ADA, "DELETE", `/api/conversations/${id}`)).status).toBe(200);
    expect((await services.call(ADA, "GET", `/api/conversations/${id}/messages`)).status).toBe(404);
  });

  test("Cache invalidation", async () => {
    const { services } = await startCached(0);
    const { conversations } = services;
    const id = await converse(services, 3);
    const [, second, first] = (await conversations.getRecentMessages(ADA, id)).messages;
    await untilCached(services, id);
    await conversations.editMessage(ADA, id, second?.id ?? "", { content: "2, edited" });
    expect(await contents(services, id)).toEqual(["3", "2, edited", "1"]);
    await untilCached(services, id);
    await conversations.deleteMessage(ADA, id, first?.id ?? "");
    expect(await contents(services, id)).toEqual(["3", "2, edited"]);
    await untilCached(services, id);
    await conversations.deleteConversation(ADA, id);
    await expect(contents(services, id)).rejects.toMatchObject({ code: "conversation_not_found" });
    await conversations.restoreConversation(ADA, id);
    expect(await contents(services, id)).toEqual(["3", "2, edited"]);
  });

  test("Pagination", async () => {
    const { services } = await startCached(0);
    const id = await converse(services, 45);
    await untilCached(services, id);
    const seen: string[] = [];
    for (let page = 1; page <= 3; page += 1) {
      const { messages, pagination } = await services.conversations.getFullHistory(ADA, id, { page, pageSize: LIMIT });
      expect(pagination).toEqual({
        total: 45,
        page,
        pageSize: LIMIT,
        totalPages: 3,
        hasNext: page < 3,
        hasPrev: page > 1,
      });
      seen.push(...messages.map(({ content }) => content));
    }
    expect(seen).toEqual(Array.from({ length: 45 }, (_, index) => String(index + 1)));
  });
});

describe("load testing", () => {
  test("Concurrent message sending", async () => {
    const { services } = await startCached(0);
    const id = await converse(services, 1);
    await untilCached(services, id);
    const sent = Array.from({ length: 200 }, (_, index) => `message ${index}`);
    const saved = await Promise.all(
      sent.map((content) => services.conversations.saveMessage(ADA, id, { role: "user", content })),
    );
    expect(new Set(saved.map(({ seq }) => seq))).toEqual(new Set(sent.map((_, index) => index + 2)));
    const newest = saved.toSorted((a, b) => b.seq - a.seq).map(({ content }) => content);
    expect(await contents(services, id), "in the order in which they were stored").toEqual(newest.slice(0, LIMIT));
    expect(await contents(services, id, 200)).toEqual(newest);
  });

  test("Cache hit rate under load: above 80 % with a write for every four reads", async () => {
    const { services } = await startCached(0, { metricsToken: "t0ken" });
    const ids = await Promise.all(Array.from({ length: 10 }, () => converse(services, 30)));
    await Promise.all(
      ids.map(async (id) => {
        for (let n = 0; n < 20; n += 1) {
          await services.conversations.saveMessage(ADA, id, { role: "user", content: `more ${n}` });
          for (let read = 0; read < 4; read += 1) expect((await contents(services, id))[0]).toBe(`more ${n}`);
        }
      }),
    );
    const { text } = await services.call("", "GET", "/metrics", undefined, { authorization: "Bearer t0ken" });
    const count = (result: string): number =>
      Number(new RegExp(`^backscroll_cache_reads_total\\{result="${result}"\\} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
    const [hits, others] = [count("hit"), count("miss") + count("bypass")];
    expect(hits + others).toBe(800);
    expect(hits / (hits + others)).toBeGreaterThan(0.8);
  });

  test("Database query performance: a miss reads as many messages as it needs, however long the conversation", async () => {
    const { services, redis } = await startCached(0);
    const id = await converse(services, 5_000);
    const { pool } = services.deps.db;
    await pool.query("analyze messages");
    await untilCached(services, id);
    await redis.ask("FLUSHALL");
    const spy = vi.spyOn(services.deps.db, "query");
    onTestFinished(() => spy.mockRestore());
    await contents(services, id);
    const [statement] = spy.mock.calls[0] ?? [];
    expect(statement?.name).toBe("list_newest_messages");
    const { rows } = await pool.query<{ "QUERY PLAN": [{ Plan: PlanNode }] }>(
      `explain (analyze, format json) ${statement?.text}`,
      [...(statement?.values ?? [])],
    );
    const plan = rows[0]?.["QUERY PLAN"][0].Plan;
    expect(rowsRead(plan as PlanNode)).toBe(LIMIT + 1);
  });
});

interface PlanNode {
  readonly "Relation Name"?: string;
  readonly "Actual Rows": number;
  readonly "Actual Loops": number;
  readonly Plans?: readonly PlanNode[];
}

/** @returns how many messages were read from the table */
function rowsRead(node: PlanNode): number {
  const own = node["Relation Name"] === "messages" ? node["Actual Rows"] * node["Actual Loops"] : 0;
  return own + (node.Plans ?? []).reduce((sum, child) => sum + rowsRead(child), 0);
}
