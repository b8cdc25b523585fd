import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** A Backscroll in a process of its own. */
export interface BenchService {
  readonly url: string;
  /**
   * @param metricsToken its `METRICS_TOKEN`, when it has one
   * @returns MB of memory that are its own now (RSS)
   */
  memoryMb(metricsToken?: string): Promise<number>;
  signal(name: NodeJS.Signals): void;
  close(): Promise<void>;
}

/**
 * @param environment all it knows but the path
 * @param flags of the command line
 */
export async function startService(
  environment: Readonly<Record<string, string>>,
  flags: readonly string[] = [],
): Promise<BenchService> {
  const main = fileURLToPath(new URL("../packages/backscroll/src/cli/main.ts", import.meta.url));
  const child = spawn(process.execPath, ["--conditions=backscroll-source", main, "--json", "--port", "0", ...flags], {
    env: { PATH: process.env["PATH"], ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  const ended = once(child, "exit");
  const early = ended.then(([status]) => Promise.reject(new Error(`the service ended with ${status}`)));
  const [line] = (await Promise.race([once(child.stdout, "data"), early])) as [Buffer];
  const { url } = JSON.parse(line.toString()) as { url: string };
  return {
    url,
    async memoryMb(metricsToken) {
      const headers = metricsToken === undefined ? undefined : { authorization: `Bearer ${metricsToken}` };
      const metrics = await (await fetch(`${url}/metrics`, { ...(headers && { headers }) })).text();
      return Number(/^process_resident_memory_bytes (\S+)/m.exec(metrics)?.[1]) / 2 ** 20;
    },
    signal: (name) => void child.kill(name),
    async close() {
      child.kill("SIGTERM");
      await ended;
      process.off("exit", kill);
    },
  };
}
