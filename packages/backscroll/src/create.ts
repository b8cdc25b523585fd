import { randomUUID } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { TracerProvider } from "@opentelemetry/api";
import type { Logger } from "pino";
import { collectDefaultMetrics, Registry } from "prom-client";
import type { HistoryCache } from "./cache/history-cache.ts";
import { createLinkMetrics } from "./cache/redis/link-metrics.ts";
import { type Config, ConfigError, isAuthRequired, loadOptions } from "./config.ts";
import { createAuth } from "./create-auth.ts";
import { type CreatedCache, createCache } from "./create-cache.ts";
import { type CreatedLive, createLive } from "./create-live.ts";
import { createLog } from "./create-log.ts";
import { createTracing } from "./create-tracing.ts";
import { logText } from "./domain/logged-error.ts";
import { createApp } from "./http/app.ts";
import { findWebApp } from "./http/web.ts";
import type { Authenticate } from "./http/auth.ts";
import type { ConnectionInfo } from "./http/client-address.ts";
import type { App } from "./http/context.ts";
import type { LimitOptions } from "./http/limits.ts";
import { createResyncs, type Resyncs } from "./live/resyncs.ts";
import { watchEventLoop } from "./metrics/event-loop.ts";
import { registerInfo } from "./metrics/info.ts";
import { type Memory, Sampler } from "./metrics/sampler.ts";
import { sourceOf } from "./metrics/source.ts";
import { registerWorkers } from "./metrics/workers.ts";
import { startEmbeddedPostgres } from "./postgres/embedded.ts";
import { findInstallation } from "./postgres/installation.ts";
import { createStatementMetrics, registerPool } from "./postgres/metrics.ts";
import { migrate } from "./postgres/migrate.ts";
import { openDatabase } from "./postgres/pool.ts";
import { findRoute, UNPREPARED_POOLER } from "./postgres/pooler.ts";
import type { Responder } from "./responder/responder.ts";
import { Operations } from "./operations.ts";
import { createAppender } from "./service/appender.ts";
import { createSessionStore } from "./session-store/create-session-store.ts";
import type { SessionStore } from "./session-store/session-store.ts";
import type { SessionMessage, SessionStoreOptions } from "./session-store/session-store-options.ts";
import { ConversationService } from "./service/conversation-service.ts";
import type { Deps } from "./service/deps.ts";
import { listenForErasures } from "./service/erase-user.ts";
import { ErasedUsers } from "./service/erased-users.ts";
import { createServiceMetrics } from "./service/metrics.ts";
import { createOperator } from "./service/operator.ts";
import { startReplyUpkeep } from "./service/reply-upkeep.ts";
import type { RunningReplies } from "./service/running-reply.ts";
import { TokenCounter } from "./service/token-counter.ts";
import { startUpkeep } from "./service/upkeep.ts";
import { VERSION } from "./version.ts";

/** What a Backscroll may be given in place of what it would choose by itself. */
interface Parts {
  /** says who is calling; by default as the settings choose */
  readonly authenticate?: Authenticate;
  /** who answers; by default chosen by the settings */
  readonly responder?: Responder;
  /** where log lines go; by default standard error */
  readonly logger?: Logger;
  /**
   * takes part in your own OpenTelemetry, e.g. `trace.getTracerProvider()` of `@opentelemetry/api`: nothing is exported
   * by Backscroll itself then. By default `OTEL_EXPORTER_OTLP_ENDPOINT` says whether and where to
   */
  readonly tracerProvider?: TracerProvider;
  /** true: use the embedded PostgreSQL of another Backscroll that runs on the folder; for a command beside a service */
  readonly shareDatabase?: boolean;
  /** true: `/metrics` tells of the process too (memory, event loop): for a process that is Backscroll alone */
  readonly processMetrics?: boolean;
}

/** What the processes of one service share, for one of them. */
export interface Together {
  /** the metrics of all, as Prometheus reads them */
  readonly exposition: () => Promise<string>;
  readonly memory: Memory;
}

