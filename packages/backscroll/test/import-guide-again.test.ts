import { expect } from "vitest";
import { ADA, at, type Guide, guideTables, idsIn, imported, runImport } from "./import-guide-fixture.ts";
import { type Services, test } from "./services.ts";

const BOB = "bob@example.com";

async function call(services: Services, method: string, path: string, body?: object): Promise<void> {
  const { status, text } = await services.call(ADA, method, path, body);
  expect(status, text).toBeLessThan(300);
}

/** The guide's tables with one conversation of messages m1, m2, …, imported. */
async function importedGuide(services: Services, messages: number): Promise<Guide> {
  const guide = await guideTables();
  const rows = Array.from({ length: messages }, (_, n) => ({
    id: `m${n + 1}`,
    role: n % 2 === 0 ? "user" : "assistant",
    created_at: at(n + 1),
  }));
  await guide.conversation("c", rows);
  await imported(services, guide);
  return guide;
}

/** As a version left it that kept of a deletion only its place. */
function forgetWhichWereDeleted({ deps }: Services): Promise<unknown> {
  return deps.db.pool.query("update deleted_messages set id = null");
}

test("a message written here and deleted here stands for none of the guide's: new ones come over", async ({
  services,
}) => {
  const guide = await importedGuide(services, 2);
  await call(services, "POST", "/api/conversations/c/messages", { id: "mine", role: "user", content: "x" });
  await call(services, "DELETE", "/api/conversations/c/messages/mine");
  await guide.messages("c", [{ id: "m3", created_at: at(3) }]);
  const verify = { verifyOnly: true };
  expect((await runImport(services, guide, verify)).errors).toEqual([
    { conversationId: "c", messageId: "m3", code: "missing", detail: "it is not here" },
  ]);
  expect(await imported(services, guide)).toMatchObject({ messagesSaved: 1, messagesDeletedHere: 0 });
  expect(await idsIn(services, "c")).toEqual(["m1", "m2", "m3"]);
  expect(await imported(services, guide, verify)).toMatchObject({ messagesVerified: 3, messagesDeletedHere: 0 });
});

test("a reply that was written anew here stays away, and new messages come over", async ({ services }) => {
  const guide = await importedGuide(services, 2);
  for (const _ of ["m2", "the reply in its place"])
    await call(services, "POST", "/api/chat", { id: "c", trigger: "regenerate-message" });
  await guide.messages("c", [
    { id: "m3", created_at: at(3) },
    { id: "m4", created_at: at(4) },
  ]);
  expect(await imported(services, guide)).toMatchObject({
    messagesSaved: 2,
    messagesDeletedHere: 1,
    messagesOnlyHere: 1,
    conversationsVerified: 1,
  });
  expect(await idsIn(services, "c")).toEqual(["m1", expect.any(String), "m3", "m4"]);
});

test("of a deleted message and one that was committed late before it, the late one comes over", async ({
  services,
}) => {
  const guide = await importedGuide(services, 3);
  await call(services, "DELETE", "/api/conversations/c/messages/m2");
  await guide.messages("c", [{ id: "late", created_at: at(1, 500) }]);
  expect(await imported(services, guide)).toMatchObject({ messagesSaved: 1, messagesLate: 1, messagesDeletedHere: 1 });
  expect(await idsIn(services, "c")).toEqual(["m1", "m3", "late"]);
  expect(await imported(services, guide, { verifyOnly: true })).toMatchObject({
    messagesDeletedHere: 1,
    conversationsVerified: 1,
  });
});

test("what was left out once and what was removed past the service is no deletion: it comes over", async ({
  services,
}) => {
  const guide = await importedGuide(services, 3);
  await guide.messages("c", [{ id: "agents", role: "agent", created_at: at(4) }]);
  expect((await runImport(services, guide)).result).toMatchObject({ messagesSaved: 0, failed: 1 });
  await call(services, "DELETE", "/api/conversations/c/messages/m1");
  await services.deps.db.pool.query("delete from messages where client_id = 'm2'");
  expect(await imported(services, guide, { roles: { agent: "assistant" } })).toMatchObject({
    messagesSaved: 2,
    messagesDeletedHere: 1,
  });
  expect(await idsIn(services, "c")).toEqual(["m3", "m2", "agents"]);
});

