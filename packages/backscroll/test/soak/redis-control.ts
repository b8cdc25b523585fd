import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "redis";
import { freePort } from "../free-port.ts";

/** One Redis that is killed, frozen, emptied, and brought back with what it held some time ago. */
export interface RedisControl {
  readonly port: number;
  /** @returns the reply, text as Buffers; only while it runs */
  ask(...command: readonly string[]): Promise<unknown>;
  /** Keeps what it holds now for a later `restart`. */
  snapshot(): Promise<void>;
  /** SIGKILL */
  kill(): Promise<void>;
  /** On the same port. @param from `empty`: with nothing; `snapshot`: with what the last snapshot held, leases too */
  restart(from: "empty" | "snapshot"): Promise<void>;
  /** SIGSTOP: connections stay open, nothing is answered. */
  stop(): void;
  continue(): void;
  close(): Promise<void>;
}

/** @param program `redis-server`, or another that understands it */
export async function startRedisControl(program: string): Promise<RedisControl> {
  const directory = mkdtempSync(join(tmpdir(), `backscroll-test-${process.pid}-`));
  const [dump, kept] = [join(directory, "dump.rdb"), join(directory, "kept.rdb")];
  const port = await freePort();
  let child = await launch(program, port, directory);
  const url = `redis://127.0.0.1:${port}`;

  // However this process ends by itself, its Redis does not outlive it.
  const killAtExit = (): void => void child.kill("SIGKILL");
  process.once("exit", killAtExit);

  const ask = async (...command: readonly string[]): Promise<unknown> => {
    const client = createClient({ url, socket: { reconnectStrategy: false } });
    client.on("error", () => undefined); // the command's own rejection tells it
    await client.connect();
    try {
      return await client.sendCommand([...command]);
    } finally {
      client.destroy();
    }
  };
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  };
  return {
    port,
    ask,
    async snapshot() {
      await ask("SAVE");
      copyFileSync(dump, kept);
    },
    kill,
    async restart(from) {
      await kill();
      rmSync(dump, { force: true });
      if (from === "snapshot" && existsSync(kept)) copyFileSync(kept, dump);
      child = await launch(program, port, directory);
    },
    stop: () => void child.kill("SIGSTOP"),
    continue: () => void child.kill("SIGCONT"),
    async close() {
      process.off("exit", killAtExit);
      await kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function launch(program: string, port: number, directory: string): Promise<ChildProcess> {
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory, "--save", "", "--daemonize", "no"];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  let log = "";
  for await (const chunk of child.stdout) {
    log += String(chunk);
    if (/Ready to accept connections/.test(log)) break;
  }
  if (!/Ready to accept connections/.test(log)) throw new Error(`Redis did not start: ${log}`);
  child.stdout.resume();
  return child;
}
