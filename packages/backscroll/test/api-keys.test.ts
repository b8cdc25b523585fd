import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import {
  type Authenticated,
  authenticatedOn,
  bearer,
  startAuthenticated,
  startWithIssuer,
} from "./authenticated-services.ts";
import { type PostgresRelay, startPostgresRelay } from "./postgres-relay.ts";
import { expectProblem } from "./problem.ts";
import { newSchema } from "./services.ts";
import { post, runCommand, startService } from "./service-process.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";

interface Listed {
  readonly id: string;
  readonly user: string;
  readonly scope: string;
  readonly name: string;
  readonly last_used_at: string | null;
  readonly expires_at: string | null;
  readonly revoked_at: string | null;
}

async function ownDatabase(): Promise<{ DATABASE_URL: string }> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  return { DATABASE_URL: databaseUrl };
}

async function createKey(database: Record<string, string>, ...args: string[]): Promise<Listed & { key: string }> {
  const { status, stdout, stderr } = await runCommand(["--json", "key", "create", ...args], database);
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout) as Listed & { key: string };
}

async function listKeys(database: Record<string, string>): Promise<Listed[]> {
  const { stdout } = await runCommand(["--json", "key", "list"], database);
  return (JSON.parse(stdout) as { keys: Listed[] }).keys;
}

test("a key of the command line opens its owner's history on a running service, until it is revoked", async () => {
  const database = await ownDatabase();
  const service = await startService([], { ...database, AUTH: "required" });
  await expect.poll(() => service.stderr()).toContain("backscroll key create --user you@example.com --scope admin");
  const { id, key } = await createKey(database, "--user", ADA, "--name", "script");
  expect(key).toMatch(/^bsk_[A-Za-z0-9_-]{43}$/);

  const created = await post(`${service.url}/api/conversations`, { id: "c" }, { "x-api-key": key });
  expect(created.status).toBe(201);
  const me = await fetch(`${service.url}/api/me`, { headers: bearer(key) });
  expect(await me.json()).toMatchObject({ email: ADA, is_admin: false, logged_in: false });

  const revoked = await runCommand(["key", "revoke", id], database);
  expect(revoked).toMatchObject({ status: 0, stdout: "" });
  const status = async (): Promise<number> => (await fetch(`${service.url}/api/me`, { headers: bearer(key) })).status;
  await expect.poll(status, { timeout: 15_000 }).toBe(401);
});

test("the key is told once, alone on standard output; listing names it by its id", async () => {
  const database = await ownDatabase();
  const { status, stdout, stderr } = await runCommand(["key", "create", "--user", ADA, "--name", "laptop"], database);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^bsk_[A-Za-z0-9_-]{43}\n$/);
  const secret = stdout.trim();
  expect(stderr).not.toContain(secret);

  const [listed] = await listKeys(database);
  expect(listed).toEqual({
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    user: ADA,
    name: "laptop",
    scope: "own",
    created_at: expect.stringMatching(/Z$/),
    last_used_at: null,
    expires_at: null,
    revoked_at: null,
  });
  expect(stderr).toContain(`backscroll key revoke ${listed?.id}`);
  const table = await runCommand(["key", "list"], database);
  expect(table.stdout).toMatch(new RegExp(`${listed?.id} +${ADA} +own +laptop +never +valid\n`));
  expect(table.stdout + JSON.stringify(listed)).not.toContain(secret.slice(4));
});

test("what is wrong with a key command is said, and changes nothing", async () => {
  const database = await ownDatabase();
  const wrong: [number, string, string[]][] = [
    [2, "--user", ["create"]],
    [2, "own or admin", ["create", "--user", ADA, "--scope", "root"]],
    [2, "from 1 to 36500", ["create", "--user", ADA, "--expires-days", "0"]],
    [2, "from 1 to 36500", ["create", "--user", ADA, "--expires-days", "1.5"]],
    [1, "empty", ["create", "--user", ""]],
    [1, "at most 200", ["create", "--user", ADA, "--name", "x".repeat(201)]],
    [1, "no key of this id", ["revoke", "01a2091b-84ad-7553-b391-5c4f90b2082e"]],
    [1, "no key of this id", ["revoke", "bsk_secret"]],
  ];
  const results = await Promise.all(wrong.map(([, , args]) => runCommand(["key", ...args], database)));
  for (const [index, [status, said]] of wrong.entries()) {
    expect(results[index], said).toMatchObject({ status, stdout: "" });
    expect(results[index]?.stderr).toContain(said);
  }
  expect(results.at(-1)?.stderr).not.toContain("bsk_secret");
  expect(await listKeys(database)).toEqual([]);
});

