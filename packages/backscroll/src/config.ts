import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { parseRedisUrl } from "./cache/redis/url.ts";
import { LIMITS } from "./domain/limits.ts";

/** One thing an operator may set, by environment or flag. */
export interface Setting {
  readonly env: string;
  readonly schema: z.ZodType;
  /** as documentation shows it, when the default is computed or there is none */
  readonly defaultText?: string;
  readonly secret?: boolean;
  readonly doc: string;
}

function wholeNumber(min: number, max: number, fallback: number): z.ZodType<number> {
  const error = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,12}$/, error)
    .transform(Number)
    .refine((value) => value >= min && value <= max, error)
    .default(fallback);
}

function url(protocols: readonly string[]): z.ZodType<string | undefined> {
  const error = `must be a URL that begins with ${protocols.map((protocol) => `${protocol}://`).join(" or ")}`;
  return z
    .string()
    .refine((value) => protocols.some((protocol) => value.startsWith(`${protocol}://`)) && URL.canParse(value), error)
    .optional();
}

function isRedisUrl(value: string): boolean {
  try {
    parseRedisUrl(value);
    return true;
  } catch {
    return false;
  }
}

const HOST_PATTERN = /^[A-Za-z0-9.:-]+$/;
const defaultDataDir = (): string =>
  process.getuid?.() === 0
    ? "/var/lib/backscroll"
    : join(process.env["XDG_DATA_HOME"] ?? join(homedir(), ".local", "share"), "backscroll");

