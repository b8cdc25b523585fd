import { createHmac } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { BackscrollError } from "../domain/errors.ts";
import { loggedError, logText } from "../domain/logged-error.ts";
import type { Deps } from "../service/deps.ts";
import type { ServerSpan } from "../tracing/tracer.ts";
import type { Context } from "./context.ts";
import { STATUS } from "./errors.ts";
import type { StreamEnd } from "./event-stream.ts";
import { routeOf } from "./metrics.ts";
import { isWebApp } from "./web.ts";

const USERS_REMEMBERED = 10_000;
/** Asked every few seconds, by machines. */
const PROBES: ReadonlySet<string> = new Set(["/livez", "/readyz", "/metrics"]);
/** https://www.w3.org/TR/trace-context/#traceparent-header */
const TRACEPARENT = /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}/;

/** Writes a request's line, and ends its span with the same. */
export type LogRequest = (c: Context, startedAt: number, span: ServerSpan) => void;

/**
 * One line a request, when its answer has ended: a streamed one's says how long it took to its head, and how long it
 * was open after that. A bug is an error and has its stack; the other answers of 500 and more are warnings.
 */
export function createRequestLog({ log, secret }: Pick<Deps, "log" | "secret">): LogRequest {
  const nameUser = createUserNames(secret);
  const write = (c: Context, fields: object): void => {
    const failure = c.get("failure");
    const line = { ...fields, ...(failure && { code: failure.code, ...failure.logged }) };
    if (failure?.code === "internal") log.error(line, "request failed");
    else if (isQuiet(c)) log.debug(line, "request");
    else if (c.res.status >= 500) log.warn(line, "request");
    else log.info(line, "request");
  };
  return (c, startedAt, span) => {
    const headAt = performance.now();
    const user = c.get("user");
    const traceId = span.traceId ?? TRACEPARENT.exec(c.req.header("traceparent") ?? "")?.[1];
    const fields = {
      method: c.req.method,
      route: routeOf(c),
      status: c.res.status,
      ms: hundredths(headAt - startedAt),
      cache: c.get("readSource"),
      user: user && nameUser(user.id),
      requestId: c.get("requestId"),
      traceId,
    };
    const end = (more: object = {}): void => {
      endSpan(c, span);
      write(c, { ...fields, ...more });
    };
    const streamEnd = c.req.method === "HEAD" ? undefined : c.get("streamEnd");
    if (streamEnd === undefined) end();
    else void streamEnd.then((ended) => end({ openMs: Math.round(performance.now() - headAt), ended }));
  };
}

/** https://opentelemetry.io/docs/specs/semconv/http/http-spans/, without the path: its ids may say whose they are. */
function endSpan(c: Context, span: ServerSpan): void {
  if (span.traceId === null) return;
  const [{ method }, { status }, route, source] = [c.req, c.res, routeOf(c), c.get("readSource")];
  const attributes = {
    "http.request.method": method,
    "http.response.status_code": status,
    "url.scheme": new URL(c.req.url).protocol.slice(0, -1),
    ...(route !== "none" && { "http.route": route }),
    ...(source && { "backscroll.cache": source }),
    "backscroll.request_id": c.get("requestId"),
  };
  const errorType = status >= 500 ? (c.get("failure")?.code ?? String(status)) : undefined;
  span.end(route === "none" ? method : `${method} ${route}`, attributes, errorType);
}

/**
 * Lets a request's line wait for the end of its answer.
 *
 * @returns to be told how that ended; the first time counts
 */
export function streamOpens(c: Context): (end: StreamEnd) => void {
  const { promise, resolve } = Promise.withResolvers<StreamEnd>();
  c.set("streamEnd", promise);
  return resolve;
}

/** What a failed request's line says of it, beside its code. */
export function loggedFailure(error: BackscrollError): object {
  if (error.code === "internal") return { err: loggedError(error.cause) };
  if (STATUS[error.code] < 500) return {};
  const { cause } = error;
  return { error: logText(error), ...(cause !== undefined && { cause: logText(cause) }) };
}

/** @returns whether a path is a probe's, or a file of the web app: nobody wants its traces */
export function isProbe(path: string): boolean {
  return PROBES.has(path) || isWebApp(path, path);
}

/** What goes to `debug`: it would drown the rest. */
function isQuiet(c: Context): boolean {
  return PROBES.has(routeOf(c)) || isWebApp(c.req.path, routeOf(c));
}

/**
 * A person in the log: the same on every server of the database, and nobody without its secret can say who it is.
 * It is made of their number, which means nobody any more once they are erased; who comes back has another.
 */
function createUserNames(secret: Buffer): (userId: number) => string {
  const key = createHmac("sha256", secret).update("user in the log").digest();
  const names = new LRUCache<number, string>({ max: USERS_REMEMBERED });
  return (userId) => {
    const known = names.get(userId);
    if (known !== undefined) return known;
    const name = createHmac("sha256", key).update(String(userId)).digest("base64url").slice(0, 12);
    names.set(userId, name);
    return name;
  };
}

function hundredths(ms: number): number {
  return Math.round(ms * 100) / 100;
}
