import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { newSchema } from "./services.ts";
import { slowResponder } from "./slow-responder.ts";
import { post, runCommand, startCommand, startService, temporaryDirectory } from "./service-process.ts";

function isOpen(url: string): Promise<boolean> {
  return fetch(`${url}/livez`).then(
    () => true,
    () => false,
  );
}

async function ownDatabase(): Promise<Record<string, string>> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  return { DATABASE_URL: databaseUrl };
}

test("200 concurrent appends to one conversation over sockets take seq 1 to 200, no gap, no double", async () => {
  const service = await startService([], await ownDatabase());
  await post(`${service.url}/api/conversations`, { id: "busy" });
  const url = `${service.url}/api/conversations/busy/messages`;

  const answers = await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      const response = await post(url, { role: "user", content: `m${i}` });
      return { status: response.status, message: (await response.json()) as { seq: number } };
    }),
  );

  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
  const seqs = answers.map(({ message }) => message.seq).toSorted((a, b) => a - b);
  expect(seqs).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
});

test("SIGTERM finishes the running turn, cuts no request, takes nothing new, and exits 0", async () => {
  const responder = await slowResponder();
  const service = await startService(["--responder-url", responder.url], await ownDatabase());
  const turn = post(`${service.url}/api/conversations/messages`, { message: "hello" });
  await responder.asked;

  service.child.kill("SIGTERM");
  await expect
    .poll(() =>
      fetch(`${service.url}/livez`).then(
        () => "open",
        () => "closed",
      ),
    )
    .toBe("closed");
  responder.release();

  const answer = await turn;
  expect(answer.status).toBe(200);
  expect(((await answer.json()) as { assistant_message: { content: string } }).assistant_message.content).toBe(
    "late, but here",
  );
  expect(await service.ended).toBe(0);
});

test("a write answered while the service stops is stored", async () => {
  const database = await ownDatabase();
  const service = await startService([], database);
  await post(`${service.url}/api/conversations`, { id: "last" });
  const writes = Array.from({ length: 50 }, (_, i) =>
    post(`${service.url}/api/conversations/last/messages`, { role: "user", content: `m${i}`, id: `m${i}` }).then(
      (response) => (response.status === 201 ? `m${i}` : null),
      () => null,
    ),
  );
  await Promise.race(writes);
  service.child.kill("SIGTERM");
  const acknowledged = (await Promise.all(writes)).filter((id) => id !== null);
  expect(await service.ended).toBe(0);

  const again = await startService([], database);
  const response = await fetch(`${again.url}/api/conversations/last/messages?limit=200`);
  const { messages } = (await response.json()) as { messages: { id: string }[] };
  const stored = new Set(messages.map(({ id }) => id));
  expect(acknowledged.length).toBeGreaterThan(0);
  expect(acknowledged.filter((id) => !stored.has(id))).toEqual([]);
});

test("a second Ctrl+C quits at once with 130, and what was saved stays", async () => {
  const responder = await slowResponder();
  const service = await startService(["--responder-url", responder.url], await ownDatabase());
  const turn = post(`${service.url}/api/conversations/messages`, { message: "hello" }).catch(() => null);
  await responder.asked;

  service.child.kill("SIGINT");
  await expect.poll(() => isOpen(service.url)).toBe(false);
  // Not an echo of the first any more: until then a signal is passed over.
  const quit = setInterval(() => service.child.kill("SIGINT"), 50);
  onTestFinished(() => clearInterval(quit));

  expect(await service.ended).toBe(130);
  expect(await turn).toBeNull();
});

test("one Ctrl+C under npm arrives twice, and still cuts nothing", async () => {
  const responder = await slowResponder();
  const service = await startService(["--responder-url", responder.url], await ownDatabase());
  const turn = post(`${service.url}/api/conversations/messages`, { message: "hello" });
  await responder.asked;

  service.child.kill("SIGINT");
  service.child.kill("SIGINT");
  await expect.poll(() => isOpen(service.url)).toBe(false);
  service.child.kill("SIGINT");
  responder.release();

  expect((await turn).status).toBe(200);
  expect(await service.ended).toBe(0);
});

test("a port in use suggests another and exits 1", async () => {
  const service = await startService([], await ownDatabase());
  const { port } = new URL(service.url);
  const { status, stderr } = await runCommand(["--port", port], await ownDatabase());
  expect(status).toBe(1);
  expect(stderr).toContain(`port ${port} is in use. Try: --port ${Number(port) + 1}`);
});

test("without authentication another address than loopback is refused, and nothing is started", async () => {
  // Nobody looks for the database.
  const database = { DATABASE_URL: "postgresql://nobody@127.0.0.1:1/none" };
  for (const host of ["0.0.0.0", "::", "192.0.2.1", "127.0.0.1.example.com"]) {
    const { status, stderr } = await runCommand(["--host", host], database);
    expect(status, host).toBe(2);
    expect(stderr).toContain("HOST is not loopback");
    for (const way of ["JWT_SECRET", "JWT_JWKS_URL", "AUTH=required", "127.0.0.1"]) expect(stderr).toContain(way);
  }
});

