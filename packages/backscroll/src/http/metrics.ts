import { createHash, timingSafeEqual } from "node:crypto";
import { matchedRoutes } from "hono/route";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { BackscrollError, ERROR_CODES, type ErrorCode } from "../domain/errors.ts";
import { authenticateLocally } from "./local-auth.ts";
import type { App, Context } from "./context.ts";
import type { OpenStream } from "./limits.ts";

export interface MetricsOptions {
  readonly registry: Registry;
  /** what is shown, as text: this process's metrics, or all workers' */
  readonly exposition: () => Promise<string>;
  /** what Prometheus sends as `authorization: Bearer`; undefined: only this machine may read, and only without authentication */
  readonly token: string | undefined;
  readonly withoutAuthentication: boolean;
}

/** Labels are route templates, methods and status classes: never a user or a conversation. */
export function metricsRoutes(app: App, { registry, exposition, token, withoutAuthentication }: MetricsOptions): void {
  const duration = new Histogram({
    name: "backscroll_http_request_duration_seconds",
    help: "Time from a request's head to its answer's head",
    labelNames: ["method", "route", "status"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [registry],
  });
  app.use(async (c, next) => {
    const startedAt = performance.now();
    await next();
    const labels = { method: c.req.method, route: routeOf(c), status: `${Math.floor(c.res.status / 100)}xx` };
    duration.observe(labels, (performance.now() - startedAt) / 1_000);
  });

  app.get("/metrics", async (c) => {
    if (token !== undefined) checkToken(c.req.header("authorization"), token);
    else if (withoutAuthentication) authenticateLocally(c.req.raw);
    else throw new BackscrollError("route_not_found", "set METRICS_TOKEN to read the metrics");
    return c.body(await exposition(), 200, { "content-type": registry.contentType });
  });
}

/** @returns counts an answer with this code */
export function countErrors(registry: Registry): (code: ErrorCode) => void {
  const errors = new Counter({
    name: "backscroll_errors_total",
    help: "Requests answered with an error, by its code",
    labelNames: ["code"],
    registers: [registry],
  });
  // What never happened is 0: an alert needs something to rise from.
  for (const code of Object.keys(ERROR_CODES)) errors.inc({ code }, 0);
  return (code) => errors.inc({ code });
}

/** @returns opens streams as before, and counts those that are open */
export function countStreams(openStream: OpenStream, registry: Registry): OpenStream {
  const open = new Gauge({
    name: "backscroll_event_streams_open",
    help: "Event streams that are open: changes, or replies as they are written",
    labelNames: ["kind"],
    registers: [registry],
  });
  for (const kind of ["changes", "reply"]) open.set({ kind }, 0);
  return async (c) => {
    const slot = await openStream(c);
    // Its body is never made, so nobody would say that it is over.
    if (c.req.method === "HEAD") return slot;
    const kind = c.req.path === "/api/events" ? "changes" : "reply";
    open.inc({ kind });
    let isOpen = true;
    return {
      release() {
        if (isOpen) open.dec({ kind });
        isOpen = false;
        slot.release();
      },
    };
  };
}

/** @returns a request's route as a template; `none` for what is no route */
export function routeOf(c: Context): string {
  const known = c.get("route");
  if (known !== undefined) return known;
  const route = matchedRoutes(c).findLast(({ path }) => !path.includes("*"))?.path ?? "none";
  c.set("route", route);
  return route;
}

/** @throws {BackscrollError} unauthenticated */
function checkToken(header: string | undefined, token: string): void {
  const [given, wanted] = [header ?? "", `Bearer ${token}`].map((text) => createHash("sha256").update(text).digest());
  if (!given || !wanted || !timingSafeEqual(given, wanted)) {
    throw new BackscrollError("unauthenticated", "send METRICS_TOKEN as a bearer token");
  }
}
