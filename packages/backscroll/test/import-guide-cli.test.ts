import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { expect, inject, onTestFinished, test as plain } from "vitest";
import { ADA, at, cuid, type Guide, guideTables, idsIn } from "./import-guide-fixture.ts";
import { startPgBouncer } from "./pgbouncer.ts";
import { runCommand, startCommand, temporaryDirectory } from "./service-process.ts";
import { createServices, newSchema, type Services, test } from "./services.ts";

interface Run {
  readonly status: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

const errorsFile = (): string => join(temporaryDirectory(), "guide.errors.jsonl");

function importGuide(services: Services, url: string, args: readonly string[] = []): Promise<Run> {
  return runCommand(["import", "guide", "--from", url, "--errors", errorsFile(), ...args], {
    DATABASE_URL: services.databaseUrl,
  });
}

const schemaOf = (url: string): string => /search_path(?:=|%3D)(\w+)/.exec(url)?.[1] ?? "";

/** The URL as an app's Prisma has it. */
function prismaUrl(guide: Guide, more: Readonly<Record<string, string>> = {}): string {
  const url = new URL(guide.databaseUrl);
  const schema = schemaOf(guide.databaseUrl);
  url.searchParams.delete("options");
  const params = { schema, connection_limit: "5", pgbouncer: "true", pool_timeout: "2", connect_timeout: "5", ...more };
  for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value);
  return url.href;
}

/** Conversations as an app writes them: some short, one long, ties everywhere. */
async function fill(guide: Guide, conversations: number, longOne: number): Promise<void> {
  let count = 0;
  const rows = (messages: number): { id: string; role: string; content: string; created_at: string }[] =>
    Array.from({ length: messages }, (_, n) => {
      const ms = Date.parse(at(0)) + Math.floor(n / 2) * 7;
      count += 1;
      return {
        id: cuid(ms, count % 36 ** 4),
        role: n % 2 === 0 ? "user" : "assistant",
        content: `text ${n} é`,
        created_at: new Date(ms).toISOString(),
      };
    });
  for (let n = 0; n < conversations; n += 1) {
    await guide.conversation(`c${n}`, rows(4), { user_email: `user${n % 7}@example.com`, title: `Title ${n}` });
  }
  await guide.conversation("long", rows(longOne));
}

/** All that an import left, but for what every database has of its own. */
async function left({ deps }: Services): Promise<unknown[]> {
  const { rows } = await deps.db.pool.query(
    `select u.email, c.client_id as conversation, c.title, c.updated_at, m.seq, m.client_id, m.role, m.content, m.created_at
       from users u join conversations c on c.user_id = u.id
       join messages m on m.user_id = u.id and m.conversation_id = c.id
      order by c.client_id, m.seq`,
  );
  return rows;
}

test("a run tells what it did, in words and in JSON, and a second one adds nothing", async ({ services }) => {
  const guide = await guideTables();
  await fill(guide, 3, 10);
  await guide.run(`alter table "Message" add column model text`);
  await guide.run(`drop index "Message_conversation_id_created_at_idx"`);
  await guide.run(`update "Conversation" set user_email = 'User0@example.com' where id = 'long'`);
  const first = await importGuide(services, prismaUrl(guide));
  expect(first.status, first.stderr).toBe(0);
  expect(first.stderr).toContain("22 messages imported (0 were there already) in 4 new and 0 existing conversations.");
  expect(first.stderr).toContain("22 messages had one time with another: put in order by what their ids tell (22)");
  expect(first.stderr).toContain("Compared 22 messages in 4 conversations: the same on both sides.");
  expect(first.stderr).toContain("Columns that the guide does not have stay behind: Message.model");
  expect(first.stderr).toContain("no index that begins with conversation_id");
  expect(first.stderr).toMatch(/User0@example.com, user0@example.com|user0@example.com, User0@example.com/);
  const again = await runCommand(["--json", "import", "guide", "--errors", errorsFile()], {
    DATABASE_URL: services.databaseUrl,
    GUIDE_DATABASE_URL: prismaUrl(guide),
  });
  expect(again.status, again.stderr).toBe(0);
  expect(JSON.parse(again.stdout)).toEqual({
    complete: true,
    conversations: { created: 0, existing: 4, retitled: 0, in_trash: 0, gone: 0, gone_ids: [] },
    messages: { saved: 0, skipped: 22, late: 0, deleted_here: 0, only_here: 0, moved: 0 },
    ties: { id_time: 0, roles: 0, id: 0 },
    verified: { conversations: 4, messages: 22 },
    failed: 0,
    errors_file: null,
  });
}, 60_000);

