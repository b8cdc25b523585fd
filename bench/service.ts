import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** A Backscroll in a process of its own. */
export interface BenchService {
  readonly url: string;
  /** @returns MB of memory that are its own now (RSS) */
  memoryMb(): Promise<number>;
  close(): Promise<void>;
}

/** @param environment all it knows but the path */
export async function startService(environment: Readonly<Record<string, string>>): Promise<BenchService> {
  const main = fileURLToPath(new URL("../packages/backscroll/src/cli/main.ts", import.meta.url));
  const child = spawn(process.execPath, ["--conditions=backscroll-source", main, "--json", "--port", "0"], {
    env: { PATH: process.env["PATH"], ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const { url } = JSON.parse(line.toString()) as { url: string };
  return {
    url,
    async memoryMb() {
      const metrics = await (await fetch(`${url}/metrics`)).text();
      return Number(/^process_resident_memory_bytes (\S+)/m.exec(metrics)?.[1]) / 2 ** 20;
    },
    async close() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
