import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test as plain } from "vitest";
import { ADA, messagesOf, storedRows, timesOf } from "./import-sessions-fixture.ts";
import { runCommand, type ServiceProcess, startCommand, temporaryDirectory } from "./service-process.ts";
import { createServices, newSchema, type Services, test } from "./services.ts";

function dumpFile(text: string): string {
  const file = join(temporaryDirectory(), "sessions.json");
  writeFileSync(file, text);
  return file;
}

const environmentOf = ({ databaseUrl }: Services): Record<string, string> => ({ DATABASE_URL: databaseUrl });

test("counts are told, what failed is in a file, and the status says whether anything did", async ({ services }) => {
  const file = dumpFile(
    '{"s": {"messages": [{"role": "user", "content": "Hi", "timestamp": "2024-05-01 12:00:00", "p": NaN}, 5], "context": {}}}',
  );
  const first = await runCommand(
    ["import", "sessions", file, "--user", ADA, "--time-zone", "Europe/Rome"],
    environmentOf(services),
  );
  expect(first.status).toBe(1);
  expect(first.stderr).toContain("Imported 1 message (0 were there already) in 1 new and 0 existing sessions.");
  expect(first.stderr).toContain("1 time without a zone, taken as Europe/Rome");
  expect(first.stderr).toContain("1 number that JSON does not know (NaN): now null");
  expect(first.stderr).toContain('session "s", message 1: message must be an object with a role');
  expect(first.stderr).toContain(`What could not be imported is in ${file}.errors.jsonl`);
  expect(
    readFileSync(`${file}.errors.jsonl`, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as object),
  ).toEqual([
    {
      session_id: "s",
      session: 0,
      message: 1,
      code: "invalid_request",
      detail: "message must be an object with a role",
    },
  ]);
  expect(await timesOf(services, "s")).toEqual(["2024-05-01T10:00:00.000Z"]);

  writeFileSync(file, '[["s", [{"role": "user", "content": "Hi", "timestamp": "2024-05-01 12:00:00", "p": null}]]]');
  const errors = join(temporaryDirectory(), "errors");
  const again = await runCommand(
    ["--json", "import", "sessions", file, "--user-field", "context.email", "--errors", errors],
    environmentOf(services),
  );
  expect(again.status).toBe(1);
  expect(existsSync(errors)).toBe(true);
  const third = await runCommand(["import", "sessions", file, "--user", ADA, "--json"], environmentOf(services));
  expect([third.status, JSON.parse(third.stdout), third.stderr]).toEqual([
    0,
    {
      complete: true,
      sessions: { created: 0, existing: 1 },
      messages: { saved: 0, skipped: 1 },
      failed: 0,
      errors_file: null,
      naive_times: 1,
      unreadable_times: 0,
      non_finite_numbers: 0,
      inexact_numbers: 0,
    },
    "",
  ]);
}, 60_000);

test("a dump that breaks off is told with the place and what was stored before", async ({ services }) => {
  const file = dumpFile('{"a": [{"role": "user", "content": "x"}], "b": [');
  const { status, stdout, stderr } = await runCommand(
    ["--json", "import", "sessions", file, "--user", ADA],
    environmentOf(services),
  );
  expect(status).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ complete: false, messages: { saved: 1 } });
  expect(stderr).toContain("the dump is damaged: it breaks off after 48 bytes");
}, 60_000);

plain.for([
  ["no owner", ["dump.json"], "--user <email>"],
  ["two owners", ["dump.json", "--user", "a", "--user-field", "b"], "--user <email>"],
  ["an owner in the messages", ["dump.json", "--user-field", "messages.0.user"], "beside its messages"],
  [
    "a zone that is none",
    ["dump.json", "--user", "a", "--time-zone", "Mars/Olympus"],
    "there is no time zone Mars/Olympus",
  ],
  ["a file that is none", ["absent.json", "--user", "a"], "cannot read absent.json"],
] as const)("%s is a mistake that says what to do, and nothing is begun", async ([, args, told]) => {
  const { status, stderr } = await runCommand(["import", "sessions", ...args]);
  expect([status, stderr]).toEqual([2, expect.stringContaining(told)]);
});

