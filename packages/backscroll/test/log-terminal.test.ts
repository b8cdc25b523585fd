import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "./free-port.ts";
import { startService } from "./service-process.ts";
import { newSchema } from "./services.ts";

const MAIN = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
const POLL = { timeout: 20_000, interval: 50 };
const ESCAPE = String.fromCodePoint(27);
const CTRL_C = String.fromCodePoint(3);

interface OnTerminal {
  readonly url: string;
  /** @returns what the terminal showed; lines without their ends */
  stop(): Promise<readonly string[]>;
}

/** The service on a terminal of its own. */
async function startOnTerminal(args: readonly string[], environment: Record<string, string> = {}): Promise<OnTerminal> {
  const { databaseUrl, drop } = await newSchema();
  const port = await freePort();
  const command = [process.execPath, "--conditions=backscroll-source", MAIN, ...args, "--port", String(port)];
  const wrapped =
    process.platform === "darwin"
      ? ["-q", "/dev/null", ...command]
      : ["-q", "-e", "-c", command.join(" "), "/dev/null"];
  const child = spawn("script", wrapped, {
    env: { PATH: process.env["PATH"] ?? "", HOME: tmpdir(), TERM: "xterm", DATABASE_URL: databaseUrl, ...environment },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
    await drop();
  });
  let shown = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (shown += text));
  const url = `http://127.0.0.1:${port}`;
  const answers = (): Promise<boolean> =>
    fetch(`${url}/livez`)
      .then((response) => response.ok)
      .catch(() => false);
  await expect.poll(answers, POLL).toBe(true);
  return {
    url,
    async stop() {
      child.stdin.write(CTRL_C);
      await ended;
      // The terminal shows what was typed, too.
      return shown.replaceAll("^C", "").split(/\r?\n/);
    },
  };
}

async function askSome({ url }: { url: string }): Promise<void> {
  const headers = { "content-type": "application/json" };
  const create = await fetch(`${url}/api/conversations`, { method: "POST", headers, body: '{"id":"c"}' });
  expect(create.status).toBe(201);
  await fetch(`${url}/api/conversations/c/messages`);
  await fetch(`${url}/api/conversations/d`);
}

test("on a terminal a request is one short line, in colours", async () => {
  const service = await startOnTerminal([]);
  await askSome(service);
  const shown = await service.stop();

  expect(shown.some((line) => line.includes(ESCAPE) && line.includes("/api/conversations"))).toBe(true);
  const plain = shown.map((line) => line.replaceAll(new RegExp(`${ESCAPE}\\[\\d+m`, "g"), ""));
  expect(
    plain.filter((line) => /^\d\d:\d\d:\d\d /.test(line)).map((line) => line.replace(/[\d.]+ ms/, "0.0 ms").slice(9)),
  ).toEqual([
    "POST /api/conversations 201 0.0 ms",
    "GET /api/conversations/{conversationId}/messages 200 0.0 ms bypass",
    "GET /api/conversations/{conversationId} 404 0.0 ms conversation_not_found",
  ]);
}, 30_000);

test("NO_COLOR takes the colours away; --quiet leaves errors; --json and LOG_FORMAT=json are for programs", async () => {
  const plain = await startOnTerminal([], { NO_COLOR: "1" });
  await askSome(plain);
  const withoutColours = await plain.stop();
  expect(withoutColours.join("\n")).toMatch(/^\d\d:\d\d:\d\d POST \/api\/conversations 201 [\d.]+ ms$/m);
  expect(withoutColours.join("\n")).not.toContain(ESCAPE);

  const quiet = await startOnTerminal(["--quiet"]);
  await askSome(quiet);
  expect((await quiet.stop()).join("")).toBe("");

  for (const [args, environment] of [
    [["--json"], {}],
    [[], { LOG_FORMAT: "json" }],
  ] as const) {
    const json = await startOnTerminal(args, environment);
    await askSome(json);
    const lines = (await json.stop()).filter((line) => line.includes('"route"'));
    expect(lines.map((line) => (JSON.parse(line) as { status: number }).status)).toEqual([201, 200, 404]);
  }
}, 60_000);

test("where there is no terminal a line is JSON, and LOG_FORMAT=pretty makes it readable without colours", async () => {
  const { databaseUrl, drop } = await newSchema();
  const [json, pretty] = [
    await startService([], { DATABASE_URL: databaseUrl }),
    await startService(["--log-format", "pretty"], { DATABASE_URL: databaseUrl }),
  ];
  await askSome(json);
  await fetch(`${pretty.url}/api/conversations/d`);
  for (const { child, ended } of [json, pretty]) {
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
  }
  await drop();

  expect(json.stderr()).toContain('"route":"/api/conversations"');
  expect(pretty.stderr()).toMatch(
    /^\d\d:\d\d:\d\d GET \/api\/conversations\/\{conversationId\} 404 [\d.]+ ms conversation_not_found\n/,
  );
  expect(pretty.stderr()).not.toContain(ESCAPE);
}, 30_000);
