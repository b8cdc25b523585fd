import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { pino } from "pino";
import { type Config, loadConfig } from "../../src/config.ts";
import { create } from "../../src/create.ts";
import { type Delay, type Relay, startRelay } from "./relay.ts";

export interface Answer {
  readonly status: number;
  /** of the header `x-backscroll-cache` */
  readonly source: string | null;
  // oxlint-disable-next-line typescript/no-explicit-any -- the test looks into the answer as it likes
  readonly json: any;
}

/** What the metrics say, by name and labels as Prometheus writes them. */
export type Counters = ReadonlyMap<string, number>;

/** One server of Backscroll behind relays of its own, and what takes its place when it has died. */
export interface Server {
  /** unique to this life: who takes its place is another */
  readonly name: string;
  readonly redis: Relay;
  readonly postgres: Relay;
  /** Asks as this user. @throws when the server dies before it has answered */
  call(user: string, method: string, path: string, body?: unknown): Promise<Answer>;
  counters(): Promise<Counters>;
  /** As SIGKILL: nothing of it reaches anybody from now on. */
  crash(): Promise<void>;
  close(): Promise<void>;
}

export interface Surroundings {
  /** of the schema, straight to PostgreSQL */
  readonly databaseUrl: string;
  readonly redisPort: number;
  readonly settings: Pick<
    Config,
    "cacheTimeoutMs" | "cacheMessageLimit" | "cacheFillTimeoutMs" | "cacheAuditIntervalMs"
  >;
  /** true: a process of its own for each server; everybody is then the same user */
  readonly processes: boolean;
}

const METRICS_TOKEN = "soak";

/** How far a server is from what it depends on. */
export interface Distances {
  readonly redis: Delay;
  readonly postgres: Delay;
}

export async function startServer(name: string, surroundings: Surroundings, distances: Distances): Promise<Server> {
  const { databaseUrl, redisPort } = surroundings;
  const { host, port } = new pg.Client({ connectionString: databaseUrl });
  const [redis, postgres] = await Promise.all([
    startRelay({ host: "127.0.0.1", port: redisPort }, distances.redis),
    startRelay(host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host, port }, distances.postgres),
  ]);
  const config: Partial<Config> = {
    ...surroundings.settings,
    databaseUrl: through(postgres, databaseUrl),
    redisUrl: `redis://127.0.0.1:${redis.port}`,
    databasePoolMax: 8,
    databaseConnectTimeoutMs: 1_000,
    databaseStatementTimeoutMs: 2_000,
    drainTimeoutMs: 100,
    metricsToken: METRICS_TOKEN,
  };
  const running = await (surroundings.processes ? startProcess(config) : startHere(config));
  const { promise: crashed, reject: crash } = Promise.withResolvers<never>();
  crashed.catch(() => undefined);
  const ask: Server["call"] = async (user, method, path, body) => {
    const response = await Promise.race([running.fetch(path, requestOf(user, method, body)), crashed]);
    const text = await Promise.race([response.text(), crashed]);
    const isJson = /json/.test(response.headers.get("content-type") ?? "");
    return {
      status: response.status,
      source: response.headers.get("x-backscroll-cache"),
      json: isJson ? JSON.parse(text) : text,
    };
  };
  const end = async (): Promise<void> => {
    await running.close();
    await Promise.all([redis.close(), postgres.close()]);
  };
  return {
    name,
    redis,
    postgres,
    call: ask,
    async counters() {
      return parseMetrics(String((await ask("", "GET", "/metrics")).json));
    },
    async crash() {
      crash(new Error(`${name} is dead`));
      running.kill();
      redis.cut();
      postgres.cut();
      await end();
    },
    close: end,
  };
}

function requestOf(user: string, method: string, body: unknown): RequestInit {
  return {
    method,
    headers: {
      authorization: `Bearer ${METRICS_TOKEN}`,
      "x-test-user": user,
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    body: body === undefined ? null : JSON.stringify(body),
  };
}

interface Running {
  fetch(path: string, request: RequestInit): Promise<Response>;
  kill(): void;
  close(): Promise<void>;
}

async function startHere(config: Partial<Config>): Promise<Running> {
  const backscroll = await create(
    { ...loadConfig({}), ...config },
    { logger: pino({ level: "silent" }), authenticate: (request) => request.headers.get("x-test-user") },
  );
  return {
    fetch: async (path, request) => backscroll.fetch(new Request(`http://localhost${path}`, request)),
    kill: () => undefined, // its relays are cut in the same moment: nothing of it reaches anybody
    close: () => backscroll.close(),
  };
}

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

async function startProcess(config: Partial<Config>): Promise<Running> {
  const environment = {
    PATH: process.env["PATH"] ?? "",
    HOME: tmpdir(),
    DATABASE_URL: String(config.databaseUrl),
    REDIS_URL: String(config.redisUrl),
    DATABASE_POOL_MAX: String(config.databasePoolMax),
    DATABASE_CONNECT_TIMEOUT_MS: String(config.databaseConnectTimeoutMs),
    DATABASE_STATEMENT_TIMEOUT_MS: String(config.databaseStatementTimeoutMs),
    CACHE_TIMEOUT_MS: String(config.cacheTimeoutMs),
    CACHE_MESSAGE_LIMIT: String(config.cacheMessageLimit),
    CACHE_FILL_TIMEOUT_MS: String(config.cacheFillTimeoutMs),
    CACHE_AUDIT_INTERVAL_MS: String(config.cacheAuditIntervalMs),
    METRICS_TOKEN,
  };
  const child: ChildProcess = spawn(
    process.execPath,
    ["--conditions=backscroll-source", MAIN, "--json", "--port", "0"],
    { stdio: ["ignore", "pipe", "pipe"], env: environment },
  );
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text));
  const ended = once(child, "close");
  const [line] = await Promise.race([
    once(child.stdout as NodeJS.ReadableStream, "data"),
    ended.then(() => {
      throw new Error(`a server did not start: ${said}`);
    }),
  ]);
  const { url } = JSON.parse(String(line)) as { url: string };
  const kill = (): void => void child.kill("SIGKILL");
  return {
    fetch: (path, request) => fetch(`${url}${path}`, request),
    kill,
    async close() {
      kill();
      await ended;
    },
  };
}

/** The same database through a relay; a Unix socket becomes a port. */
function through(relay: Relay, databaseUrl: string): string {
  const url = new URL(databaseUrl);
  url.port = String(relay.port);
  url.searchParams.set("host", "127.0.0.1");
  return url.href.replaceAll("+", "%20");
}

function parseMetrics(text: string): Counters {
  const lines = text.split("\n").filter((line) => line.startsWith("backscroll_cache_"));
  return new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(" ");
      return [line.slice("backscroll_cache_".length, end), Number(line.slice(end + 1))];
    }),
  );
}
