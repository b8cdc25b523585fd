import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test as plain } from "vitest";
import type { ImportError } from "../src/service/import.ts";
import { openGuideTables } from "../src/postgres/guide-tables.ts";
import { type GuideImport, importGuide } from "../src/service/import-guide.ts";
import { type Guide, newGuide } from "./guide-tables.ts";
import { runCommand, startCommand, temporaryDirectory } from "./service-process.ts";
import { type Services, test } from "./services.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";

async function importFrom(
  services: Services,
  { url }: Pick<Guide, "url">,
): Promise<GuideImport & { readonly errors: readonly ImportError[] }> {
  const tables = await openGuideTables(url);
  const errors: ImportError[] = [];
  try {
    const result = await importGuide(services.deps, tables, { onError: (error) => errors.push(error) });
    return { ...result, errors };
  } finally {
    await tables.close();
  }
}

interface Row {
  readonly id: string;
  readonly role?: string;
  readonly content?: string;
  readonly at?: string;
}

async function insertConversation({ sql }: Guide, id: string, user = ADA, title = "A talk"): Promise<void> {
  await sql.query(`insert into "Conversation" values ($1, $2, $3, '2024-05-01 10:00:00', '2024-05-01 10:00:00')`, [
    id,
    user,
    title,
  ]);
}

async function insertMessages({ sql }: Guide, conversationId: string, rows: readonly Row[]): Promise<void> {
  for (const { id, role = "user", content = id, at = "2024-05-01 10:00:01" } of rows) {
    await sql.query(`insert into "Message" values ($1, $2, $3, $4, null, null, $5)`, [
      id,
      conversationId,
      role,
      content,
      at,
    ]);
  }
}

/** @returns the wire messages, oldest first */
async function messagesOf(services: Services, id: string, user = ADA): Promise<Record<string, unknown>[]> {
  const { status, json } = await services.call(user, "GET", `/api/conversations/${id}/messages?limit=200`);
  expect(status).toBe(200);
  return json.messages.toReversed();
}

const idsOf = async (services: Services, id: string): Promise<unknown[]> =>
  (await messagesOf(services, id)).map((message) => message["id"]);

test("what a Prisma client of the guide's schema wrote comes over, and its cuids work on in the API", async ({
  services,
}) => {
  const guide = await newGuide();
  const prisma = await guide.connect();
  const uuid = "0192e4a0-5b1c-7000-8000-00000000000a";
  const made = [];
  for (const [user_email, id] of [[ADA], [BOB], [ADA, uuid]]) {
    const conversation = await prisma.conversation.create({
      data: { user_email, title: `Of ${user_email}`, ...(id && { id }) },
    });
    for (let i = 0; i < 30; i += 1) {
      await prisma.message.createMany({
        data: [
          { conversation_id: conversation.id, role: "user", content: `question ${i} 🦊` },
          {
            conversation_id: conversation.id,
            role: "assistant",
            content: `answer ${i}`,
            tokens_used: i,
            latency_ms: 7,
          },
        ],
      });
    }
    made.push(conversation);
  }
  const result = await importFrom(services, guide);
  expect(result).toMatchObject({
    conversationsCreated: 3,
    messagesSaved: 180,
    failed: 0,
    errors: [],
    verified: { conversations: 3, messages: 180 },
  });

  for (const { id, user_email, title, created_at } of made) {
    const rows = await prisma.message.findMany({ where: { conversation_id: id } });
    const byId = new Map(rows.map((row: { id: string }) => [row.id, row]));
    const found = await messagesOf(services, id, user_email);
    expect(found.map(({ content }) => content)).toEqual(
      Array.from({ length: 30 }, (_, i) => [`question ${i} 🦊`, `answer ${i}`]).flat(),
    );
    for (const message of found) {
      const row = byId.get(message["id"]) as Record<string, unknown>;
      expect(message).toMatchObject({
        role: row["role"],
        content: row["content"],
        tokens_used: row["tokens_used"],
        latency_ms: row["latency_ms"],
        created_at: (row["created_at"] as Date).toISOString(),
      });
    }
    const conversation = (await services.call(user_email, "GET", `/api/conversations/${id}`)).json;
    expect(conversation).toMatchObject({ conversation_id: id, title, created_at: created_at.toISOString() });
    const added = { role: "user", content: "and now?" };
    expect((await services.call(user_email, "POST", `/api/conversations/${id}/messages`, added)).status).toBe(201);
  }
  expect((await services.call(BOB, "GET", `/api/conversations/${made[0].id}`)).status).toBe(404);
}, 300_000);

