import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { revokeApiKey } from "../src/service/api-keys.ts";
import { eraseUser } from "../src/service/erase-user.ts";
import { exportPerson } from "../src/service/export.ts";
import { importConversations } from "../src/service/import.ts";
import { resolveUser } from "../src/service/users.ts";
import { bearer, startAuthenticated } from "./authenticated-services.ts";
import { runCommand, temporaryDirectory } from "./service-process.ts";
import { type Services, test } from "./services.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";
const CAROL = "carol@example.com";
const BY_OPERATOR = { actor: null };

interface Exported {
  readonly conversation: { readonly title: string };
}

async function textOf(pieces: AsyncIterable<string>): Promise<string> {
  let text = "";
  for await (const piece of pieces) text += piece;
  return text;
}

/** Somebody with a bit of everything. */
async function seed({ conversations, deps }: Services, user: string): Promise<number> {
  for (const id of ["kept", "trashed", "erased"]) {
    await conversations.createConversation(user, { id, title: `${id} of ${user}`, metadata: { of: user } });
    await conversations.saveMessages(user, id, [
      { id: "q", role: "user", content: `question of ${user}` },
      { id: "a", role: "assistant", content: `answer to ${user}`, model: "gpt", tokensUsed: 7 },
    ]);
  }
  await conversations.deleteConversation(user, "trashed");
  await conversations.deleteConversation(user, "erased", { permanent: true });
  const userId = await resolveUser(deps, user);
  await deps.db.pool.query(
    `insert into sessions (user_id, session_id, id, conversation_id, context, expires_at)
     select user_id, 'session of ' || $2, gen_random_uuid(), id, jsonb_build_object('of', $2::text), '2100-01-01'
       from conversations where user_id = $1 and client_id = 'kept'`,
    [userId, user],
  );
  return userId;
}

test("a person's export holds everything there is of them, and nothing that is a secret or somebody else's", async () => {
  const { services, newKey, send } = await startAuthenticated();
  await seed(services, ADA);
  await seed(services, BOB);
  const [own, revoked, backend] = await Promise.all([newKey(ADA), newKey(ADA), newKey(BOB, { scope: "admin" })]);
  await revokeApiKey(services.deps, revoked.id);
  const login = await send("POST", "/api/login", {}, { credential: own.secret });
  const cookie = /^[^;]+/.exec(login.headers.get("set-cookie") ?? "")?.[0] ?? "";
  await send("DELETE", "/api/conversations/kept/messages/q", { "x-api-key": backend.secret, "x-backscroll-user": ADA });

  const answer = await send("GET", "/api/me/export", bearer(own.secret));

  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toBe("application/json");
  expect(answer.headers.get("content-disposition")).toBe('attachment; filename="backscroll.json"');
  const { exported_at: _, conversations, ...beside } = answer.json;
  const byTitle = Object.fromEntries(conversations.map((one: Exported) => [one.conversation.title, one]));
  expect(Object.keys(byTitle).toSorted()).toEqual([`kept of ${ADA}`, `trashed of ${ADA}`]);
  const { kept, trashed } = { kept: byTitle[`kept of ${ADA}`], trashed: byTitle[`trashed of ${ADA}`] };
  expect(kept.user).toEqual({ issuer: "local", subject: ADA, email: ADA });
  expect(kept.conversation).not.toHaveProperty("deleted_at");
  expect(trashed.conversation.deleted_at).toMatch(/^\d{4}-/);
  expect(kept.messages.map(({ id }: { id: string }) => id)).toEqual(["a"]);
  expect(trashed.messages.map(({ id }: { id: string }) => id)).toEqual(["q", "a"]);
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  const day = expect.stringMatching(/^\d{4}-\d\d-\d\d$/);
  const byAda = { at: time, actor: "you", actor_key_id: null, subject: "you" };
  const byBackend = { at: time, actor: "somebody_else", actor_key_id: backend.id, subject: "you" };
  const key = { name: "", scope: "own", created_at: time, expires_at: null };
  expect(beside).toEqual({
    backscroll_export: 1,
    user: { issuer: "local", subject: ADA, email: ADA, created_at: time },
    sessions: [
      {
        session_id: `session of ${ADA}`,
        conversation_id: "kept",
        context: { of: ADA },
        created_at: time,
        updated_at: time,
        expires_at: time,
      },
    ],
    usage: [
      { day, role: "assistant", model: "gpt", messages: 3, tokens_used: 21 },
      { day, role: "user", model: null, messages: 3, tokens_used: 0 },
    ],
    api_keys: [
      { id: own.id, ...key, last_used_at: time, revoked_at: null },
      { id: revoked.id, ...key, last_used_at: null, revoked_at: time },
    ].toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    logins: [{ api_key_id: own.id, is_admin: false, conversation_claim: null, created_at: time, expires_at: time }],
    audit: [
      { ...byAda, action: "person_exported", actor_key_id: own.id, conversation_id: null },
      { ...byBackend, action: "message_deleted", conversation_id: "kept" },
      { ...byBackend, action: "acted_for", conversation_id: null },
      { ...byAda, action: "conversation_deleted", conversation_id: "erased" },
      { ...byAda, action: "conversation_trashed", conversation_id: "trashed" },
    ],
  });
  const secret = cookie.slice(cookie.indexOf("=") + 1);
  expect(secret).not.toBe("");
  for (const hidden of [BOB, own.secret, secret, "sha256"]) expect(answer.text).not.toContain(hidden);
});