/** What the command line, a test or a measurement may put in the place of more. */
interface InternalParts extends Parts {
  readonly historyCache?: HistoryCache;
  /** this is one of several workers, and the database is up to date already */
  readonly together?: Together;
}

/** Settings and parts; a setting that is absent comes from the environment. */
export interface BackscrollOptions extends Partial<Config>, Parts {}

/** A running Backscroll. */
export interface Backscroll {
  /** the conversation history, for use in this process */
  readonly conversations: ConversationService;
  /** Sessions by id, as a `SESSIONS = {}` has them; beside the old dictionary, while an app leaves it. */
  sessionStore<Message extends SessionMessage = SessionMessage & Record<string, unknown>>(
    options: SessionStoreOptions<Message>,
  ): SessionStore<Message>;
  /**
   * The HTTP API: mount it in a server of your own. With the connection, which `@hono/node-server` hands on by itself,
   * limits count by address, too.
   */
  readonly fetch: (request: Request, connection?: ConnectionInfo) => Response | Promise<Response>;
  /** for people: what it runs on */
  readonly description: {
    readonly database: string;
    readonly cache: string;
    readonly responder: string;
    /** how callers say who they are */
    readonly users: string;
    readonly migrations: readonly string[];
  };
  /** Says at `/readyz` that nothing new should come. What runs goes on, for `drainTimeoutMs` at most. */
  drain(): void;
  /** Finishes what runs, disconnects, and stops the embedded PostgreSQL. */
  readonly close: () => Promise<void>;
}

/** What `create` gives the command line beside the public part. */
export interface BackscrollInternals extends Backscroll {
  readonly app: App;
  readonly deps: Deps;
  readonly config: Config;
  readonly registry: Registry;
  readonly sampler: Sampler;
  /** settles when what a start looks after has been looked after */
  readonly firstUpkeep: Promise<void>;
}

/**
 * Opens the database (or starts the embedded one), brings it up to date, and puts everything together.
 *
 * @param options go before the environment's settings; see `docs/configuration.md`
 * @throws {ConfigError} naming each bad setting
 * @throws {Error} when the database cannot be opened or migrated
 */
export async function createBackscroll(options: BackscrollOptions = {}): Promise<Backscroll> {
  return create(loadOptions(process.env, options), options);
}