/** As an app has them, and what its dump is made with. */
const PYTHON = `
import datetime, json, math, sys
def at(second, tz=None): return datetime.datetime(2024, 5, 1, 12, 34, second, 789012, tz)
SESSIONS = {
    "tab-7": {"messages": [
        {"role": "user", "content": "Wie geht's? \\u00e9 \\U0001F600", "timestamp": at(1)},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function"}], "score": math.nan, "timestamp": at(2, datetime.timezone.utc)},
        {"role": "user", "content": [{"type": "text", "text": "Look"}], "ts": 1714567000.25},
    ], "context": {"email": "ada@example.com", "seen": at(3), "inf": -math.inf}, "created_at": at(0)},
    7: [{"role": "human", "content": "Hi"}],
    "gone": None,
}
json.dump(SESSIONS, sys.stdout, default=str)
`;
/** What \`python3\` writes for it. */
const WRITTEN_BY_PYTHON =
  '{"tab-7": {"messages": [{"role": "user", "content": "Wie geht\'s? \\u00e9 \\ud83d\\ude00", "timestamp": "2024-05-01 12:34:01.789012"}, ' +
  '{"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function"}], "score": NaN, "timestamp": "2024-05-01 12:34:02.789012+00:00"}, ' +
  '{"role": "user", "content": [{"type": "text", "text": "Look"}], "ts": 1714567000.25}], ' +
  '"context": {"email": "ada@example.com", "seen": "2024-05-01 12:34:03.789012", "inf": -Infinity}, "created_at": "2024-05-01 12:34:00.789012"}, ' +
  '"7": [{"role": "human", "content": "Hi"}], "gone": null}';

test("what Python dumps is imported as it was, from a file and from standard input", async ({ services }) => {
  const python = spawnSync("python3", ["-c", PYTHON], { encoding: "utf8" });
  const dump = python.status === 0 ? python.stdout : WRITTEN_BY_PYTHON;
  expect(dump).toBe(WRITTEN_BY_PYTHON);
  const args = ["--json", "import", "sessions", dumpFile(dump), "--user-field", "context.email"];
  const { status, stdout, stderr } = await runCommand(args, environmentOf(services));
  expect(status).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({
    messages: { saved: 3 },
    failed: 2,
    naive_times: 2,
    non_finite_numbers: 2,
  });
  expect(stderr).toContain('session "7": it has no text in context.email');
  expect(stderr).toContain('session "gone": it is null');
  expect(await messagesOf(services, "tab-7")).toEqual([
    { role: "user", content: "Wie geht's? é 😀", timestamp: "2024-05-01 12:34:01.789012" },
    {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "c", type: "function" }],
      score: null,
      timestamp: "2024-05-01 12:34:02.789012+00:00",
    },
    { role: "user", content: [{ type: "text", text: "Look" }], ts: 1714567000.25 },
  ]);
  expect(await timesOf(services, "tab-7")).toEqual([
    "2024-05-01T12:34:01.789Z",
    "2024-05-01T12:34:02.789Z",
    "2024-05-01T12:36:40.250Z",
  ]);
  const store = services.sessionStore({ user: ADA });
  expect(await store.getContext("tab-7")).toEqual({ email: ADA, seen: "2024-05-01 12:34:03.789012", inf: null });

  const shell = `"${process.execPath}" --conditions=backscroll-source "${process.cwd()}/packages/backscroll/src/cli/main.ts" import sessions - --user ${ADA} --errors "${join(temporaryDirectory(), "e")}"`;
  const piped = spawnSync("sh", ["-c", shell], {
    input: dump,
    encoding: "utf8",
    env: { PATH: process.env["PATH"] ?? "", ...environmentOf(services) },
  });
  expect(piped.stderr).toContain("Imported 1 message (3 were there already) in 1 new and 1 existing session.");
  expect(await messagesOf(services, "7")).toEqual([{ role: "human", content: "Hi" }]);
}, 60_000);

