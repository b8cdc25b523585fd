import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const MAIN = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));

/** A Backscroll in a process (and process group) of its own, as somebody starts it. */
export interface ServiceProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  /** where it answers */
  readonly url: string;
  /** Everything it said to people so far. */
  stderr(): string;
  /** @returns its exit status, or the signal that ended it */
  ended: Promise<number | string>;
}

/**
 * @param removalMs how long its removal may take, when there will be very many files in it
 * @returns a folder that PostgreSQL's account can reach; removed when the test is over
 */
export function temporaryDirectory(removalMs?: number): string {
  const directory = mkdtempSync(join(tmpdir(), `backscroll-test-${process.pid}-`));
  chmodSync(directory, 0o755);
  const remove = (): void => rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  onTestFinished(remove, removalMs);
  return directory;
}

/** Starts the command line. It is killed, if it still runs, when the test is over. */
export function startCommand(
  args: readonly string[],
  environment: Record<string, string> = {},
): Omit<ServiceProcess, "url"> {
  const child = spawn(process.execPath, ["--conditions=backscroll-source", MAIN, ...args], {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"] ?? "", HOME: tmpdir(), ...environment },
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const ended = once(child, "close").then(([status, signal]) => (status ?? signal) as number | string);
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await ended;
  });
  return { child, pid: child.pid as number, stderr: () => said, ended };
}

/** Starts the service on a free port, and waits until it answers. */
export async function startService(
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<ServiceProcess> {
  const command = startCommand(["--json", "--port", "0", ...args], environment);
  const line = await Promise.race([
    once(command.child.stdout as NodeJS.ReadableStream, "data").then(([data]) => String(data)),
    command.ended.then((status) => {
      throw new Error(`the service ended with ${status}: ${command.stderr()}`);
    }),
  ]);
  return { ...command, url: (JSON.parse(line) as { url: string }).url };
}

/** Runs a command to its end. */
export async function runCommand(
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<{ status: number | string; stdout: string; stderr: string }> {
  const command = startCommand(args, environment);
  let stdout = "";
  command.child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  const status = await command.ended;
  return { status, stdout, stderr: command.stderr() };
}

export async function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}