export async function create(
  config: Config,
  {
    authenticate,
    responder,
    logger,
    tracerProvider,
    shareDatabase = false,
    processMetrics = false,
    historyCache,
    together,
  }: InternalParts = {},
): Promise<BackscrollInternals> {
  const log = logger ?? (await createLog(config));
  const tracing = await createTracing(config, { hostsProvider: tracerProvider, log });
  const { tracer } = tracing;
  const embedded =
    config.databaseUrl === undefined
      ? await startEmbeddedPostgres({
          dataDir: config.dataDir,
          share: shareDatabase,
          onLog: (line) => log.debug({ postgres: line }, "embedded PostgreSQL"),
        })
      : undefined;
  const connectionString = config.databaseUrl ?? embedded?.connectionString ?? "";
  const directConnectionString = config.databaseDirectUrl ?? connectionString;
  const route = embedded ? "direct" : await findRoute(connectionString);
  if (config.pgPrepare && route === "unprepared") throw new ConfigError(UNPREPARED_POOLER);
  const registry = new Registry();
  const db = openDatabase({
    connectionString,
    max: config.databasePoolMax,
    connectionTimeoutMs: config.databaseConnectTimeoutMs,
    statementTimeoutMs: config.databaseStatementTimeoutMs,
    prepare: config.pgPrepare,
    direct: route === "direct",
    onIdleError(error) {
      if (!closing) log.warn({ error: logText(error) }, "a connection to PostgreSQL was lost");
    },
    ...createStatementMetrics(registry),
    tracer,
  });
  let closing = false;
  registerPool(registry, db);
  registerInfo(registry, VERSION);
  if (processMetrics) collectDefaultMetrics({ register: registry });
  const unwatchEventLoop = processMetrics ? watchEventLoop(registry) : () => undefined;
  const watchLink = createLinkMetrics(registry);
  if (!together) registerWorkers(registry, () => 1);
  const sampler = new Sampler(sourceOf(registry));
  const operations = new Operations();
  let cache: CreatedCache | undefined;
  let live: CreatedLive | undefined;
  let resyncs: Resyncs | undefined;
  const closeDatabase = async (): Promise<void> => {
    closing = true;
    sampler.stop();
    unwatchEventLoop();
    await db.close();
    // What was committed while it closed is still told.
    await within(TELLING_MS, operations.allDone());
    await cache?.close();
    resyncs?.close();
    await live?.close();
    await embedded?.stop();
    await within(TRACES_MS, tracing.close());
  };
  try {
    const migrations = together ? [] : await migrate(directConnectionString);
    const installation = await findInstallation(db);
    live = await createLive(config, { ...installation, log, watchLink, tracer });
    const owed = createResyncs(live.feed);
    resyncs = owed;
    cache = await createCache(config, {
      db,
      connectionString: directConnectionString,
      registry,
      watchLink,
      tracer,
      log,
      besideService: shareDatabase,
      onWrittenPast({ userId }, isFirst) {
        // In one Redis one server tells the clients of all; without it, each its own.
        if (isFirst || config.redisUrl === undefined) owed.owe(userId);
      },
    });
    const draining = new AbortController();
    let drainTimer: NodeJS.Timeout | undefined;
    const stopping = new AbortController();
    const runningReplies: RunningReplies = new Map();
    const deps: Deps = {
      db,
      appender: createAppender(db, { batching: config.appendBatching, tracer }),
      cache: historyCache ?? cache.cache,
      live,
      responder: responder ?? (await chooseResponder(config)),
      tokenCounter: new TokenCounter(config.contextTokens),
      settings: {
        messageBytesMax: config.messageBytesMax,
        contextTokens: config.contextTokens,
        contextMessages: config.contextMessages,
        cacheMessageLimit: config.cacheMessageLimit,
        responderTools: config.responderTools,
        responderTimeoutMs: config.responderTimeoutMs,
        replyHeartbeatTimeoutMs: config.replyHeartbeatTimeoutMs,
        retentionDays: config.retentionDays,
        sessionDays: config.sessionDays,
        idempotencyKeepMs: config.idempotencyKeepHours * 3_600_000,
        slowOperationMs: config.slowOperationMs,
      },
      log,
      metrics: createServiceMetrics(registry, runningReplies),
      tracer,
      secret: installation.secret,
      userIds: new LRUCache({ max: 10_000, ttl: USER_REMEMBERED_MS }),
      erasedUsers: new ErasedUsers(),
      notedActedFor: new LRUCache({ max: 10_000 }),
      serverId: randomUUID(),
      runningReplies,
      followedReplies: new Map(),
      track: (operation) => operations.track(operation),
      draining: draining.signal,
      stopping: stopping.signal,
    };
    const drain = (): void => {
      draining.abort();
      drainTimer ??= setTimeout(() => stopping.abort(), config.drainTimeoutMs);
    };
    const stopListening = listenForErasures(deps);
    // Not a command's: it would take the hour's retention along when it ends, and may have no Redis to clear.
    const upkeep = shareDatabase ? null : startUpkeep(deps, { usersTogether: config.appendBatching });
    // Nobody else can be writing on an embedded PostgreSQL of one's own: what is open was left by a run that died.
    const isAlone = embedded !== undefined;
    const replyUpkeep = shareDatabase
      ? null
      : await startReplyUpkeep(deps, { appendBatching: config.appendBatching, isAlone });
    let closed: Promise<void> | undefined;
    const close = async (): Promise<void> => {
      drain();
      const givenUp = new Promise<void>((done) => stopping.signal.addEventListener("abort", () => done()));
      await Promise.race([operations.allDone(), givenUp]);
      clearTimeout(drainTimer);
      stopping.abort();
      // Turns that were cut off save what they still can.
      await within(SAVING_MS, Promise.all([...deps.runningReplies.values()].map(({ done }) => done)));
      await replyUpkeep?.stop();
      await upkeep?.stop();
      stopListening();
      await closeDatabase();
    };
    if (!together) sampler.start((error) => log.warn({ error: logText(error) }, "the metrics could not be sampled"));
    const auth = createAuth(config, deps, authenticate);
    const app = createApp(deps, {
      findCredentials: auth.findCredentials,
      login: auth.login,
      bodyBytesMax: config.bodyBytesMax,
      requestTimeoutMs: config.requestTimeoutMs,
      limits: limitsOf(config, authenticate),
      publicUrl: config.publicUrl,
      corsOrigins: config.corsOrigins,
      metrics: {
        registry,
        exposition: together?.exposition ?? (() => registry.metrics()),
        token: config.metricsToken,
        withoutAuthentication: auth.isLocal,
      },
      operator: createOperator(deps, { memory: together?.memory ?? sampler, version: VERSION }),
      sessions: {
        by: config.sessions,
        days: config.sessionDays,
        secure: config.publicUrl?.startsWith("https://") ?? false,
      },
      web: findWebApp(),
    });
    const conversations = operations.trackCalls(new ConversationService(deps));
    return {
      app,
      deps,
      config,
      registry,
      sampler,
      firstUpkeep: upkeep?.firstRound ?? Promise.resolve(),
      conversations,
      sessionStore: (options) => createSessionStore({ conversations, log, track: deps.track }, options),
      fetch: (request, connection) => operations.track(Promise.resolve(app.fetch(request, connection))),
      description: {
        database: embedded ? `embedded PostgreSQL in ${embedded.directory}` : `PostgreSQL, ${db.description}`,
        cache: cache.description,
        responder: deps.responder.description,
        users: auth.description,
        migrations,
      },
      drain,
      close: () => (closed ??= close()),
    };
  } catch (error) {
    await closeDatabase();
    throw error;
  }
}