test("a second run adds what was written meanwhile, wherever it belongs, and what was written here stays", async ({
  services,
}) => {
  const guide = await newGuide();
  await insertConversation(guide, "c1");
  await insertMessages(guide, "c1", [{ id: "m1" }, { id: "m2", at: "2024-05-01 10:00:05" }]);
  expect(await importFrom(services, guide)).toMatchObject({ conversationsCreated: 1, messagesSaved: 2 });
  expect(await importFrom(services, guide)).toMatchObject({
    conversationsCreated: 0,
    conversationsExisting: 1,
    messagesSaved: 0,
    messagesSkipped: 2,
    verified: { conversations: 1, messages: 2 },
  });

  await services.call(ADA, "POST", "/api/conversations/c1/messages", { id: "here", role: "user", content: "here" });
  await insertMessages(guide, "c1", [
    { id: "late", at: "2024-05-01 10:00:03" },
    { id: "m3", at: "2024-05-01 10:00:09" },
  ]);
  await insertConversation(guide, "c2");
  const second = await importFrom(services, guide);
  expect(second).toMatchObject({
    conversationsCreated: 1,
    messagesSaved: 2,
    messagesSkipped: 2,
    failed: 0,
    verified: { conversations: 2, messages: 4 },
  });
  expect(await idsOf(services, "c1")).toEqual(["m1", "m2", "here", "late", "m3"]);
  expect(await idsOf(services, "c2")).toEqual([]);
});

test("a snapshot is brought over while the app goes on writing, and the next run has the rest", async ({
  services,
}) => {
  const guide = await newGuide();
  await insertConversation(guide, "c1");
  await insertMessages(guide, "c1", [{ id: "m1" }]);
  const tables = await openGuideTables(guide.url);
  await insertMessages(guide, "c1", [{ id: "m2" }]);
  const first = await importGuide(services.deps, tables, { onError: (error) => expect(error).toBeNull() });
  await tables.close();
  expect(first).toMatchObject({ messagesSaved: 1, verified: { messages: 1 } });
  expect(await importFrom(services, guide)).toMatchObject({ messagesSaved: 1, verified: { messages: 2 } });
});

test("messages of one time: by the counter of their cuids, else by turns", async ({ services }) => {
  const guide = await newGuide();
  const at = "2024-05-01 10:00:01";
  const time = Date.parse("2024-05-01T10:00:01Z").toString(36);
  const cuid = (counter: string, random: string): string => `c${time}${counter}proc${random}`;
  await insertConversation(guide, "by-cuid");
  const inOrder = [cuid("zzzy", "zzzzzzzz"), cuid("zzzz", "00000000"), cuid("0000", "mmmmmmmm")];
  await insertMessages(
    guide,
    "by-cuid",
    inOrder.toReversed().map((id) => ({ id, at })),
  );
  await insertConversation(guide, "by-role");
  await insertMessages(guide, "by-role", [
    { id: "z-first", role: "system", at: "2024-05-01 09:00:00" },
    { id: "a", role: "assistant", at },
    { id: "b", role: "assistant", at },
    { id: "x", role: "user", at },
    { id: "y", role: "user", at },
  ]);
  await insertConversation(guide, "by-word");
  await insertMessages(guide, "by-word", [
    { id: "1", role: "ai", at },
    { id: "2", role: "human", at },
  ]);
  const result = await importFrom(services, guide);
  expect(await idsOf(services, "by-word")).toEqual(["2", "1"]);
  expect(await idsOf(services, "by-cuid")).toEqual(inOrder);
  expect(await idsOf(services, "by-role")).toEqual(["z-first", "x", "a", "y", "b"]);
  expect(result.ties).toEqual({ cuid: 3, uuid: 0, roles: 6 });
});