test("what failed is in a file, a line each, and the status says so; --role says what a role means", async ({
  services,
}) => {
  const guide = await guideTables();
  await guide.conversation("c", [{ id: "m1" }, { id: "m2", role: "agent", created_at: at(2) }]);
  const file = errorsFile();
  const failed = await importGuide(services, prismaUrl(guide), ["--errors", file]);
  expect(failed.status).toBe(1);
  expect(failed.stderr).toContain('c / m2: nobody knows the role "agent"');
  expect(failed.stderr).toContain("Compared: 1 message the same on both sides, 0 conversations whole.");
  expect(failed.stderr).toContain("1 item could not be imported, or differ");
  expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({
    conversation_id: "c",
    message_id: "m2",
    code: "invalid_request",
  });
  const { status, stderr } = await importGuide(services, prismaUrl(guide), ["--role", "agent=assistant"]);
  expect(status, stderr).toBe(0);
  expect(await idsIn(services, "c")).toEqual(["m1", "m2"]);
}, 60_000);

test("--verify-only says on both sides the same, and fails when a row was changed by hand", async ({ services }) => {
  const guide = await guideTables();
  await guide.conversation("c", [{ id: "m1" }]);
  expect((await importGuide(services, prismaUrl(guide), ["--verify-only"])).status).toBe(1);
  expect((await importGuide(services, prismaUrl(guide))).status).toBe(0);
  expect((await importGuide(services, prismaUrl(guide), ["--verify-only"])).status).toBe(0);
  await services.deps.db.pool.query("update messages set role = 'assistant'");
  const { status, stderr } = await importGuide(services, prismaUrl(guide), ["--verify-only"]);
  expect(status).toBe(1);
  expect(stderr).toContain("c / m1: it is here with another role, content, tokens_used or latency_ms");
}, 60_000);

plain.for([
  ["no URL", [], 2, "--from <url>, or GUIDE_DATABASE_URL"],
  ["a URL that is none", ["--from", "postgres://me:secret#1@host/db"], 2, "must be percent-encoded"],
  ["another database", ["--from", "mysql://me:secret@host/db"], 2, "must begin with postgres://"],
  ["Prisma's proxy", ["--from", "prisma+postgres://accelerate/?api_key=secret"], 2, "leads to Prisma's own proxy"],
  ["a certificate as Prisma has it", ["--from", "postgres://me:secret@host/db?sslidentity=x.p12"], 2, "sslidentity"],
  ["a role that is none", ["--from", "postgres://me:secret@host/db", "--role", "agent=robot"], 2, "agent=assistant"],
  ["an owner", ["--from", "postgres://me:secret@host/db", "--user", "a"], 2, "without --user"],
  ["nobody there", ["--from", "postgres://me:secret@127.0.0.1:1/db"], 3, "cannot connect to it"],
] as const)("%s is a mistake that says what to do, without the password", async ([, args, code, told]) => {
  const { status, stderr } = await runCommand(["import", "guide", "--errors", errorsFile(), ...args]);
  expect([status, stderr]).toEqual([code, expect.stringContaining(told)]);
  expect(stderr).not.toContain("secret");
});