test("what was deleted while an import was broken off in its conversation stays away, and all others come", async ({
  services,
}) => {
  const guide = await guideTables();
  const rows = Array.from({ length: 300 }, (_, n) => ({ id: `m${n}`, created_at: at(n) }));
  await guide.conversation("c", rows);
  const stopping = new AbortController();
  const { result } = await runImport(services, guide, {
    signal: stopping.signal,
    onProgress: () => stopping.abort(),
  });
  expect(result.messagesSaved).toBeGreaterThan(90);
  expect(result.messagesSaved).toBeLessThan(300);
  for (const id of ["m7", "m90"]) await call(services, "DELETE", `/api/conversations/c/messages/${id}`);
  expect(await imported(services, guide)).toMatchObject({
    messagesSaved: 300 - result.messagesSaved,
    messagesDeletedHere: 2,
  });
  const rest = rows.map(({ id }) => id).filter((id) => id !== "m7" && id !== "m90");
  const { rows: stored } = await services.deps.db.pool.query("select client_id from messages order by seq");
  expect(stored.map(({ client_id }) => client_id)).toEqual(rest);
});

test("a deleted message that was brought back and deleted again stays away", async ({ services }) => {
  const guide = await importedGuide(services, 2);
  await call(services, "DELETE", "/api/conversations/c/messages/m1");
  expect(await imported(services, guide, { restoreDeleted: true })).toMatchObject({ messagesSaved: 1 });
  await call(services, "DELETE", "/api/conversations/c/messages/m1");
  expect(await imported(services, guide)).toMatchObject({ messagesSaved: 0, messagesDeletedHere: 1 });
  expect(await idsIn(services, "c")).toEqual(["m2"]);
});

test("where an earlier version did not keep which messages were deleted, each that may be one is told, and later ones come", async ({
  services,
}) => {
  const guide = await importedGuide(services, 3);
  await call(services, "DELETE", "/api/conversations/c/messages/m2");
  await forgetWhichWereDeleted(services);
  await guide.messages("c", [
    { id: "late", created_at: at(2) },
    { id: "new", created_at: new Date(Date.now() + 1_000).toISOString() },
  ]);
  const untold = ["late", "m2"].map((messageId) =>
    expect.objectContaining({ conversationId: "c", messageId, code: "deleted_or_new" }),
  );
  for (const verifyOnly of [true, false]) {
    const { errors, result } = await runImport(services, guide, { verifyOnly });
    const missing = expect.objectContaining({ messageId: "new", code: "missing" });
    expect(errors).toEqual(verifyOnly ? [...untold, missing] : untold);
    expect(result).toMatchObject({
      messagesSaved: verifyOnly ? 0 : 1,
      messagesDeletedHere: 0,
      conversationsVerified: 0,
    });
  }
  expect(await idsIn(services, "c")).toEqual(["m1", "m3", "new"]);
  expect(await imported(services, guide, { restoreDeleted: true })).toMatchObject({ messagesSaved: 2 });
  await call(services, "DELETE", "/api/conversations/c/messages/late");
  expect(await imported(services, guide)).toMatchObject({ messagesSaved: 0, messagesDeletedHere: 1 });
  expect(await idsIn(services, "c")).toEqual(["m1", "m3", "new", "m2"]);
});

test("conversations of another app's tables are not taken for ones that are gone", async ({ services }) => {
  const [first, second] = [await guideTables(), await guideTables()];
  await first.conversation("a", [{ id: "m1" }]);
  await first.conversation("b", [{ id: "m2" }]);
  await second.conversation("c", [{ id: "m3" }], { user_email: BOB });
  await imported(services, first);
  expect(await imported(services, second)).toMatchObject({ conversationsGone: 0 });
  await first.run(`delete from "Conversation" where id = 'b'`);
  expect(await imported(services, second)).toMatchObject({ conversationsGone: 0 });
  expect(await imported(services, first)).toMatchObject({ conversationsGone: 1, goneIds: ["b"] });
});

