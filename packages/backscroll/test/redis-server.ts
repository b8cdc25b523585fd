import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, inject, onTestFinished } from "vitest";
import { connectRedis } from "../src/cache/redis/link.ts";
import type { RedisLink } from "../src/cache/redis/redis-link.ts";

/** A Redis of a test's own, on a free port of loopback. */
export interface RedisProcess {
  readonly url: string;
  readonly port: number;
  readonly child: ChildProcess;
}

/** Starts a Redis that keeps nothing; it ends with the test. */
export async function startRedis(args: readonly string[] = []): Promise<RedisProcess> {
  const directory = mkdtempSync(join(tmpdir(), `backscroll-test-${process.pid}-`));
  const port = await freePort();
  const child = spawn(
    inject("redisServer"),
    ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory, "--save", "", "--daemonize", "no", ...args],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const ended = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
    rmSync(directory, { recursive: true, force: true });
  });
  let log = "";
  for await (const chunk of child.stdout) {
    log += String(chunk);
    if (/Ready to accept connections/.test(log)) break;
  }
  child.stdout.resume();
  return { url: `redis://127.0.0.1:${port}`, port, child };
}

/** Three masters that share the slots. */
export async function startRedisCluster(): Promise<string> {
  const nodes = await Promise.all(
    Array.from({ length: 3 }, () => startRedis(["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"])),
  );
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
  const created = spawnSync(
    inject("redisServer").replace("-server", "-cli"),
    ["--cluster", "create", ...addresses, "--cluster-replicas", "0", "--cluster-yes"],
    {
      encoding: "utf8",
    },
  );
  if (created.status !== 0) throw new Error(`redis-cli could not make a cluster: ${created.stdout}${created.stderr}`);
  // Each node hears of the others by gossip; until it has, it answers CLUSTERDOWN.
  for (const { url } of nodes) {
    const link = await linkTo(url);
    const isUp = async (): Promise<boolean> =>
      String(await link.send("", ["CLUSTER", "INFO"])).includes("cluster_state:ok");
    await expect.poll(isUp, { timeout: 20_000 }).toBe(true);
  }
  return `redis+cluster://${addresses.join(",")}`;
}

export async function linkTo(url: string): Promise<RedisLink> {
  const link = await connectRedis(url, { connectTimeoutMs: 5_000, onError: () => undefined });
  onTestFinished(() => link.close());
  return link;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  server.close();
  await once(server, "close");
  return address.port;
}
