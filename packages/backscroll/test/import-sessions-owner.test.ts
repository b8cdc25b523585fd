import { expect } from "vitest";
import { eraseUser } from "../src/service/erase-user.ts";
import { resolveUser } from "../src/service/users.ts";
import { ADA, BOB, importDump, messagesOf } from "./import-sessions-fixture.ts";
import { test } from "./services.ts";

const owner = { path: ["context", "email"] };
const of = (email: string): object => ({ messages: [{ role: "user", content: "Hi" }], context: { email } });

test("somebody who was erased does not come back with a dump that names them", async ({ services }) => {
  const dump = JSON.stringify({ ada: of(ADA), bob: of(BOB) });
  await importDump(services, dump, { owner });
  await eraseUser(services.deps, { userId: await resolveUser(services.deps, ADA), actor: null });
  const again = await importDump(services, dump, { owner });
  expect(again).toMatchObject({
    sessionsCreated: 0,
    messagesSaved: 0,
    messagesSkipped: 1,
    errors: [{ sessionId: "ada", code: "user_erased" }],
  });
  const { rows } = await services.deps.db.pool.query("select subject from users");
  expect(rows).toEqual([{ subject: BOB }]);
});

const MEGABYTES_17 = "x".repeat(17 * 1_048_576);

test("what is too large is left out and told, and keeps nothing that comes after it from being read", async ({
  services,
}) => {
  const dump = JSON.stringify({ s: { log: [MEGABYTES_17], text: MEGABYTES_17, plan: "free", ...of(ADA) } });
  const { errors, messagesSaved } = await importDump(services, dump, { owner });
  expect(errors.map(({ detail }) => detail)).toEqual([
    "log is too large: it was left out",
    "text is too large: it was left out",
  ]);
  expect(messagesSaved).toBe(1);
  expect(await messagesOf(services, "s")).toHaveLength(1);
  expect(await services.sessionStore({ user: ADA }).getContext("s")).toEqual({ email: ADA });
});

test("where the owner's key is too large, that is told first", async ({ services }) => {
  const dump = JSON.stringify({ s: { ...of(ADA), context: { email: ADA, log: MEGABYTES_17 } } });
  expect((await importDump(services, dump, { owner })).errors.map(({ detail }) => detail)).toEqual([
    "context is too large: it was left out",
    "it has no text in context.email; none of its 1 messages was imported",
  ]);
});