test("of what an earlier version imported, the next run keeps from which tables it came", async ({ services }) => {
  const guide = await importedGuide(services, 1);
  await services.deps.db.pool.query("update conversations set metadata = metadata #- '{guide,source}'");
  await imported(services, guide);
  await guide.run(`delete from "Conversation"`);
  expect(await imported(services, guide)).toMatchObject({ conversationsGone: 1, goneIds: ["c"] });
});

test("an owner who was erased while their conversation was brought over leaves no orphans", async ({ services }) => {
  const guide = await guideTables();
  await guide.conversation("c", [{ id: "m1" }, { id: "m2", created_at: at(2) }]);
  await services.call(ADA, "GET", "/api/conversations");
  await services.deps.db.pool.query("delete from users");
  const { errors, result } = await runImport(services, guide);
  expect(errors).toEqual([expect.objectContaining({ conversationId: "c", code: "user_erased" })]);
  expect(result).toMatchObject({ messagesSaved: 0, failed: 1 });
});

test("where the table's key is gone, an id that is there twice is told, and its first message imported", async ({
  services,
}) => {
  const guide = await guideTables();
  await guide.run(`alter table "Message" drop constraint "Message_pkey"`);
  await guide.conversation("c", [{ id: "m1" }, { id: "m2", created_at: at(2) }, { id: "m1", created_at: at(3) }]);
  const { errors } = await runImport(services, guide);
  expect(errors).toEqual([expect.objectContaining({ messageId: "m1", code: "message_id_conflict" })]);
  expect(await idsIn(services, "c")).toEqual(["m1", "m2"]);
});

test("nulls where the guide's schema forbids them are told item by item, and a null title is none", async ({
  services,
}) => {
  const guide = await guideTables();
  await guide.run(`alter table "Message" drop constraint "Message_conversation_id_fkey"`);
  for (const table of ["Conversation", "Message"])
    await guide.run(`alter table "${table}" drop constraint "${table}_pkey", alter column id drop not null`);
  for (const column of ["role", "content", "created_at"])
    await guide.run(`alter table "Message" alter column ${column} drop not null`);
  for (const column of ["title", "user_email"])
    await guide.run(`alter table "Conversation" alter column ${column} drop not null`);
  for (const [n, id] of ["whole", "unowned", "untitled"].entries())
    await guide.conversation(
      id,
      [1, 2, 3, 4, 5].map((m) => ({ id: `${n}${m}`, created_at: at(m) })),
    );
  await guide.conversation("nameless");
  for (const change of [
    `update "Message" set role = null where id = '01'`,
    `update "Message" set content = null where id = '02'`,
    `update "Message" set created_at = null where id = '03'`,
    `update "Message" set id = null where id = '04'`,
    `update "Conversation" set user_email = null where id = 'unowned'`,
    `update "Conversation" set title = null where id = 'untitled'`,
    `update "Conversation" set id = null where id = 'nameless'`,
  ])
    await guide.run(change);
  const told = [
    [null, null, "1 of the conversations have no id: they were left out"],
    ["unowned", null, "its user_email is null: it was left out, with its 5 messages"],
    ["whole", null, "2 of its messages have no id or no created_at: they were left out"],
    ["whole", "01", "its role is null"],
    ["whole", "02", "its content is null"],
  ];
  for (const verifyOnly of [false, true]) {
    const { errors } = await runImport(services, guide, { verifyOnly });
    const lines = errors.map(({ conversationId, messageId, detail }) => [conversationId, messageId, detail]);
    expect(lines).toHaveLength(told.length);
    expect(lines).toEqual(expect.arrayContaining(told));
  }
  expect(await idsIn(services, "whole")).toEqual(["05"]);
  expect(await idsIn(services, "untitled")).toHaveLength(5);
  expect((await services.call(ADA, "GET", "/api/conversations/untitled")).json.title).toBe("New Conversation");
});
