import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, inject, onTestFinished } from "vitest";
import { connectRedis, type LinkOptions } from "../src/cache/redis/link.ts";
import type { RedisLink } from "../src/cache/redis/redis-link.ts";
import { freePort } from "./free-port.ts";

/** A Redis of a test's own, on a free port of loopback. */
export interface RedisProcess {
  readonly url: string;
  readonly port: number;
  readonly child: ChildProcess;
}

/** Starts a Redis that keeps nothing; it ends with the test. */
export async function startRedis(args: readonly string[] = [], onPort?: number): Promise<RedisProcess> {
  const port = onPort ?? (await freePort());
  const directory = newDirectory();
  const settings = ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory, "--save", ""];
  const child = await spawnRedis([...settings, ...args], /Ready to accept connections/);
  return { url: `redis://127.0.0.1:${port}`, port, child };
}

/** Starts a Sentinel that watches this master, which it calls `chat`; it ends with the test. */
export async function startSentinel(master: number, settings: readonly string[] = []): Promise<RedisProcess> {
  const port = await freePort();
  const directory = newDirectory();
  const file = join(directory, "sentinel.conf");
  const lines = [
    `port ${port}`,
    "bind 127.0.0.1",
    `dir ${directory}`,
    `sentinel monitor chat 127.0.0.1 ${master} 1`,
    "sentinel down-after-milliseconds chat 1000",
    "sentinel failover-timeout chat 3000",
    ...settings,
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  const child = await spawnRedis([file, "--sentinel"], /\+monitor/);
  return { url: `redis+sentinel://127.0.0.1:${port}/chat`, port, child };
}

async function spawnRedis(args: readonly string[], ready: RegExp): Promise<ChildProcess> {
  const child = spawn(inject("redisServer"), [...args, "--daemonize", "no"], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  let log = "";
  for await (const chunk of child.stdout) {
    log += String(chunk);
    if (ready.test(log)) return child;
  }
  throw new Error(`Redis did not start: ${log}`);
}

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), `backscroll-test-${process.pid}-`));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export interface RedisCluster {
  readonly url: string;
  /** as they were started: the masters first */
  readonly nodes: readonly RedisProcess[];
}

/** Three masters that share the slots. */
export async function startRedisCluster(): Promise<string> {
  return (await startRedisNodes(0)).url;
}

/** Three masters that share the slots, and for each as many replicas. */
export async function startRedisNodes(replicas: number): Promise<RedisCluster> {
  const settings = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0"];
  const nodes = await Promise.all(Array.from({ length: 3 * (1 + replicas) }, () => startRedis(settings)));
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
  const created = spawnSync(
    inject("redisServer").replace("-server", "-cli"),
    ["--cluster", "create", ...addresses, "--cluster-replicas", String(replicas), "--cluster-yes"],
    { encoding: "utf8" },
  );
  if (created.status !== 0) throw new Error(`redis-cli could not make a cluster: ${created.stdout}${created.stderr}`);
  // Each node hears of the others by gossip; until it has, it answers CLUSTERDOWN.
  for (const { url } of nodes) {
    const link = await linkTo(url);
    const isUp = async (): Promise<boolean> =>
      String(await link.send("", ["CLUSTER", "INFO"])).includes("cluster_state:ok");
    await expect.poll(isUp, { timeout: 20_000 }).toBe(true);
  }
  return { url: `redis+cluster://${addresses.join(",")}`, nodes };
}

export async function linkTo(url: string, options: Partial<LinkOptions> = {}): Promise<RedisLink> {
  const link = await connectRedis(url, { connectTimeoutMs: 5_000, onError: () => undefined, ...options });
  onTestFinished(() => link.close());
  return link;
}
