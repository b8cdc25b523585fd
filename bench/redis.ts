import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectRedis } from "../packages/backscroll/src/cache/redis/link.ts";
import { findRedisServer } from "../packages/backscroll/test/find-redis.ts";
import { freePort } from "../packages/backscroll/test/free-port.ts";

/** A Redis of this run. */
export interface BenchRedis {
  readonly url: string;
  /** @returns seconds of CPU it has used so far */
  cpuSeconds(): Promise<number>;
  /** @returns bytes that it has in use */
  memoryBytes(): Promise<number>;
  /** Stops it from doing anything, and lets it go on. */
  freeze(): void;
  thaw(): void;
  close(): Promise<void>;
}

export async function openBenchRedis(): Promise<BenchRedis> {
  const directory = mkdtempSync(join(tmpdir(), "backscroll-bench-redis-"));
  const port = await freePort();
  const child = spawn(
    findRedisServer(),
    ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory, "--save", "", "--daemonize", "no"],
    { stdio: "ignore" },
  );
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  const url = `redis://127.0.0.1:${port}`;
  const link = await connectRedis(url, { connectTimeoutMs: 10_000, onError: () => undefined });
  return {
    url,
    async cpuSeconds() {
      const info = String(await link.send("", ["INFO", "cpu"]));
      const seconds = (name: string): number => Number(new RegExp(`${name}:([\\d.]+)`).exec(info)?.[1]);
      return seconds("used_cpu_user") + seconds("used_cpu_sys");
    },
    async memoryBytes() {
      return Number(/used_memory:(\d+)/.exec(String(await link.send("", ["INFO", "memory"])))?.[1]);
    },
    freeze: () => void child.kill("SIGSTOP"),
    thaw: () => void child.kill("SIGCONT"),
    async close() {
      link.close();
      process.off("exit", kill);
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
