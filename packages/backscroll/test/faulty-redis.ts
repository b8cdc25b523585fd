import { once } from "node:events";
import { createClient } from "redis";
import { keptPort } from "./free-port.ts";
import { startRedis } from "./redis-server.ts";
import { temporaryDirectory } from "./service-process.ts";

/** A Redis to do harm to. It keeps nothing by itself, but comes back with what it was made to save. */
export interface FaultyRedis {
  readonly url: string;
  readonly port: number;
  /** @returns the reply */
  ask(...command: readonly string[]): Promise<unknown>;
  /** SIGSTOP: connections stay, nothing is answered */
  freeze(): void;
  /** SIGCONT */
  thaw(): void;
  /** SIGKILL */
  kill(): Promise<void>;
  /** Starts it again where it was, with what the last SAVE wrote. */
  restart(): Promise<void>;
}

/** @param args settings of Redis; it ends with the test */
export async function startFaultyRedis(args: readonly string[] = []): Promise<FaultyRedis> {
  const settings = ["--dir", temporaryDirectory(), ...args];
  const port = await keptPort();
  let running = await startRedis(settings, port);
  const { url } = running;
  return {
    url,
    port,
    async ask(...command) {
      const client = createClient({ url, socket: { reconnectStrategy: false } });
      client.on("error", () => undefined); // the command's own rejection says it
      await client.connect();
      try {
        return await client.sendCommand(command);
      } finally {
        client.destroy();
      }
    },
    freeze: () => void running.child.kill("SIGSTOP"),
    thaw: () => void running.child.kill("SIGCONT"),
    async kill() {
      const ended = once(running.child, "exit");
      running.child.kill("SIGKILL");
      await ended;
    },
    async restart() {
      running = await startRedis(settings, port);
    },
  };
}