test("an import reads a person's export: what was in the trash is passed over, and nothing fails", async ({
  services,
}) => {
  await seed(services, ADA);
  const { text } = await services.call(ADA, "GET", "/api/me/export");
  const { json } = await services.call(CAROL, "POST", "/api/import", text);
  expect(json).toEqual({
    conversations: { created: 1, existing: 0 },
    messages: { saved: 2, skipped: 0 },
    failed: 0,
    errors: [],
  });
  const { conversations } = services;
  expect((await conversations.listUserConversations(CAROL)).conversations).toMatchObject([{ title: `kept of ${ADA}` }]);
  expect((await conversations.listDeletedConversations(CAROL)).conversations).toEqual([]);
});

test("long lists of every kind come whole and in bounded pieces, and an import passes over any amount of them", async ({
  services,
}) => {
  const userId = await seed(services, ADA);
  const { pool } = services.deps.db;
  await pool.query(
    `insert into sessions (user_id, session_id, id, conversation_id, context, expires_at)
     select user_id, 's' || n, gen_random_uuid(), id, jsonb_build_object('n', n, 'x', repeat('x', 12000)), '2100-01-01'
       from conversations, generate_series(1, 1601) as n where user_id = $1 and client_id = 'kept'`,
    [userId],
  );
  const lists: Record<string, string> = {
    usage: `insert into usage_daily select $1, '2020-01-01'::date + n / 2, 'user', 'm' || n % 2, n, n
              from generate_series(1, 601) as n`,
    api_keys: `insert into api_keys (id, user_id, name, key_sha256, scope)
               select gen_random_uuid(), $1, 'k' || n, sha256(n::text::bytea), 'own' from generate_series(1, 601) as n`,
    logins: `insert into logins (cookie_sha256, user_id, is_admin, created_at, expires_at)
             select sha256(n::text::bytea), $1, false, '2020-01-01'::timestamptz + n * interval '1 s', '2100-01-01'
               from generate_series(1, 601) as n`,
    audit: `insert into audit_log (action, subject)
            select 'conversation_exported', pseudonym from audit_persons, generate_series(1, 601) where user_id = $1`,
  };
  for (const sql of Object.values(lists)) await pool.query(sql, [userId]);

  const pieces: string[] = [];
  for await (const piece of await exportPerson(services.deps, userId, BY_OPERATOR)) pieces.push(piece);

  expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(2_000_000);
  const text = pieces.join("");
  const exported = JSON.parse(text);
  const distinct = (items: readonly object[]): number => new Set(items.map((item) => JSON.stringify(item))).size;
  expect(distinct(exported.sessions)).toBe(1 + 1601);
  expect(distinct(exported.usage)).toBe(2 + 601);
  expect(distinct(exported.api_keys)).toBe(601);
  expect(distinct(exported.logins)).toBe(601);
  expect(exported.audit).toHaveLength(601 + 3);
  const carol = await resolveUser(services.deps, CAROL);
  async function* inChunks(): AsyncIterable<Uint8Array> {
    const bytes = Buffer.from(text);
    expect(bytes.length).toBeGreaterThan(18_000_000);
    for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
  }
  expect(await importConversations(services.deps, carol, inChunks())).toMatchObject({ messagesSaved: 2, failed: 0 });
}, 60_000);