test("another word for a role, a long title and no title are mended; what cannot be is told, and the rest comes over", async ({
  services,
}) => {
  const guide = await newGuide();
  await insertConversation(guide, "c1", ADA, "t".repeat(600));
  await insertMessages(guide, "c1", [
    { id: "m1", role: "human" },
    { id: "m2", role: "narrator", at: "2024-05-01 10:00:02" },
    { id: "m 3", at: "2024-05-01 10:00:03" },
    { id: "m4", role: "ai", at: "2024-05-01 10:00:04" },
  ]);
  await insertConversation(guide, "c2", ADA, " ");
  await insertConversation(guide, "of nobody", "");
  await insertConversation(guide, "c 4", BOB);
  await insertMessages(guide, "c 4", [{ id: "n1" }]);
  const result = await importFrom(services, guide);
  expect(result).toMatchObject({ conversationsCreated: 2, messagesSaved: 2, failed: 4 });
  expect(result.errors.map(({ conversationId, messageId }) => [conversationId, messageId])).toEqual([
    ["of nobody", null],
    [null, null],
    ["c1", "m2"],
    ["c1", null],
  ]);
  expect(await messagesOf(services, "c1")).toMatchObject([
    { id: "m1", role: "user", metadata: { guide_role: "human" } },
    { id: "m4", role: "assistant", metadata: { guide_role: "ai" } },
  ]);
  const { json } = await services.call(ADA, "GET", "/api/conversations/c1");
  expect([json.title, json.metadata]).toEqual(["t".repeat(499), { guide_title: "t".repeat(600) }]);
  expect((await services.call(ADA, "GET", "/api/conversations/c2")).json.title).toBe("New Conversation");
});

test("verification finds a message that is not here as it is there", async ({ services }) => {
  const guide = await newGuide();
  await insertConversation(guide, "c1");
  await insertMessages(guide, "c1", [{ id: "m1" }, { id: "m2", at: "2024-05-01 10:00:02" }]);
  await importFrom(services, guide);
  await services.deps.db.pool.query("update messages set tokens_used = 5 where client_id = 'm2'");
  const result = await importFrom(services, guide);
  expect(result).toMatchObject({ messagesSaved: 0, failed: 1, verified: { conversations: 0, messages: 1 } });
  expect(result.errors).toMatchObject([
    { conversationId: "c1", message: "1 of its 2 messages are not here as they are there" },
  ]);
  await guide.sql.query(`update "Message" set content = 'changed there' where id = 'm1'`);
  expect((await importFrom(services, guide)).errors).toMatchObject([{ messageId: "m1", code: "message_id_conflict" }]);
});