/** So many messages, in sessions of very different lengths. */
function manyMessages(count: number): string {
  const sessions: Record<string, object> = {};
  for (let n = 0, left = count; left > 0; n += 1) {
    const length = Math.min(left, n % 50 === 3 ? 2_500 : 1 + ((n * 37) % 120));
    left -= length;
    const messages = Array.from({ length }, (_, i) => ({
      role: i % 2 === 0 ? "user" : "assistant",
      content: `${n}: ${"said ".repeat(1 + (i % 13))}`,
      ...(i % 3 === 0 && { timestamp: `2024-05-01 12:${String(i % 60).padStart(2, "0")}:00` }),
      ...(i % 5 === 0 && { id: `m${i}` }),
    }));
    sessions[`session-${n}`] = { messages, context: { n }, created_at: "2024-04-30 00:00:00" };
  }
  return JSON.stringify(sessions);
}

function isRunning({ child }: Pick<ServiceProcess, "child">): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** Runs a command until its end, or until somebody kills it. */
async function importAndKill(args: readonly string[], services: Services, saved: number): Promise<boolean> {
  const command = startCommand(args, environmentOf(services));
  while (isRunning(command)) {
    const { rows } = await services.deps.db.pool.query<{ count: string }>("select count(*) from messages");
    if (Number(rows[0]?.count) >= saved) command.child.kill("SIGKILL");
    await delay(5);
  }
  const status = await command.ended;
  expect([0, "SIGKILL"]).toContain(status);
  return status === "SIGKILL";
}

plain(
  "killed at random points and run again, it leaves what one run leaves, row by row",
  async () => {
    const COUNT = 20_000;
    const seed = Math.floor(Math.random() * 2 ** 31);
    let state = seed;
    const random = (): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) / 2 ** 32;
    const args = ["import", "sessions", dumpFile(manyMessages(COUNT)), "--user", ADA];
    const fresh = async (): Promise<Services> => {
      const { databaseUrl, drop } = await newSchema();
      onTestFinished(drop);
      const services = await createServices({ databaseUrl });
      onTestFinished(() => services.close());
      return services;
    };
    const clean = await fresh();
    expect((await runCommand(args, environmentOf(clean))).status).toBe(0);
    const killed = await fresh();
    let kills = 0;
    for (let saved = 0; saved < COUNT;) {
      saved += 1 + Math.floor(random() * 6_000);
      if (await importAndKill(args, killed, Math.min(saved, COUNT))) kills += 1;
    }
    expect((await runCommand(args, environmentOf(killed))).status).toBe(0);
    expect(kills, `seed ${seed}`).toBeGreaterThan(0);
    expect(await storedRows(killed), `seed ${seed}, killed ${kills} times`).toEqual(await storedRows(clean));
  },
  180_000,
);

test("Ctrl+C finishes what was begun, and says to run it again", async ({ services }) => {
  const args = ["import", "sessions", dumpFile(manyMessages(20_000)), "--user", ADA];
  const command = startCommand(args, environmentOf(services));
  while (isRunning(command)) {
    const { rows } = await services.deps.db.pool.query<{ count: string }>("select count(*) from messages");
    if (Number(rows[0]?.count) > 0) break;
    await delay(5);
  }
  command.child.kill("SIGINT");
  expect(await command.ended).toBe(130);
  expect(command.stderr()).toContain("run it again, and it goes on where it was");
  expect((await runCommand(args, environmentOf(services))).status).toBe(0);
  const { rows } = await services.deps.db.pool.query("select count(*) from messages");
  expect(rows).toEqual([{ count: "20000" }]);
}, 60_000);
