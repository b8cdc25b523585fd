import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createConnection } from "node:net";
import type { Config } from "../../config.ts";
import { parseMetrics, type Sample } from "../metrics-text.ts";

/** Who listens where the service would. */
export interface FoundService {
  /** as a client on this machine reaches it */
  readonly origin: string;
  readonly state: "free" | "silent" | "stranger" | "backscroll";
  /** who it is, as far as this machine tells; null: it does not */
  readonly process: string | null;
  /** as its metrics say it; null: they do not, or are not shown */
  readonly version: string | null;
  readonly ready: { readonly status: number; readonly body: Readonly<Record<string, unknown>> } | null;
  /** null: it does not show them to us */
  readonly metrics: readonly Sample[] | null;
}

type Reached = Pick<FoundService, "state"> & Partial<FoundService>;

export async function findService(config: Config, deadlineMs: number): Promise<FoundService> {
  const host = { "0.0.0.0": "127.0.0.1", "::": "::1" }[config.host] ?? config.host;
  const origin = `http://${host.includes(":") ? `[${host}]` : host}:${config.port}`;
  const nothing = { origin, process: null, version: null, ready: null, metrics: null };
  if (!(await isListening(host, config.port, deadlineMs))) return { ...nothing, state: "free" };
  const reached = await ask(origin, config, deadlineMs);
  return { ...nothing, process: findListener(config.port), ...reached };
}

async function isListening(host: string, port: number, deadlineMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = createConnection({ host, port }, () => resolve(true));
  socket.once("error", () => resolve(false));
  const timer = setTimeout(() => resolve(false), deadlineMs);
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

async function ask(origin: string, { metricsToken }: Config, deadlineMs: number): Promise<Reached> {
  const signal = AbortSignal.timeout(deadlineMs);
  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${origin}${path}`, { headers, signal, redirect: "manual" });
  try {
    const live = await get("/livez");
    const { status } = await bodyOf(live);
    if (live.status !== 200 || status !== "ok") return { state: "stranger" };
    const [ready, metrics] = await Promise.all([
      get("/readyz"),
      get("/metrics", metricsToken === undefined ? {} : { authorization: `Bearer ${metricsToken}` }),
    ]);
    const samples = metrics.status === 200 ? parseMetrics(await metrics.text()) : null;
    return {
      state: "backscroll",
      ready: { status: ready.status, body: await bodyOf(ready) },
      version: samples?.find(({ name }) => name === "backscroll_info")?.labels["version"] ?? null,
      metrics: samples,
    };
  } catch (error) {
    // Whatever speaks no HTTP is somebody else; whoever says nothing in time may be a Backscroll that hangs.
    return { state: error instanceof Error && error.name === "TimeoutError" ? "silent" : "stranger" };
  }
}

async function bodyOf(response: Response): Promise<Readonly<Record<string, unknown>>> {
  const text = await response.text();
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}

const LISTENING = "0A";

/** @returns the process that listens on a port, from Linux' /proc; null elsewhere, and for another user's process */
function findListener(port: number): string | null {
  try {
    const inodes = new Set(["tcp", "tcp6"].flatMap((table) => listeningSockets(table, port)));
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      if (!openSockets(pid).some((inode) => inodes.has(inode))) continue;
      const [program = ""] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0", 1);
      return `process ${pid} (${program})`;
    }
  } catch {
    // Only a courtesy.
  }
  return null;
}

function listeningSockets(table: string, port: number): string[] {
  const rows = readFileSync(`/proc/net/${table}`, "utf8").trim().split("\n").slice(1);
  return rows.flatMap((row) => {
    const [, local = "", , state, , , , , , inode = ""] = row.trim().split(/\s+/);
    return state === LISTENING && Number.parseInt(local.split(":")[1] ?? "", 16) === port ? [inode] : [];
  });
}

function openSockets(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map(
      (fd) => /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? "",
    );
  } catch {
    return []; // it has ended, or is another user's
  }
}