test("tables that are not the guide's are told with what was looked for and found", async ({ services }) => {
  const guide = await guideTables();
  const problem = async (sql: string, url = prismaUrl(guide)): Promise<string> => {
    await guide.run(sql);
    const { status, stderr } = await importGuide(services, url);
    expect(status, stderr).toBe(1);
    return stderr;
  };
  expect(await problem(`alter table "Message" alter column content type json using null`)).toContain(
    '"Message"."content" is of type json: it should be text or character varying',
  );
  expect(await problem(`alter table "Message" drop column content, drop column role`)).toMatch(
    /the table "Message" has no column role: it has id, conversation_id, .*; the table "Message" has no column content/,
  );
  expect(await problem(`alter table "Message" rename to messages_old`)).toMatch(
    /there is no "Message" in schema test_\w+: it has Conversation, .*messages_old/,
  );
  expect(await problem("select 1", prismaUrl(guide, { schema: "nowhere" }))).toMatch(
    new RegExp(`there is no such schema\\. There is .*\\?schema=… in the URL says which schema`),
  );
}, 60_000);

test("a role that may read is enough; one that may not is told what to grant", async ({ services }) => {
  const guide = await guideTables();
  await guide.conversation("c", [{ id: "m1" }]);
  const reader = `reader_${process.pid}_${Math.random().toString(36).slice(2, 8)}`;
  const schema = schemaOf(guide.databaseUrl);
  await guide.run(`create role ${reader} login password 'pw'; grant usage on schema ${schema} to ${reader};
                   grant select on "Conversation" to ${reader}`);
  onTestFinished(() => guide.run(`drop owned by ${reader}; drop role ${reader}`));
  const url = new URL(prismaUrl(guide));
  [url.username, url.password] = [reader, "pw"];
  const refused = await importGuide(services, url.href);
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain('"Message"."id" may not be read: grant select on "Message" to this user');
  await guide.run(`grant select on "Message" to ${reader}`);
  const { status, stderr } = await importGuide(services, url.href);
  expect(status, stderr).toBe(0);
}, 60_000);

test("through a pooler in transaction mode it is one snapshot, too", async ({ services }) => {
  const guide = await guideTables();
  await fill(guide, 20, 2_500);
  const pgbouncer = await startPgBouncer(inject("databaseUrl"));
  onTestFinished(() => pgbouncer.stop());
  const url = new URL(pgbouncer.url);
  url.searchParams.set("schema", schemaOf(guide.databaseUrl));
  url.searchParams.set("pgbouncer", "true");
  const { status, stderr } = await importGuide(services, url.href);
  expect(status, stderr).toBe(0);
  expect(stderr).toContain("Compared 2,580 messages in 21 conversations");
}, 120_000);

test("killed at any point and run again leaves what one clean run leaves", async ({ services }) => {
  const guide = await guideTables();
  await fill(guide, 400, 6_000);
  const clean = await newSchema();
  onTestFinished(clean.drop);
  const other = await createServices({ databaseUrl: clean.databaseUrl });
  onTestFinished(() => other.close());
  const whole = await importGuide(other, prismaUrl(guide));
  expect(whole.status, whole.stderr).toBe(0);
  const count = async (): Promise<number> =>
    Number((await services.deps.db.pool.query("select count(*) from messages")).rows[0].count);
  for (const stopAt of [1, 700, 1_500, 4_000]) {
    const command = startCommand(["import", "guide", "--from", prismaUrl(guide), "--errors", errorsFile()], {
      DATABASE_URL: services.databaseUrl,
    });
    await expect.poll(count, { timeout: 30_000, interval: 5 }).toBeGreaterThanOrEqual(stopAt);
    command.child.kill("SIGKILL");
    await command.ended;
  }
  const before = await count();
  expect(before).toBeLessThan(7_600);
  const { status, stderr } = await importGuide(services, prismaUrl(guide));
  expect(status, stderr).toBe(0);
  expect(stderr).toContain("Compared 7,600 messages in 401 conversations");
  expect(await left(services)).toEqual(await left(other));
}, 180_000);

/** Starts an import. @returns it, when something has been imported, and what counts the messages that are here */
async function beginImport(
  services: Services,
  guide: Guide,
): Promise<{ command: ReturnType<typeof startCommand>; count: () => Promise<number> }> {
  const command = startCommand(["import", "guide", "--from", prismaUrl(guide), "--errors", errorsFile()], {
    DATABASE_URL: services.databaseUrl,
  });
  const count = async (): Promise<number> =>
    Number((await services.deps.db.pool.query("select count(*) from messages")).rows[0].count);
  await expect.poll(count, { timeout: 30_000, interval: 5 }).toBeGreaterThan(0);
  return { command, count };
}

