import { spawnSync } from "node:child_process";
import { expect, onTestFinished } from "vitest";
import { newSchema } from "./services.ts";
import { startCommand, type ServiceProcess } from "./service-process.ts";

/** A service of several workers, as somebody starts it. */
export interface WorkersService extends ServiceProcess {
  readonly databaseUrl: string;
  /** @returns the processes that serve, or are about to */
  workerPids(): readonly number[];
  /** Restarts the workers one by one; resolves when the service says that it is done. */
  restart(): Promise<void>;
  /** @returns what `/metrics` says */
  metrics(): Promise<string>;
}

const PATIENCE_MS = 200_000;
/** Starting processes takes its time on a machine that does other things. */
export const PATIENTLY = { timeout: 240_000 };

export async function startWorkers(
  count: number,
  environment: Record<string, string> = {},
  args: readonly string[] = [],
): Promise<WorkersService> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const command = startCommand(["--port", "0", "--workers", String(count), ...args], {
    DATABASE_URL: databaseUrl,
    ...environment,
  });
  onTestFinished(async () => {
    if (command.child.exitCode === null && command.child.signalCode === null) command.child.kill("SIGTERM");
    await command.ended;
  });
  await said(command, "Ready in");
  const url = /API {7}(http:\S+)\/api/.exec(command.stderr())?.[1] ?? "";
  let restarts = 0;
  return {
    ...command,
    url,
    databaseUrl,
    workerPids: () => childrenOf(command.pid),
    async restart() {
      command.child.kill("SIGHUP");
      restarts += 1;
      const done = (): number => command.stderr().split(/^Restarted /m).length - 1;
      await expect.poll(done, { timeout: PATIENCE_MS, interval: 20 }).toBe(restarts);
    },
    metrics: async () => (await fetch(`${url}/metrics`)).text(),
  };
}

export async function said({ stderr, ended }: Pick<ServiceProcess, "stderr" | "ended">, text: string): Promise<void> {
  let status: number | string | null = null;
  void ended.then((ending) => (status = ending));
  const look = (): boolean => {
    if (stderr().includes(text)) return true;
    if (status !== null) throw new Error(`it ended with ${status}: ${stderr()}`);
    return false;
  };
  await expect.poll(look, { timeout: PATIENCE_MS, interval: 20 }).toBe(true);
}

export function childrenOf(pid: number): readonly number[] {
  const { stdout } = spawnSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" });
  return stdout
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === pid)
    .map(([child]) => child ?? 0);
}

/** @returns false also of one that has ended, and whom nobody has asked how */
export function isAlive(pid: number): boolean {
  const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" });
  return stdout.trim() !== "" && !stdout.startsWith("Z");
}

/** @returns the value of one series, e.g. `backscroll_workers`; 0 when it is not there */
export function seriesIn(exposition: string, series: string): number {
  const line = exposition.split("\n").find((one) => one.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1) ?? 0);
}
