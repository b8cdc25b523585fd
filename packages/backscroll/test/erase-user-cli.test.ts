import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished } from "vitest";
import { startFaultyRedis } from "./faulty-redis.ts";
import { startPostgresRelay } from "./postgres-relay.ts";
import { expectProblem } from "./problem.ts";
import { runCommand, startService, temporaryDirectory } from "./service-process.ts";
import { createServices, type Services, test } from "./services.ts";

const ADA = "ada@example.com";
const BOB = "bob@example.com";
const MAIN = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));

async function converse(services: Services): Promise<void> {
  for (const user of [ADA, BOB]) {
    await services.conversations.createConversation(user, { id: "talk" });
    await services.conversations.saveMessage(user, "talk", { role: "user", content: "said" });
  }
}

async function usersOf({ deps }: Services): Promise<string[]> {
  const { rows } = await deps.db.pool.query("select subject from users order by subject");
  return rows.map(({ subject }) => subject);
}

/** Runs a command on a terminal of its own, and types an answer when it is asked. */
async function runOnTerminal(
  args: readonly string[],
  { databaseUrl }: Services,
  answer: string,
): Promise<{ status: number; shown: string }> {
  const command = [process.execPath, "--conditions=backscroll-source", MAIN, ...args].join(" ");
  const isMac = process.platform === "darwin";
  const wrapped = isMac ? ["-q", "/dev/null", ...command.split(" ")] : ["-q", "-e", "-c", command, "/dev/null"];
  const child = spawn("script", wrapped, {
    env: { PATH: process.env["PATH"] ?? "", HOME: tmpdir(), DATABASE_URL: databaseUrl },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  onTestFinished(() => void child.kill("SIGKILL"));
  let shown = "";
  let isAnswered = false;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    shown += text;
    if (isAnswered || !shown.includes("Type the address")) return;
    isAnswered = true;
    child.stdin.write(`${answer}\n`);
  });
  const [status] = (await ended) as [number];
  return { status, shown };
}

test("--yes erases the person and nobody else; --json says what they had", async ({ services }) => {
  await converse(services);
  const environment = { DATABASE_URL: services.databaseUrl };

  const { status, stdout, stderr } = await runCommand(["--json", "user", "erase", ADA, "--yes"], environment);

  expect([status, JSON.parse(stdout), stderr]).toEqual([0, { erased: true, conversations: 1, messages: 1 }, ""]);
  expect(await usersOf(services)).toEqual([BOB]);
  const again = await runCommand(["user", "erase", ADA, "--yes"], environment);
  expect([again.status, again.stdout]).toEqual([1, ""]);
  expect(again.stderr).toContain("nobody here is ada@example.com");
});

test("where nobody can be asked it wants --yes, and erases nothing", async ({ services }) => {
  await converse(services);

  const { status, stderr } = await runCommand(["user", "erase", ADA], { DATABASE_URL: services.databaseUrl });

  expect([status, stderr]).toEqual([2, expect.stringContaining(`backscroll user erase ${ADA} --yes`)]);
  expect(await usersOf(services)).toEqual([ADA, BOB]);
});

test("on a terminal it says what there is and how to keep a copy, and erases whose address is typed", async ({
  services,
}) => {
  await converse(services);

  const another = await runOnTerminal(["user", "erase", ADA], services, BOB);
  expect(another.shown).toContain("1 conversations, 1 messages");
  expect(another.shown).toContain(`backscroll export --user ${ADA} --output ${ADA}.json`);
  expect(another.shown).toContain("nothing was erased");
  expect([another.status, await usersOf(services)]).toEqual([1, [ADA, BOB]]);

  const { status, shown } = await runOnTerminal(["user", "erase", ADA], services, ADA);
  expect(shown).toContain(`Erased ${ADA}`);
  expect([status, await usersOf(services)]).toEqual([0, [BOB]]);
});

test("beside a service it takes what Redis has, and the service ends their event streams", async ({ services }) => {
  const redis = await startFaultyRedis();
  const server = await createServices({ databaseUrl: services.databaseUrl, redisUrl: redis.url });
  onTestFinished(() => server.close());
  await converse(server);
  const read = (user: string): ReturnType<Services["call"]> =>
    server.call(user, "GET", "/api/conversations/talk/messages");
  for (const user of [ADA, BOB]) {
    await expect.poll(async () => (await read(user)).headers.get("x-backscroll-cache")).toBe("hit");
  }
  const listening = server.call(ADA, "GET", "/api/events");
  await expect.poll(() => redis.ask("KEYS", "*changes:*")).toHaveLength(1);

  const environment = { DATABASE_URL: services.databaseUrl, REDIS_URL: redis.url };
  const { status } = await runCommand(["user", "erase", ADA, "--yes"], environment);

  expect(status).toBe(0);
  expect((await listening).text).toContain("ready");
  const left = async (): Promise<readonly string[]> => (await redis.ask("KEYS", "*:{*")) as string[];
  await expect
    .poll(left)
    .toEqual([expect.stringMatching(/:messages|:version/), expect.stringMatching(/:messages|:version/)]);
  expect((await read(BOB)).json.messages).toHaveLength(1);
  // A host vouches for her: as somebody new.
  expectProblem(await read(ADA), "conversation_not_found");
});

test("beside a service on its own embedded PostgreSQL, what that has in its memory is not answered any more", async () => {
  const dataDir = temporaryDirectory();
  const service = await startService(["--data-dir", dataDir]);
  const call = (method: string, path: string, body?: object): Promise<Response> =>
    fetch(`${service.url}${path}`, {
      method,
      ...(body && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
  await call("POST", "/api/conversations", { id: "talk" });
  await call("POST", "/api/conversations/talk/messages", { role: "user", content: "said" });
  const read = (): Promise<Response> => call("GET", "/api/conversations/talk/messages");
  await expect.poll(async () => (await read()).headers.get("x-backscroll-cache")).toBe("hit");

  const { status, stderr } = await runCommand(["user", "erase", "you@localhost", "--yes", "--data-dir", dataDir]);

  expect([status, stderr]).toEqual([0, expect.stringContaining("1 conversations, 1 messages")]);
  await expect.poll(async () => (await read()).status).toBe(404);
}, 60_000);

test("a command leaves to the servers what they erase and close by themselves", async ({ services }) => {
  const relay = await startPostgresRelay(services.databaseUrl);
  onTestFinished(() => relay.close());

  // It may have no Redis to clear, and the hour's retention would end with it.
  const { status, stderr } = await runCommand(["key", "list"], { DATABASE_URL: relay.databaseUrl });

  expect(status, stderr).toBe(0);
  const names = [...relay.statements.keys()];
  expect(names).toContain("list_api_keys");
  for (const upkeep of ["claim_erasures", "claim_upkeep_task"]) expect(names).not.toContain(upkeep);
});