test("Ctrl+C ends between two batches, with what was done and 130", async ({ services }) => {
  const guide = await guideTables();
  await fill(guide, 1_000, 10);
  const { command, count } = await beginImport(services, guide);
  command.child.kill("SIGINT");
  expect(await command.ended, command.stderr()).toBe(130);
  expect(command.stderr()).toContain("stopped; run it again, and it goes on where it was");
  expect(command.stderr()).toContain(`${(await count()).toLocaleString("en")} messages imported`);
  expect(await count()).toBeLessThan(4_010);
}, 60_000);

test("while an app goes on writing, each run is right as of its beginning, and the last has everything", async ({
  services,
}) => {
  const guide = await guideTables();
  await fill(guide, 30, 500);
  const writing = new AbortController();
  let written = 0;
  /** Two connections, whose transactions commit in another order than their times are in. */
  const write = async (process: string): Promise<void> => {
    const client = new pg.Client({ connectionString: guide.databaseUrl });
    await client.connect();
    while (!writing.signal.aborted) {
      written += 1;
      const time = new Date();
      const conversation = `c${written % 40}`;
      await client.query("begin");
      await client.query(
        `insert into "Conversation" (id, user_email, title, created_at, updated_at) values ($1, $2, 'new', $3, $3)
         on conflict do nothing`,
        [conversation, ADA, time.toISOString()],
      );
      for (const role of ["user", "assistant"]) {
        await client.query(
          `insert into "Message" (id, conversation_id, role, content, created_at) values ($1, $2, $3, 'x', $4)`,
          [
            cuid(
              time.getTime(),
              (written * 2) % 36 ** 4,
              process,
              `${role.slice(0, 4)}${String(written).padStart(4, "0")}`,
            ),
            conversation,
            role,
            time.toISOString(),
          ],
        );
      }
      await new Promise((resolve) => setImmediate(resolve));
      await client.query("commit");
    }
    await client.end();
  };
  const writers = [write("aaaa"), write("bbbb")];
  try {
    for (let run = 0; run < 2; run += 1) {
      const { status, stderr } = await importGuide(services, prismaUrl(guide));
      expect(status, stderr).toBe(0);
    }
  } finally {
    writing.abort();
    await Promise.all(writers);
  }
  expect(written).toBeGreaterThan(10);
  const { status, stdout, stderr } = await importGuide(services, prismaUrl(guide), ["--json"]);
  expect(status, stderr).toBe(0);
  const result = JSON.parse(stdout);
  const total = 620 + 2 * written;
  expect(result).toMatchObject({ verified: { messages: total }, failed: 0 });
  expect(result.messages.saved + result.messages.skipped).toBe(total);
  const { rows } = await services.deps.db.pool.query("select count(*) from messages");
  expect(Number(rows[0].count)).toBe(total);
}, 120_000);

test("a source that goes away is told, and what is here stays", async ({ services }) => {
  const guide = await guideTables();
  await fill(guide, 2_000, 10);
  const { command, count } = await beginImport(services, guide);
  await services.deps.db.pool.query(
    `select pg_terminate_backend(a.pid) from pg_stat_activity a join pg_locks l on l.pid = a.pid
      where a.application_name = 'backscroll import guide' and l.relation = $1::regclass`,
    [`${schemaOf(guide.databaseUrl)}."Message"`],
  );
  expect(await command.ended, command.stderr()).toBe(3);
  expect(command.stderr()).toContain("run it again, and it goes on");
  expect(await count()).toBeGreaterThan(0);
  const { status, stderr } = await importGuide(services, prismaUrl(guide));
  expect(status, stderr).toBe(0);
  expect(await count()).toBe(8_010);
}, 120_000);

test("a file that is called guide is still imported", async ({ services }) => {
  expect(existsSync("guide")).toBe(false);
  const { status, stderr } = await runCommand(["import", "./guide"], { DATABASE_URL: services.databaseUrl });
  expect([status, stderr]).toEqual([2, expect.stringContaining("cannot read ./guide")]);
}, 60_000);