test("with authentication any address may be listened on, and the banner says what is accepted", async () => {
  const database = await ownDatabase();
  const secret = "planted-secret-of-more-than-32-bytes";
  const jwks = { JWT_JWKS_URL: "https://id.example.com/jwks?k=planted", JWT_ISSUER: "i", JWT_AUDIENCE: "a" };
  const banners: [users: string, environment: Record<string, string>][] = [
    ["API keys", { AUTH: "required" }],
    ["tokens (HS256) and API keys", { JWT_SECRET: secret }],
    ["tokens (RS256, https://id.example.com/jwks) and API keys", jwks],
    ["tokens (EdDSA, https://id.example.com/jwks) and API keys", { ...jwks, JWT_ALGORITHM: "EdDSA" }],
  ];
  for (const [users, environment] of banners) {
    const service = startCommand(["--port", "0", "--host", "0.0.0.0"], { ...database, ...environment });
    await expect.poll(() => service.stderr(), { timeout: 15_000 }).toContain("Ready in");
    expect(service.stderr()).toContain(`  Users     ${users}\n`);
    expect(service.stderr()).not.toContain("planted");
    expect(service.stderr().includes("nobody can get in yet"), users).toBe(users === "API keys");
    service.child.kill("SIGTERM");
    expect(await service.ended).toBe(0);
  }
});

test("without authentication the banner says that everybody is one user", async () => {
  const service = startCommand(["--port", "0"], await ownDatabase());
  await expect.poll(() => service.stderr(), { timeout: 15_000 }).toContain("Ready in");
  expect(service.stderr()).toContain("  Users     no authentication: everybody on this machine is you@localhost\n");
});

test("a bad setting is named with what it must be, never with its value", async () => {
  const { status, stderr } = await runCommand([], { PORT: "planted-secret", DATABASE_URL: "mysql://planted-secret" });
  expect(status).toBe(2);
  expect(stderr).toContain("PORT must be a whole number from 0 to 65535");
  expect(stderr).toContain("DATABASE_URL must be a URL that begins with postgresql://");
  expect(stderr).not.toContain("planted-secret");
});

test("an unknown flag or command exits 2", async () => {
  expect((await runCommand(["--nonsense"])).status).toBe(2);
  expect((await runCommand(["migrate", "--port", "1"])).status).toBe(2);
});

test("a PostgreSQL that is not there exits 3 and says where to look", async () => {
  const { status, stderr } = await runCommand([], { DATABASE_URL: "postgresql://nobody@127.0.0.1:1/none" });
  expect(status).toBe(3);
  expect(stderr).toContain("DATABASE_URL");
});

test("export and import carry everything from one database to another, through a file and through pipes", async () => {
  const from = await ownDatabase();
  const to = await ownDatabase();
  const service = await startService([], from);
  for (let i = 0; i < 3; i += 1) await post(`${service.url}/api/conversations/messages`, { message: `hello ${i}` });
  const file = `${temporaryDirectory()}/export.json`;
  const exported = await runCommand(["export", "--output", file], from);
  expect(exported).toMatchObject({ status: 0, stdout: "" });
  expect(exported.stderr).toContain("Exported 3 conversations, 6 messages.");

  const imported = await runCommand(["--json", "import", file], to);
  expect(imported.status).toBe(0);
  expect(JSON.parse(imported.stdout)).toMatchObject({
    conversations: { created: 3 },
    messages: { saved: 6 },
    failed: 0,
  });
  const again = await runCommand(["--json", "import", file], to);
  expect(JSON.parse(again.stdout)).toMatchObject({
    conversations: { existing: 3 },
    messages: { saved: 0, skipped: 6 },
  });

  const [before, after] = [await runCommand(["export"], from), await runCommand(["export"], to)];
  const withoutTime = (text: string): string => text.replace(/"exported_at":"[^"]+"/, "");
  expect(withoutTime(after.stdout)).toBe(withoutTime(before.stdout));
});

test("an import that cannot store an item names it, stores the rest, and exits 1", async () => {
  const database = await ownDatabase();
  const file = join(temporaryDirectory(), "export.json");
  const conversation = { conversation_id: "c", title: "T", created_at: "2026-01-01T00:00:00.000Z" };
  const message = { id: "good", role: "user", content: "hi", created_at: "2026-01-01T00:00:00.000Z" };
  writeFileSync(
    file,
    JSON.stringify({
      backscroll_export: 1,
      conversations: [{ conversation, messages: [{ ...message, id: "bad", role: "robot" }, message] }],
    }),
  );
  const { status, stdout, stderr } = await runCommand(
    ["--json", "import", file, "--user", "ada@example.com"],
    database,
  );
  expect(status).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({
    messages: { saved: 1 },
    failed: 1,
    errors: [{ conversation_id: "c", message_id: "bad" }],
  });
  expect(stderr).toContain("c / bad: role");
  expect((await runCommand(["import", join(temporaryDirectory(), "absent.json")], database)).status).toBe(2);
});

test("stdout carries data only: the banner goes to stderr", async () => {
  const service = startCommand(["--port", "0"], await ownDatabase());
  let stdout = "";
  service.child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  await expect.poll(() => service.stderr(), { timeout: 15_000 }).toContain("Ready in");
  expect(service.stderr()).toContain("http://127.0.0.1:");
  expect(service.stderr()).not.toContain(String.fromCodePoint(27)); // not a terminal: no colours
  service.child.kill("SIGTERM");
  expect(await service.ended).toBe(0);
  expect(stdout).toBe("");
});

test("five processes that migrate at once apply each migration once", async () => {
  const database = await ownDatabase();
  const results = await Promise.all(Array.from({ length: 5 }, () => runCommand(["--json", "migrate"], database)));
  expect(results.map(({ status }) => status)).toEqual([0, 0, 0, 0, 0]);
  const applied = results.flatMap(({ stdout }) => (JSON.parse(stdout) as { applied: string[] }).applied);
  expect(applied).toEqual([...new Set(applied)]);
  expect(applied.length).toBeGreaterThan(0);
});
