import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../packages/backscroll/src/cli/main.ts", import.meta.url));
/** The most memory of a process is looked at so often. */
const LOOK_MS = 50;

/** What one run of `backscroll import sessions` did. */
export interface Run {
  /** null: it was killed */
  readonly counts: Counts | null;
  readonly seconds: number;
  /** resident, in MB; NaN where the system does not say */
  readonly peakMb: number;
}

interface Counts {
  readonly sessions: { readonly created: number; readonly existing: number };
  readonly messages: { readonly saved: number; readonly skipped: number };
  readonly failed: number;
}

/**
 * @param owner the flags that say whose the sessions are
 * @param killAfterMs absent: it is left to its end
 */
export async function runImport(
  { file, url, owner, temporary }: { file: string; url: string; owner: readonly string[]; temporary: string },
  killAfterMs?: number,
): Promise<Run> {
  const startedAt = performance.now();
  const child = spawn(
    process.execPath,
    ["--conditions=backscroll-source", MAIN, "--json", "import", "sessions", file, ...owner],
    {
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: temporary,
        TMPDIR: temporary,
        DATABASE_URL: url,
        LOG_LEVEL: "warn",
      },
    },
  );
  const onExit = (): void => void child.kill("SIGKILL");
  process.once("exit", onExit);
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfterMs);
  const ended = once(child, "close");
  const peakMb = await watchMemory(child);
  const [status, signal] = (await ended) as [number | null, string | null];
  clearTimeout(timer);
  process.off("exit", onExit);
  const seconds = (performance.now() - startedAt) / 1_000;
  if (signal === "SIGKILL" && killAfterMs !== undefined) return { counts: null, seconds, peakMb };
  if (status !== 0) throw new Error(`the import ended with ${status ?? signal}: ${said}`);
  return { counts: JSON.parse(said) as Counts, seconds, peakMb };
}

async function watchMemory(child: ChildProcess): Promise<number> {
  let peakKb = Number.NaN;
  while (child.exitCode === null && child.signalCode === null) {
    peakKb = highWaterKb(child.pid) ?? peakKb;
    await delay(LOOK_MS);
  }
  return peakKb / 1_024;
}

function highWaterKb(pid: number | undefined): number | null {
  try {
    const [, kb] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return kb === undefined ? null : Number(kb);
  } catch {
    return null; // it has just ended, or this is no Linux
  }
}