/** @returns null when nobody is limited */
function limitsOf(config: Config, authenticate: Authenticate | undefined): LimitOptions | null {
  const isLimited = isAuthRequired(config) && authenticate === undefined;
  if ((config.rateLimits ?? (isLimited ? "on" : "off")) === "off") return null;
  return {
    perUser: { reads: config.rateLimitReads, writes: config.rateLimitWrites, turns: config.rateLimitTurns },
    perAddress: {
      reads: config.rateLimitAddressReads,
      writes: config.rateLimitAddressWrites,
      turns: config.rateLimitAddressTurns,
    },
    failedLogins: config.rateLimitFailedLogins,
    streamsPerUser: config.streamsPerUser,
    trustProxy: config.trustProxy,
  };
}

/** Who was erased is refused after so long where nobody heard of it; nothing that they send is kept before, either. */
const USER_REMEMBERED_MS = 60_000;
/** Longer than the cache and the other servers may take to be told of a change. */
const TELLING_MS = 2_000;
/** What a stopping server gives PostgreSQL to take the replies that it cuts off; another server closes the others. */
const SAVING_MS = 5_000;

/** For what was recorded last; a collector that is away keeps nobody from stopping. */
const TRACES_MS = 2_000;

/** Waits for work, but no longer than this. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, ms);
  await Promise.race([work, late.promise]);
  clearTimeout(timer);
}

/** The providers' packages are large: only the one in use is loaded. */
async function chooseResponder(config: Config): Promise<Responder> {
  if (config.responderUrl !== undefined) {
    const { createHttpResponder } = await import("./responder/http.ts");
    return createHttpResponder({ url: config.responderUrl });
  }
  if (config.model !== undefined) {
    const { createModelResponder } = await import("./responder/ai-sdk.ts");
    return createModelResponder({
      model: config.model,
      ...(config.modelBaseUrl !== undefined && { baseUrl: config.modelBaseUrl }),
      ...(config.modelApiKey !== undefined && { apiKey: config.modelApiKey }),
      ...(config.systemPrompt !== undefined && { system: config.systemPrompt }),
    });
  }
  const { createElizaResponder } = await import("./responder/eliza.ts");
  return createElizaResponder();
}
