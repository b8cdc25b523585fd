import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { parseRedisUrl } from "./cache/redis/url.ts";
import { LIMITS } from "./domain/limits.ts";
import { isLoopback } from "./domain/loopback.ts";

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

function commaSeparated(): z.ZodType<readonly string[]> {
  return z
    .string()
    .default("")
    .transform((value) =>
      value
        .split(",")
        .map((name) => name.trim())
        .filter((name) => name !== ""),
    );
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
  databaseDirectUrl: {
    env: "DATABASE_DIRECT_URL",
    schema: url(["postgresql", "postgres"]),
    defaultText: "`DATABASE_URL`",
    secret: true,
    doc:
      "The same database past a pooler (PgBouncer), when `DATABASE_URL` leads through one: for migrations and for " +
      "`LISTEN`, which does not survive a pooler in transaction mode.",
  },
  pgPrepare: {
    env: "PG_PREPARE",
    schema: z
      .enum(["on", "off"], { error: "must be on or off" })
      .default("on")
      .transform((value) => value === "on"),
    defaultText: "`on`",
    doc:
      "Whether statements are prepared by name. `off` behind a pooler in transaction mode that does not know prepared " +
      "statements, as PgBouncer before 1.21; see [workers.md](workers.md#pgbouncer).",
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
  workers: {
    env: "WORKERS",
    schema: wholeNumber(1, 256, 1),
    doc:
      "Processes that serve, on one port: as many as there are cores to give them. Needs `DATABASE_URL`, and " +
      "`REDIS_URL` for what they share; see [workers.md](workers.md).",
  },
  databasePoolMax: {
    env: "DATABASE_POOL_MAX",
    schema: wholeNumber(1, 1_000, 20),
    doc:
      "Connections to PostgreSQL at most, of the whole service on this machine: workers share them out, and have two at " +
      "least. Beside them a server, or each worker, holds one that listens.",
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
    schema: commaSeparated(),
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
  auth: {
    env: "AUTH",
    schema: z.enum(["none", "required"], { error: "must be none or required" }).optional(),
    defaultText: "`required` with `JWT_SECRET` or `JWT_JWKS_URL`, otherwise `none`",
    doc:
      "`required`: every request carries a token, a key of `backscroll key create`, or the cookie of a login. `none`: " +
      "everybody on this machine is `you@localhost`, and nobody else may connect.",
  },
  jwtSecret: {
    env: "JWT_SECRET",
    schema: z
      .string()
      .refine(
        (secret) => Buffer.byteLength(secret) >= 32,
        "must be at least 32 bytes, e.g. of `openssl rand -base64 48`",
      )
      .optional(),
    secret: true,
    doc: "What your application signs its users' tokens with (HS256).",
  },
  jwtJwksUrl: {
    env: "JWT_JWKS_URL",
    schema: url(["https", "http"])
      .refine(
        (value) => value === undefined || value.startsWith("https://") || isLoopback(new URL(value).hostname),
        "must be https, unless it is on this machine",
      )
      // `fetch` takes no such URL, and quotes it when it says so.
      .refine(
        (value) => value === undefined || new URL(value).username + new URL(value).password === "",
        "must not hold a user or password: the keys are public",
      ),
    doc:
      "Where your identity provider shows the keys that it signs tokens with. `JWT_ISSUER` and `JWT_AUDIENCE` are " +
      "needed with it.",
  },
  jwtAlgorithm: {
    env: "JWT_ALGORITHM",
    schema: z.enum(["HS256", "RS256", "ES256", "EdDSA"], { error: "must be HS256, RS256, ES256 or EdDSA" }).optional(),
    defaultText: "`HS256` with `JWT_SECRET`, `RS256` with `JWT_JWKS_URL`",
    doc: "The one algorithm that tokens may be signed with.",
  },
  jwtIssuer: {
    env: "JWT_ISSUER",
    schema: z.string().optional(),
    doc: "What a token's `iss` must be.",
  },
  jwtAudience: {
    env: "JWT_AUDIENCE",
    schema: z.string().optional(),
    doc: "What a token's `aud` must be or hold. Without it, a token that is meant for anybody in particular is refused.",
  },
  jwtEmailClaim: {
    env: "JWT_EMAIL_CLAIM",
    schema: z.string().default("email"),
    doc:
      "The claim that says who the user is. It must not change and must not be given to somebody else later: where " +
      "addresses do, use `sub`.",
  },
  jwtClockToleranceS: {
    env: "JWT_CLOCK_TOLERANCE_S",
    schema: wholeNumber(0, 300, 30),
    doc: "By how many seconds the clock of whoever signs tokens may differ from this one's.",
  },
  admins: {
    env: "ADMINS",
    schema: commaSeparated(),
    defaultText: "none",
    doc: "Users who may read the audit log and what else only admins see, as their tokens name them, separated by commas.",
  },
  loginDays: {
    env: "LOGIN_DAYS",
    schema: wholeNumber(1, 365, 30),
    doc: "How long a browser stays logged in with a key. With a token: until that expires, if that is sooner.",
  },
  publicUrl: {
    env: "PUBLIC_URL",
    schema: url(["http", "https"]),
    doc:
      "Where browsers find the service, e.g. `https://history.example.com`. With `https` cookies are `Secure` and " +
      "browsers are told to use nothing else (HSTS).",
  },
  corsOrigins: {
    env: "CORS_ORIGINS",
    schema: commaSeparated().refine(
      // A pattern is none: it would match nobody, and look as if it did.
      (origins) => origins.every((origin) => /^https?:[^*]+$/.test(origin) && URL.parse(origin)?.origin === origin),
      "must be origins like https://app.example.com, separated by commas",
    ),
    defaultText: "none",
    doc: "Origins of other sites whose pages may call the API, separated by commas. Needs authentication.",
  },
  trustProxy: {
    env: "TRUST_PROXY",
    schema: wholeNumber(0, 10, 0),
    doc:
      "How many proxies of yours stand in front: the client's address is that many from the end of `x-forwarded-for`. " +
      "0: it is the connection's.",
  },
  sessions: {
    env: "SESSIONS",
    schema: z.enum(["mapping", "cookie", "claim"], { error: "must be mapping, cookie or claim" }).default("mapping"),
    doc:
      "How a chat without a `conversation_id` finds its conversation. `mapping`: by the `session_id` it sends. " +
      "`cookie`: by a cookie, set with the first answer. `claim`: the token names it.",
  },
  sessionClaim: {
    env: "SESSION_CLAIM",
    schema: z.string().default("conversation_id"),
    doc: "The token's claim that names the conversation, for `SESSIONS=claim`.",
  },
  sessionDays: {
    env: "SESSION_DAYS",
    schema: wholeNumber(1, 3_650, 30),
    doc: "How long a session that nobody uses is kept. Its conversation stays.",
  },
  rateLimits: {
    env: "RATE_LIMITS",
    schema: z.enum(["on", "off"], { error: "must be on or off" }).optional(),
    defaultText: "`on` with authentication, otherwise `off`",
    doc: "Whether the limits below hold. They are shared by all servers on one Redis; without it each server has its own.",
  },
  rateLimitReads: {
    env: "RATE_LIMIT_READS",
    schema: wholeNumber(1, 100_000_000, 1_200),
    doc: "Reads a minute of one user.",
  },
  rateLimitWrites: {
    env: "RATE_LIMIT_WRITES",
    schema: wholeNumber(1, 100_000_000, 600),
    doc: "Writes a minute of one user, turns aside.",
  },
  rateLimitTurns: {
    env: "RATE_LIMIT_TURNS",
    schema: wholeNumber(1, 100_000_000, 60),
    doc: "Turns a minute of one user: what asks the responder.",
  },
  rateLimitAddressReads: {
    env: "RATE_LIMIT_ADDRESS_READS",
    schema: wholeNumber(1, 100_000_000, 12_000),
    doc: "Reads a minute from one address. What a backend does with an admin key is not counted by its address.",
  },
  rateLimitAddressWrites: {
    env: "RATE_LIMIT_ADDRESS_WRITES",
    schema: wholeNumber(1, 100_000_000, 6_000),
    doc: "Writes a minute from one address, turns aside.",
  },
  rateLimitAddressTurns: {
    env: "RATE_LIMIT_ADDRESS_TURNS",
    schema: wholeNumber(1, 100_000_000, 600),
    doc: "Turns a minute from one address.",
  },
  rateLimitFailedLogins: {
    env: "RATE_LIMIT_FAILED_LOGINS",
    schema: wholeNumber(1, 100_000_000, 60),
    doc: "Requests a minute from one address whose credentials are missing, wrong or refused.",
  },
  streamsPerUser: {
    env: "STREAMS_PER_USER",
    schema: wholeNumber(1, 100_000, 32),
    doc: "Event streams (replies and changes) that one user may hold open at once.",
  },
  headerBytesMax: {
    env: "HEADER_BYTES_MAX",
    schema: wholeNumber(1_024, 1_048_576, 16_384),
    doc: "All headers of one request, in bytes.",
  },
  requestTimeoutMs: {
    env: "REQUEST_TIMEOUT_MS",
    schema: wholeNumber(100, 3_600_000, 30_000),
    doc:
      "How long a request may take to arrive. An import has no limit as a whole: it is given up when nothing of it " +
      "arrives for so long.",
  },
  retentionDays: {
    env: "RETENTION_DAYS",
    schema: wholeNumber(0, 36_500, 0),
    doc: "Conversations without a new message for so long are erased for good, pinned ones aside. 0: never.",
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
  logFormat: {
    env: "LOG_FORMAT",
    schema: z.enum(["auto", "json", "pretty"], { error: "must be auto, json or pretty" }).default("auto"),
    doc: "How: `json`, `pretty` (a line for people), or `auto`: `pretty` on a terminal and `json` elsewhere.",
  },
  slowOperationMs: {
    env: "SLOW_OPERATION_MS",
    schema: wholeNumber(0, 3_600_000, 1_000),
    doc: "An operation that takes so long is logged as a warning; imports and erasures aside. 0: none is.",
  },
  otelExporterOtlpEndpoint: {
    env: "OTEL_EXPORTER_OTLP_ENDPOINT",
    schema: url(["http", "https"]),
    defaultText: "none: there are no traces",
    doc:
      "Where OpenTelemetry's collector takes traces by HTTP, e.g. `http://localhost:4318`. OpenTelemetry's other " +
      "variables are read too: docs/observability.md.",
  },
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof SETTINGS;
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