test("a conversation that goes to the trash or comes back while it is exported is there once", async ({ services }) => {
  const { conversations, deps } = services;
  const ids = Array.from({ length: 230 }, (_, i) => `c${i}`);
  for (const id of ids) await conversations.createConversation(ADA, { id });
  const [trashed = "", restored = ""] = ids;
  await conversations.deleteConversation(ADA, restored);
  const userId = await resolveUser(deps, ADA);
  const { rows } = await deps.db.pool.query<{ client_id: string }>("select client_id from conversations order by id");
  // Half of the list is read before, half after.
  const half = rows[115]?.client_id;
  const seen: string[] = [];
  for await (const piece of await exportPerson(deps, userId, {
    ...BY_OPERATOR,
    onConversation: ({ id }) => void seen.push(id),
  })) {
    if (seen.at(-1) !== half || piece !== "\n]}") continue;
    await conversations.deleteConversation(ADA, trashed);
    await conversations.restoreConversation(ADA, restored);
  }
  expect(seen.toSorted()).toEqual(ids.toSorted());
});

test("a conversation that is erased while it is exported breaks the export off: half of it never looks whole", async ({
  services,
}) => {
  const { conversations, deps } = services;
  const userId = await seed(services, ADA);
  const long = "x".repeat(700_000);
  for (let i = 0; i < 4; i += 1) await conversations.saveMessage(ADA, "kept", { role: "user", content: long });
  const broken = async (): Promise<void> => {
    for await (const piece of await exportPerson(deps, userId, BY_OPERATOR)) {
      if (!piece.includes(long)) continue;
      await conversations.deleteConversation(ADA, "kept", { permanent: true });
    }
  };
  await expect(broken()).rejects.toMatchObject({ code: "conversation_not_found" });
});

test("somebody who is erased while they are exported breaks the export off, wherever it is", async ({ services }) => {
  const erasedAfter = async (user: string, isReached: (piece: string) => boolean): Promise<string> => {
    const userId = await seed(services, user);
    let text = "";
    for await (const piece of await exportPerson(services.deps, userId, BY_OPERATOR)) {
      text += piece;
      if (isReached(piece)) await eraseUser(services.deps, { userId, actor: null });
    }
    return text;
  };
  let ended = 0;
  const isFirstEnd = (piece: string): boolean => piece === "\n]}" && (ended += 1) === 1;
  await expect(erasedAfter(ADA, isFirstEnd)).rejects.toMatchObject({ code: "user_erased" });
  await expect(erasedAfter(BOB, (piece) => piece.includes('"usage"'))).rejects.toMatchObject({ code: "user_erased" });
});

test("a conversation that is erased before it is reached is left out, not there without its messages", async ({
  services,
}) => {
  const { conversations, deps } = services;
  const userId = await seed(services, ADA);
  let erased = false;
  const titles: string[] = [];
  let text = "";
  const onConversation = ({ title }: { title: string }): void => void titles.push(title);
  for await (const piece of await exportPerson(deps, userId, { ...BY_OPERATOR, onConversation })) {
    text += piece;
    if (piece !== "\n]}" || erased) continue;
    erased = true;
    const other = titles[0]?.startsWith("kept") ? "trashed" : "kept";
    await conversations.deleteConversation(ADA, other, { permanent: true });
  }
  const exported: Exported[] = JSON.parse(text).conversations;
  expect(exported.map(({ conversation }) => conversation.title)).toEqual(titles);
  expect(titles).toHaveLength(1);
});

test("the command line exports the same, and reads it back", async ({ services }) => {
  const userId = await seed(services, ADA);
  const environment = { DATABASE_URL: services.databaseUrl };
  const file = `${temporaryDirectory()}/ada.json`;
  const written = await runCommand(["export", "--user", ADA, "--output", file], environment);
  expect(written, written.stderr).toMatchObject({ status: 0 });
  const exported = readFileSync(file, "utf8");
  const again = await textOf(await exportPerson(services.deps, userId, BY_OPERATOR));
  const comparable = (text: string): object => {
    const { exported_at: _, audit, ...rest } = JSON.parse(text);
    return { ...rest, audit: audit.filter(({ action }: { action: string }) => action !== "person_exported") };
  };
  expect(comparable(exported)).toEqual(comparable(again));
  expect(JSON.parse(exported).audit[0]).toMatchObject({ action: "person_exported", actor: "service" });

  const read = await runCommand(["--json", "import", file, "--user", CAROL], environment);
  expect(read, read.stderr).toMatchObject({ status: 0 });
  expect(JSON.parse(read.stdout)).toMatchObject({ conversations: { created: 1 }, messages: { saved: 2 }, failed: 0 });
}, 30_000);
