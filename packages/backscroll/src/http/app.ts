import { OpenAPIHono } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import { BackscrollError, invalidRequest } from "../domain/errors.ts";
import { mintId } from "../domain/ids.ts";
import { NO_SPAN } from "../tracing/tracer.ts";
import type { Deps } from "../service/deps.ts";
import type { Operator } from "../service/operator.ts";
import { auditRoutes } from "./audit.ts";
import { authenticated, type FindCredentials } from "./auth.ts";
import { malformedJson, readBody } from "./body.ts";
import type { App, Context, Variables } from "./context.ts";
import { conversationRoutes } from "./conversations.ts";
import { crossOrigin } from "./cors.ts";
import { docsRoutes } from "./docs.ts";
import { problemResponse } from "./errors.ts";
import { eventRoutes } from "./events.ts";
import { toFieldErrors } from "./field-errors.ts";
import { healthRoutes } from "./health.ts";
import { historyRoutes } from "./history.ts";
import { idempotent } from "./idempotency.ts";
import { commonHeaders } from "./json.ts";
import { createLimits, type LimitOptions, openAnyStream } from "./limits.ts";
import { type LoginOptions, loginRoutes } from "./login.ts";
import { answerErased, meRoutes } from "./me.ts";
import { countErrors, countStreams, type MetricsOptions, metricsRoutes } from "./metrics.ts";
import { messageRoutes } from "./messages.ts";
import { operatorRoutes } from "./operator.ts";
import { asksForPage, PLAIN_PAGE, plainPageRoutes, plainProblem } from "./plain-page.ts";
import { createRequestLog, isProbe, loggedFailure } from "./request-log.ts";
import { securityHeaders } from "./security-headers.ts";
import type { SessionOptions } from "./session-resolver.ts";
import { sessionRoutes } from "./sessions.ts";
import { transferRoutes } from "./transfer.ts";
import { turnRoutes } from "./turns.ts";
import { webRoutes } from "./web.ts";

export interface AppOptions {
  readonly findCredentials: FindCredentials;
  /** null: nobody logs in here */
  readonly login: LoginOptions | null;
  /** of one request's body; an import is read as a stream and has no limit */
  readonly bodyBytesMax: number;
  /** how long a body may take to arrive; an import, its next kilobyte */
  readonly requestTimeoutMs: number;
  /** null: there are none */
  readonly limits: LimitOptions | null;
  readonly metrics: MetricsOptions;
  readonly operator: Operator;
  /** where browsers find the service, if that is known */
  readonly publicUrl: string | undefined;
  /** whose pages may call it, beside its own */
  readonly corsOrigins: readonly string[];
  readonly sessions: SessionOptions;
  /** the folder of the built web app; null: there is none */
  readonly web: string | null;
}

const REQUEST_ID_PATTERN = /^[A-Za-z0-9_.:-]{1,128}$/;

/** The whole HTTP API as a `fetch` handler: it needs no socket, and mounts inside another server. */
export function createApp(deps: Deps, options: AppOptions): App {
  const { bodyBytesMax, requestTimeoutMs, publicUrl, corsOrigins } = options;
  const app: App = new OpenAPIHono<{ Variables: Variables }>({
    defaultHook(result) {
      if (result.success) return;
      throw invalidRequest(...toFieldErrors(result.error.issues));
    },
  });

  const logRequest = createRequestLog(deps);
  const headers = securityHeaders({ overTls: publicUrl?.startsWith("https://") ?? false });
  app.use(async (c, next) => {
    const given = c.req.header("x-request-id");
    c.set("requestId", given !== undefined && REQUEST_ID_PATTERN.test(given) ? given : mintId());
    c.set("deps", deps);
    c.set("securityHeaders", headers);
    const startedAt = performance.now();
    const span = isProbe(c.req.path) ? NO_SPAN : deps.tracer.serve((name) => c.req.header(name));
    await span.within(next);
    // `c.var` would copy all variables, on the way of every request.
    if (!c.get("hasCommonHeaders")) addMissingHeaders(c, commonHeaders(c));
    // Nobody reads it: whatever makes it would never hear that it may end.
    if (c.req.method === "HEAD") await c.res.body?.cancel();
    logRequest(c, startedAt, span);
  });
  if (corsOrigins.length > 0) app.use(crossOrigin(corsOrigins));
  const limits = options.limits && createLimits(deps, options.limits, options.metrics.registry);
  if (limits) app.use("/metrics", limits.failedLogins);
  metricsRoutes(app, options.metrics);
  healthRoutes(app);
  docsRoutes(app);
  webRoutes(app, options.web);
  if (limits) {
    app.use("/api/*", limits.failedLogins);
    for (const path of ["/api/login", "/api/logout"]) app.use(path, limits.byAddress);
  }
  loginRoutes(app, options.login, requestTimeoutMs);

  const ofCallers = ["/api/*", PLAIN_PAGE];
  if (limits) app.use(PLAIN_PAGE, limits.failedLogins);
  for (const path of ofCallers) app.use(path, authenticated(options.findCredentials, answerErased));
  if (limits) for (const path of ofCallers) app.use(path, limits.byCaller);
  plainPageRoutes(app);
  const readBodyWithinLimit = readBody(bodyBytesMax, requestTimeoutMs);
  app.on(["POST", "PUT", "PATCH"], "/api/*", (c, next) =>
    c.req.path === "/api/import" ? next() : readBodyWithinLimit(c, next),
  );
  app.use("/api/*", (c, next) => (c.req.path === "/api/import" ? next() : idempotent(c, next)));

  // Before the routes with an id in the same place: "messages" is not one.
  const openStream = countStreams(limits?.openStream ?? openAnyStream, options.metrics.registry);
  turnRoutes(app, options.sessions, openStream);
  conversationRoutes(app);
  messageRoutes(app);
  historyRoutes(app);
  transferRoutes(app, requestTimeoutMs);
  sessionRoutes(app);
  eventRoutes(app, openStream);
  meRoutes(app);
  auditRoutes(app);
  operatorRoutes(app, options.operator);

  const countError = countErrors(options.metrics.registry);
  const answerProblem = async (error: BackscrollError, c: Context): Promise<Response> => {
    countError(error.code);
    c.set("failure", { code: error.code, logged: loggedFailure(error) });
    const problem = problemResponse(error, c.var.requestId);
    return asksForPage(c) ? plainProblem(error, problem) : problem;
  };
  app.notFound((c) => answerProblem(new BackscrollError("route_not_found", "no such endpoint; see /api/docs"), c));
  app.onError(async (error, c) => answerProblem(await toBackscrollError(error, c), c));
  return app;
}

/** A page has a policy of its own. */
function addMissingHeaders(c: Context, headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) if (!c.res.headers.has(name)) c.header(name, value);
}

async function toBackscrollError(error: Error, c: Context): Promise<BackscrollError> {
  if (error instanceof HTTPException && error.status === 400) return malformedJson(await c.req.text());
  if (error instanceof HTTPException && error.status === 415) {
    return new BackscrollError("unsupported_media_type", "the content-type must be application/json");
  }
  if (error instanceof BackscrollError) return error;
  return new BackscrollError("internal", "something went wrong here; report the request_id", {}, { cause: error });
}