test("revoking twice keeps the first time", async () => {
  const database = await ownDatabase();
  const { id } = await createKey(database, "--user", ADA);
  const revoke = async (): Promise<unknown> =>
    JSON.parse((await runCommand(["--json", "key", "revoke", id], database)).stdout);
  const first = await revoke();
  expect(first).toEqual({ id, revoked_at: expect.stringMatching(/Z$/) });
  expect(await revoke()).toEqual(first);
  expect((await listKeys(database))[0]).toMatchObject(first as object);
});

test("no secret is anywhere in the database", async () => {
  const { services, newKey, send } = await startAuthenticated();
  const { secret } = await newKey(ADA);
  const login = await send("POST", "/api/login", {}, { credential: secret });
  const cookie = /backscroll=([^;]+)/.exec(login.headers.get("set-cookie") ?? "")?.[1] ?? "";
  expect(cookie).toHaveLength(43);
  const held = await everythingIn(services.databaseUrl);
  expect(held).toContain(ADA);
  for (const given of [secret.slice(4), cookie]) {
    const bytes = Buffer.from(given, "base64url");
    for (const form of [given, bytes.toString("hex"), bytes.toString("base64"), Buffer.from(given).toString("hex")]) {
      expect(held).not.toContain(form);
    }
  }
});

/** @returns every row of every table, as text */
async function everythingIn(databaseUrl: string): Promise<string> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const { rows: tables } = await client.query<{ name: string }>(
    "select quote_ident(tablename) as name from pg_tables where schemaname = current_schema()",
  );
  const texts: string[] = [];
  for (const { name } of tables) {
    const { rows } = await client.query<{ text: string }>(`select t::text as text from ${name} t`);
    texts.push(...rows.map(({ text }) => text));
  }
  await client.end();
  return texts.join("\n");
}

test("what is no key, or almost one, is refused, whichever header it comes in", async () => {
  const { newKey, whoIs } = await startAuthenticated();
  const { secret } = await newKey(ADA);
  expect(await whoIs({ "x-api-key": secret })).toBe(ADA);
  expect(await whoIs(bearer(secret))).toBe(ADA);
  const last = secret.at(-1) === "A" ? "B" : "A";
  const bad = ["", "bsk_", secret.slice(4), `${secret}x`, secret.toUpperCase(), `${secret.slice(0, -1)}${last}`];
  for (const key of bad) {
    expect(await whoIs({ "x-api-key": key }), key).toBe("unauthenticated");
    expect(await whoIs(bearer(key)), key).toBe("unauthenticated");
  }
  for (const authorization of [secret, `Basic ${btoa(`ada:${secret}`)}`, `Bearer ${secret} ${secret}`, "Bearer"]) {
    expect(await whoIs({ authorization })).toBe("unauthenticated");
  }
  expect(await whoIs({ ...bearer(secret), "x-api-key": secret })).toBe("unauthenticated");
});

test("a key's owner is who their token says they are", async () => {
  const { issuer, newKey, send } = await startWithIssuer();
  const { secret } = await newKey(ADA);
  await send("POST", "/api/conversations", { "x-api-key": secret }, { id: "by-key" });
  const seen = await send("GET", "/api/conversations/by-key", bearer(await issuer.token(ADA)));
  expect(seen.status).toBe(200);
});

test("a key of the scope admin acts for whoever it names; one of the scope own for nobody else", async () => {
  const { newKey, send, whoIs } = await startAuthenticated();
  const backend = bearer((await newKey("backend@example.com", { scope: "admin" })).secret);
  const own = bearer((await newKey(BOB)).secret);

  expect(await whoIs({ ...backend, "x-backscroll-user": ADA })).toBe(ADA);
  await send("POST", "/api/conversations", { ...backend, "x-backscroll-user": ADA }, { id: "c" });
  expect((await send("GET", "/api/conversations/c", { ...backend, "x-backscroll-user": ADA })).status).toBe(200);
  // Without the header it is its owner's own, like any other.
  expect(await whoIs(backend)).toBe("backend@example.com");
  expectProblem(await send("GET", "/api/conversations/c", backend), "conversation_not_found");
  expectProblem(
    await send("GET", "/api/conversations/c", { ...backend, "x-backscroll-user": BOB }),
    "conversation_not_found",
  );

  for (const name of [ADA, BOB, "", "backend@example.com"]) {
    const answer = await send("GET", "/api/conversations/c", { ...own, "x-backscroll-user": name });
    expectProblem(answer, "forbidden");
  }
  expect((await send("GET", "/api/me", backend)).json.is_admin).toBe(true);
  expect((await send("GET", "/api/me", own)).json.is_admin).toBe(false);
});