test("killed at any point and run again, it is one clean run", async ({ services }) => {
  const guide = await newGuide();
  await guide.sql.query(`
    insert into "Conversation" select 'c' || c, '${ADA}', 'talk ' || c, '2024-05-01', '2024-05-01' from generate_series(1, 40) as c;
    insert into "Message" select 'm' || c || '-' || m, 'c' || c, case m % 2 when 1 then 'user' else 'assistant' end, 'text ' || m,
           m, null, timestamp '2024-05-01' + (m / 3) * interval '1 second'
      from generate_series(1, 40) as c, generate_series(1, 250) as m`);
  const environment = { DATABASE_URL: services.databaseUrl, GUIDE_DATABASE_URL: guide.url };
  const errors = join(temporaryDirectory(), "errors");
  const stored = async (): Promise<number> =>
    Number((await services.deps.db.pool.query<{ n: string }>("select count(*) as n from messages")).rows[0]?.n);
  for (const kills of [1, 2]) {
    const before = await stored();
    const running = startCommand(["import", "guide", "--errors", errors], environment);
    await expect.poll(stored, { timeout: 30_000, interval: 5 }).toBeGreaterThan(before + 700 * kills);
    running.child.kill("SIGKILL");
    await running.ended;
  }
  expect(await stored()).toBeLessThan(10_000);
  const last = await runCommand(["import", "guide", "--errors", errors, "--json"], environment);
  expect([last.status, JSON.parse(last.stdout)]).toMatchObject([
    0,
    { complete: true, failed: 0, errors_file: null, verified: { conversations: 40, messages: 10_000 } },
  ]);
  const { rows } = await services.deps.db.pool.query(
    `select c.client_id, string_agg(m.client_id, ' ' order by m.seq) as ids, max(m.seq)::int as last, c.message_count::int as count
       from conversations c join messages m on m.user_id = c.user_id and m.conversation_id = c.id group by 1, 4 order by 1`,
  );
  expect(rows).toHaveLength(40);
  for (const { client_id, ids, last: seq, count } of rows) {
    expect([seq, count]).toEqual([250, 250]);
    // Three of one second: by turns, of whom the first goes on from the one before.
    expect(ids.split(" ").toSorted()).toEqual(
      Array.from({ length: 250 }, (_, i) => `m${client_id.slice(1)}-${i + 1}`).toSorted(),
    );
  }
  const clean = rows.map(({ client_id, ids }) => ids.replaceAll(`m${client_id.slice(1)}-`, ""));
  expect(new Set(clean).size).toBe(1);
}, 120_000);

test("the command tells counts, and what failed is in a file", async ({ services }) => {
  const guide = await newGuide();
  await insertConversation(guide, "c1");
  await insertMessages(guide, "c1", [{ id: "m1" }, { id: "m2", role: "narrator", at: "2024-05-01 10:00:02" }]);
  const file = join(temporaryDirectory(), "errors");
  const { status, stderr } = await runCommand(["import", "guide", "--from", guide.url, "--errors", file], {
    DATABASE_URL: services.databaseUrl,
  });
  expect(status).toBe(1);
  expect(stderr).toContain("Imported 1 messages (0 were there already) in 1 new and 0 existing conversations.");
  expect(stderr).toContain(`What could not be imported is in ${file}.`);
  expect(JSON.parse(readFileSync(file, "utf8").split("\n")[0] ?? "")).toMatchObject({
    conversation_id: "c1",
    message_id: "m2",
    code: "invalid_request",
  });
}, 60_000);

test("tables that are not there, or not the guide's, are told with what is", async () => {
  const guide = await newGuide();
  const elsewhere = new URL(guide.url);
  elsewhere.searchParams.set("schema", "nowhere");
  await expect(openGuideTables(elsewhere.href)).rejects.toThrow(
    /no tables .* in the schema nowhere; they are in .*schema=/,
  );
  await guide.sql.query(`alter table "Message" drop column latency_ms`);
  await expect(openGuideTables(guide.url)).rejects.toThrow("Message.latency_ms is missing");
});

plain(
  "an address that is none, or where nobody answers, is told without its password",
  async () => {
    const run = async (from: string): Promise<{ status: number | string; stderr: string }> =>
      runCommand(["import", "guide", "--from", from], {});
    const none = await run("mysql://x");
    expect([none.status, none.stderr]).toEqual([
      expect.any(Number),
      expect.stringContaining("--from must be an address"),
    ]);
    const nobody = await run("postgresql://u:hunter2@127.0.0.1:9/app");
    expect(nobody.status).not.toBe(0);
    expect(nobody.stderr).toContain("the guide's database");
    expect(nobody.stderr).not.toContain("hunter2");
    const unsaid = await runCommand(["import", "guide"], {});
    expect([unsaid.status, unsaid.stderr]).toEqual([2, expect.stringContaining("GUIDE_DATABASE_URL")]);
  },
  60_000,
);
