import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { newSchema } from "./services.ts";

type App = "before" | "moving" | "after";

interface RunningApp {
  readonly url: string;
  /** As at a deploy: it ends what it does, and its memory is gone. */
  stop(): Promise<void>;
}

function run(file: string, args: readonly string[], environment: Record<string, string>) {
  const path = fileURLToPath(new URL(`../../../examples/sessions-app/${file}.ts`, import.meta.url));
  return spawn(process.execPath, ["--conditions=backscroll-source", path, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { PATH: process.env["PATH"] ?? "", HOME: tmpdir(), LOG_LEVEL: "warn", ...environment },
  });
}

async function start(app: App, databaseUrl: string): Promise<RunningApp> {
  const child = run(app, [], { PORT: "0", DATABASE_URL: databaseUrl });
  const ended = once(child, "close");
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    const [status] = await ended;
    expect(status).toBe(0);
  };
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await ended;
  });
  const { value: url } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  expect(url).toMatch(/^http:/);
  return { url: String(url), stop };
}

/** @returns what was asked and answered, as a reader of the README sees it */
async function talk(url: string, part: "first" | "second"): Promise<string> {
  const child = run("script", [url, part], {});
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  const [status] = await once(child, "close");
  expect(status).toBe(0);
  return said;
}

/** The script's two parts, with a restart between them. */
async function talkAcrossRestart(app: App): Promise<{ first: string; second: string }> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const before = await start(app, databaseUrl);
  const first = await talk(before.url, "first");
  await before.stop();
  const again = await start(app, databaseUrl);
  const second = await talk(again.url, "second");
  await again.stop();
  return { first, second };
}

test("the example answers the same before, while it moves, and after; only after does it remember a restart", async () => {
  const before = await talkAcrossRestart("before");
  expect(before.first).toContain('{"response":"You are Ada."}');
  expect(before.first).not.toMatch(/^ {2}[45]\d\d/m);
  expect(before.second).toContain('{"response":"You have not told me."}');

  const moving = await talkAcrossRestart("moving");
  expect(moving.first).toBe(before.first);

  const after = await talkAcrossRestart("after");
  expect(after.first).toBe(before.first);
  expect(after.second).toContain('{"response":"You are Ada."}');
  expect(after.second).toContain('{"name":"Ada","language":"it"}');
  expect(after.second).toContain('"content":"My name is Ada"');
}, 120_000);

test("the example, while it moves, finds both histories the same, and has lost nothing when it has moved", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const app = await start("moving", databaseUrl);
  await talk(app.url, "first");
  const parity = await (await fetch(`${app.url}/parity`)).text();
  expect(parity).toContain("3 sessions compared: 3 the same, 0 mismatched");
  await app.stop();

  const after = await start("after", databaseUrl);
  const remembered = await talk(after.url, "second");
  expect(remembered).toContain('{"response":"You are Ada."}');
  await after.stop();
}, 120_000);