test("whom a key acts for is named in UTF-8, or refused", async () => {
  const { newKey, send } = await startAuthenticated();
  const { secret } = await newKey("backend@example.com", { scope: "admin" });
  const actFor = async (bytes: Buffer): Promise<unknown> => {
    const headers = { ...bearer(secret), "x-backscroll-user": bytes.toString("latin1") };
    const { json } = await send("GET", "/api/me", headers);
    return json.email ?? json.errors[0].path;
  };
  expect(await actFor(Buffer.from("zoë@example.com"))).toBe("zoë@example.com");
  expect(await actFor(Buffer.from([0x7a, 0xff]))).toBe("x-backscroll-user");
  expect(await actFor(Buffer.from(""))).toBe("subject");
});

test("a key ends when it expires, without anybody looking it up", async () => {
  const { newKey, whoIs } = await startAuthenticated();
  const expiresAt = new Date(Date.now() + 1_000);
  const { secret } = await newKey(ADA, { expiresAt });
  expect(await whoIs(bearer(secret))).toBe(ADA);
  await expect.poll(() => whoIs(bearer(secret)), { timeout: 10_000 }).toBe("unauthenticated");
  expect(Date.now()).toBeGreaterThanOrEqual(expiresAt.getTime());
});

test("a key made for some days says until when", async () => {
  const database = await ownDatabase();
  const { expires_at: expiresAt } = await createKey(database, "--user", ADA, "--expires-days", "30");
  const days = (Date.parse(expiresAt ?? "") - Date.now()) / 86_400_000;
  expect(days).toBeGreaterThan(29.9);
  expect(days).toBeLessThan(30);
});

test("the last use is written down, and not with every request", async () => {
  const first = await startAuthenticated();
  const { id, secret } = await first.newKey(ADA);
  const { pool } = first.services.deps.db;
  const lastUse = async (): Promise<Date | null> => {
    const { rows } = await pool.query<{ last_used_at: Date | null }>(
      "select last_used_at from api_keys where id = $1",
      [id],
    );
    return rows[0]?.last_used_at ?? null;
  };
  await first.whoIs(bearer(secret));
  await expect.poll(lastUse).not.toBeNull();
  const before = await lastUse();
  const second = await authenticatedOn(first.services.databaseUrl);
  await second.whoIs(bearer(secret));
  await second.services.close();
  expect(await lastUse()).toEqual(before);

  await pool.query("update api_keys set last_used_at = last_used_at - interval '61 seconds' where id = $1", [id]);
  const third = await authenticatedOn(first.services.databaseUrl);
  await third.whoIs(bearer(secret));
  await expect.poll(async () => ((await lastUse()) as Date) >= (before as Date)).toBe(true);
});

test("a database that is away is no reason to take a key for bad", async () => {
  const { relay, server, secret } = await startBehindRelay();
  await relay.close();
  expectProblem(await server.send("GET", "/api/me", bearer(secret)), "database_unavailable");
});

test("a hundred requests at once look a key up once", async () => {
  const { relay, server, secret } = await startBehindRelay();
  const requests = Array.from({ length: 100 }, () => server.whoIs(bearer(secret)));
  expect(new Set(await Promise.all(requests))).toEqual(new Set([ADA]));
  expect(relay.statements.get("find_api_key")?.times).toBe(1);
});

/** A server that has not seen the key yet, and reaches PostgreSQL through a relay. */
async function startBehindRelay(): Promise<{ relay: PostgresRelay; server: Authenticated; secret: string }> {
  const { services, newKey } = await startAuthenticated();
  const { secret } = await newKey(ADA);
  const relay = await startPostgresRelay(services.databaseUrl);
  onTestFinished(() => relay.close());
  return { relay, server: await authenticatedOn(relay.databaseUrl), secret };
}