export const SETTINGS = {
  databaseUrl: {
    env: "DATABASE_URL",
    schema: url(["postgresql", "postgres"]),
    defaultText: "an embedded PostgreSQL",
    secret: true,
    doc: "The PostgreSQL server (15 or later), e.g. `postgresql://user:password@host:5432/database`.",
  },
  redisUrl: {
    env: "REDIS_URL",
    schema: z
      .string()
      .refine(
        isRedisUrl,
        "must be like redis://user:password@host:6379/0, redis+cluster://host:6379,host:6379 or " +
          "redis+sentinel://host:26379,host:26379/master-name; rediss for TLS, an IPv6 host in brackets, and the " +
          "reserved characters of a user or password percent-encoded",
      )
      .optional(),
    secret: true,
    doc:
      "The Redis (7.0 or later) or Valkey of the cache, of running replies and of what servers tell each other: `redis://user:password@host:6379/0`, " +
      "`redis+cluster://host:6379,host:6379`, or `redis+sentinel://host:26379,host:26379/master-name`; `rediss…` for TLS. " +
      "Every server on the same database needs the same one.",
  },
  cache: {
    env: "CACHE",
    schema: z.enum(["redis", "memory", "off"], { error: "must be redis, memory or off" }).optional(),
    defaultText: "`redis` with `REDIS_URL`, `memory` with the embedded PostgreSQL, otherwise `off`",
    doc: "Where recent messages are kept. `memory` is one process's own: only for a service that runs once.",
  },
  cacheTtl: {
    env: "CACHE_TTL",
    schema: wholeNumber(1, 2_592_000, 3_600),
    doc: "Seconds a conversation stays cached after the read that cached it; at least half as long after a later read, unless there is a new message.",
  },
  cacheActiveTtl: {
    env: "CACHE_ACTIVE_TTL",
    schema: wholeNumber(1, 2_592_000, 3_600),
    doc: "Seconds it stays after a new message, be that more or less than it had.",
  },
  cacheIdleTtl: {
    env: "CACHE_IDLE_TTL",
    schema: wholeNumber(1, 2_592_000, 7_200),
    doc: "Seconds instead of `CACHE_TTL` when it had no new message for `CACHE_ACTIVE_TTL`.",
  },
  cacheMessageLimit: {
    env: "CACHE_MESSAGE_LIMIT",
    schema: wholeNumber(1, LIMITS.windowMax, 20),
    doc: "How many of a conversation's newest messages are cached. Servers that share a Redis need the same number.",
  },
  cacheMemoryMb: {
    env: "CACHE_MEMORY_MB",
    schema: wholeNumber(1, 1_048_576, 64),
    doc: "Size of the cache in memory, in MB.",
  },
  cacheKeyPrefix: {
    env: "CACHE_KEY_PREFIX",
    schema: z
      .string()
      .regex(/^[A-Za-z0-9_.:-]{0,64}$/, "must be at most 64 of A-Z a-z 0-9 _ . : -")
      .default("backscroll:"),
    doc: "What the keys in Redis begin with; an id of the database follows.",
  },
  cacheTimeoutMs: {
    env: "CACHE_TIMEOUT_MS",
    schema: wholeNumber(1, 60_000, 50),
    doc: "How long one call to the cache may take before PostgreSQL answers instead.",
  },
  cacheFillTimeoutMs: {
    env: "CACHE_FILL_TIMEOUT_MS",
    schema: wholeNumber(1, 600_000, 5_000),
    doc: "How long a reader may take to bring what it read in PostgreSQL into the cache.",
  },
  cacheAuditIntervalMs: {
    env: "CACHE_AUDIT_INTERVAL_MS",
    schema: wholeNumber(1, 86_400_000, 10_000),
    doc: "How often a cached conversation that is being read is compared with PostgreSQL.",
  },
  dataDir: {
    env: "BACKSCROLL_DATA_DIR",
    schema: z.string().default(defaultDataDir),
    defaultText: "`~/.local/share/backscroll`; as root `/var/lib/backscroll`",
    doc: "The folder of the embedded PostgreSQL. Not used with `DATABASE_URL`.",
  },
  host: {
    env: "HOST",
    schema: z.string().regex(HOST_PATTERN, "must be a host name or an address").default("127.0.0.1"),
    doc: "The address to listen on. Without authentication only loopback is allowed.",
  },
  port: { env: "PORT", schema: wholeNumber(0, 65_535, 4100), doc: "The port to listen on; 0 takes a free one." },
  databasePoolMax: {
    env: "DATABASE_POOL_MAX",
    schema: wholeNumber(1, 1_000, 20),
    doc: "Connections to PostgreSQL at most.",
  },
  databaseConnectTimeoutMs: {
    env: "DATABASE_CONNECT_TIMEOUT_MS",
    schema: wholeNumber(1, 600_000, 5_000),
    doc: "How long a request waits for a connection before it is answered 503.",
  },
  databaseStatementTimeoutMs: {
    env: "DATABASE_STATEMENT_TIMEOUT_MS",
    schema: wholeNumber(1, 3_600_000, 30_000),
    doc: "How long PostgreSQL may work on one statement.",
  },
  appendBatching: {
    env: "APPEND_BATCHING",
    schema: z
      .enum(["on", "off"], { error: "must be on or off" })
      .default("on")
      .transform((value) => value === "on"),
    defaultText: "`on`",
    doc: "Lets messages saved at the same time share one statement and one commit. Turn it off on Citus.",
  },
  messageBytesMax: {
    env: "MESSAGE_BYTES_MAX",
    schema: wholeNumber(1, 67_108_864, 1_048_576),
    doc: "Content of one message, in bytes of UTF-8.",
  },
  bodyBytesMax: {
    env: "BODY_BYTES_MAX",
    schema: wholeNumber(1_024, 268_435_456, 16_777_216),
    doc: "Body of one request. An import is read as a stream and has no limit.",
  },
  contextTokens: {
    env: "CONTEXT_TOKENS",
    schema: wholeNumber(1, 2_000_000, 8_000),
    doc:
      "How much of the conversation the responder is shown, in tokens of OpenAI's `o200k_base`; other models' tokens " +
      "differ by some 30%. 8,000 are about 6,000 English words. Leave room for the reply: a model with a window of 4,096 " +
      "tokens, as small local ones have, needs less, e.g. 3000. The user's message is always shown.",
  },
  contextMessages: {
    env: "CONTEXT_MESSAGES",
    schema: wholeNumber(1, 10_000, 200),
    doc:
      "How many messages are looked at for that, at most. It bounds the work for a conversation of very short messages; " +
      "lower it to show fewer than `CONTEXT_TOKENS` would hold.",
  },
  model: {
    env: "MODEL",
    schema: z
      .string()
      .regex(/^(openai|anthropic|compatible)\/.+/, "must be openai/<model>, anthropic/<model> or compatible/<model>")
      .optional(),
    defaultText: "ELIZA, an offline demo",
    doc:
      "Who answers: `openai/<model>`, `anthropic/<model>`, or `compatible/<model>` for any server that speaks " +
      "OpenAI's protocol (Ollama, vLLM, LM Studio).",
  },
  modelBaseUrl: {
    env: "MODEL_BASE_URL",
    schema: url(["http", "https"]),
    doc: "Where that server is, e.g. `http://localhost:11434/v1`. Needed for `compatible/`.",
  },
  modelApiKey: {
    env: "MODEL_API_KEY",
    schema: z.string().optional(),
    defaultText: "`OPENAI_API_KEY` or `ANTHROPIC_API_KEY`",
    secret: true,
    doc: "The key for it.",
  },
  systemPrompt: { env: "SYSTEM_PROMPT", schema: z.string().optional(), doc: "What the model is told first." },
  responderUrl: {
    env: "RESPONDER_URL",
    schema: url(["http", "https"]),
    doc: "Your own agent, asked by `POST {messages, query, tools}`; see `examples/python-agent`. Goes before `MODEL`.",
  },
  responderTools: {
    env: "RESPONDER_TOOLS",
    schema: z
      .string()
      .default("")
      .transform((value) =>
        value
          .split(",")
          .map((name) => name.trim())
          .filter((name) => name !== ""),
      ),
    defaultText: "none",
    doc: "Names of the tools your agent may use, separated by commas.",
  },
  responderTimeoutMs: {
    env: "RESPONDER_TIMEOUT_MS",
    schema: wholeNumber(1, 3_600_000, 120_000),
    doc: "How long the responder may take for one reply.",
  },
  replyHeartbeatTimeoutMs: {
    env: "REPLY_HEARTBEAT_TIMEOUT_MS",
    schema: wholeNumber(3_000, 600_000, 10_000),
    doc: "A server that has not been heard of for so long is dead: another one closes the replies it was writing.",
  },
  idempotencyKeepHours: {
    env: "IDEMPOTENCY_KEEP_HOURS",
    schema: wholeNumber(1, 720, 24),
    doc: "How long an `Idempotency-Key` is remembered.",
  },
  drainTimeoutMs: {
    env: "DRAIN_TIMEOUT_MS",
    schema: wholeNumber(0, 600_000, 10_000),
    doc: "How long a stopping service waits for what it is doing.",
  },
  metricsToken: {
    env: "METRICS_TOKEN",
    schema: z.string().optional(),
    defaultText: "none: this machine only",
    secret: true,
    doc: "What Prometheus must send to read `/metrics`, as `authorization: Bearer <token>`.",
  },
  logLevel: {
    env: "LOG_LEVEL",
    schema: z
      .enum(["debug", "info", "warn", "error", "silent"], { error: "must be debug, info, warn, error or silent" })
      .default("info"),
    doc: "What is logged, to standard error: `debug`, `info`, `warn`, `error` or `silent`.",
  },
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof SETTINGS;
export type Config = { readonly [Name in SettingName]: z.output<(typeof SETTINGS)[Name]["schema"]> };

/** @returns a setting's flag: `--data-dir` for `BACKSCROLL_DATA_DIR` */
export function flagOf({ env }: Setting): string {
  return `--${env
    .replace(/^BACKSCROLL_/, "")
    .toLowerCase()
    .replaceAll("_", "-")}`;
}

/** @returns what a setting is when nobody sets it, for people */
export function defaultText({ schema, defaultText: told }: Setting): string {
  const fallback = schema.safeParse(undefined).data as string | number | undefined;
  return told ?? (fallback === undefined ? "none" : `\`${fallback}\``);
}

/** Names every bad variable and what it must be; never a value. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/**
 * @param environment variables; an empty one counts as absent
 * @param given goes before them: flags, or a library caller's options
 * @param nameOf how a setting in `given` is called in errors
 * @throws {ConfigError}
 */
export function loadConfig(
  environment: Readonly<Record<string, string | undefined>>,
  given: Partial<Record<SettingName, string>> = {},
  nameOf: (name: SettingName) => string = (name) => flagOf(SETTINGS[name]),
): Config {
  const problems: string[] = [];
  const entries = Object.entries(SETTINGS).map(([name, setting]: [string, Setting]) => {
    const own = given[name as SettingName];
    const text = own ?? environment[setting.env];
    const parsed = setting.schema.safeParse(text === "" ? undefined : text);
    if (!parsed.success) {
      const reason = parsed.error.issues[0]?.message ?? "is not valid";
      problems.push(`${own === undefined ? setting.env : nameOf(name as SettingName)} ${reason}`);
    }
    return [name, parsed.data];
  });
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
  const config = Object.fromEntries(entries) as Config;
  if (config.model?.startsWith("compatible/") && config.modelBaseUrl === undefined) {
    throw new ConfigError("MODEL_BASE_URL must say where the server of MODEL is, e.g. http://localhost:11434/v1");
  }
  if (config.cache === "redis" && config.redisUrl === undefined) {
    throw new ConfigError("REDIS_URL must say where the Redis of CACHE=redis is, e.g. redis://localhost:6379");
  }
  return config;
}

/**
 * The same for a library's caller, who gives values instead of text.
 *
 * @param options absent ones come from the environment
 * @throws {ConfigError}
 */
export function loadOptions(
  environment: Readonly<Record<string, string | undefined>>,
  options: Partial<Config>,
): Config {
  const given = Object.keys(SETTINGS).flatMap((name) => {
    const value = options[name as SettingName];
    if (value === undefined) return [];
    return [[name, typeof value === "boolean" ? (value ? "on" : "off") : String(value)]];
  });
  return loadConfig(environment, Object.fromEntries(given), (name) => name);
}
