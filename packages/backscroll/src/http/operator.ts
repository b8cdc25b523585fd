import { createRoute, z } from "@hono/zod-openapi";
import type { OperatorQuantiles, OperatorReport as WireReport } from "backscroll-client";
import { BackscrollError } from "../domain/errors.ts";
import type { Window } from "../metrics/sampler.ts";
import type { Quantiles, Step } from "../metrics/step.ts";
import { type Operator, type OperatorReport, TROUBLES } from "../service/operator.ts";
import type { App } from "./context.ts";
import { json, problems } from "./json.ts";

const WINDOWS = ["15m", "1h", "24h", "7d"] as const satisfies readonly Window[];
/** Routes whose own times are told: those with the most requests. */
const ROUTES_MAX = 5;

const Column = z.array(z.number());
const Gaps = z.array(z.number().nullable()).openapi({ description: "null: nothing was measured" });
const QuantileColumns = z
  .object({ p50: Gaps, p95: Gaps, p99: Gaps })
  .openapi("OperatorQuantiles", { description: "In seconds, estimated from a histogram's buckets" });

const Now = z
  .object({
    requests_per_second: z.number(),
    error_percent: z.number().nullable().openapi({ description: "Of all requests, answered 5xx" }),
    p95_seconds: z.number().nullable(),
    cache_hit_percent: z.number().nullable().openapi({ description: "Hits, of hits and misses" }),
    replies_running: z.int(),
    streams_open: z.int(),
  })
  .openapi({ description: "The last 5 minutes, or since the start; replies and streams: this moment" });

const Series = z
  .object({
    times: Column.openapi({ description: "Each step's end, in seconds since 1970" }),
    seconds: Column.openapi({ description: "Each step's length; the last one may not be over yet" }),
    requests: Column,
    latency: QuantileColumns,
    routes: z
      .array(z.object({ method: z.string(), route: z.string(), requests: z.int() }).extend(QuantileColumns.shape))
      .openapi({ description: "The busiest routes of the window; of each step, its six busiest are known" }),
    first_token: QuantileColumns,
    cache: z.object({ hit: Column, miss: Column, bypass: Column }),
    messages: z.object({ user: Column, assistant: Column, system: Column, tool: Column }),
    errors: z.object({ client: Column, server: Column }).openapi({ description: "Answers 4xx and 5xx" }),
    queries: QuantileColumns,
    pool: z.object({ busy: Gaps, idle: Gaps, waiting: Gaps }),
    redis_away: Gaps.openapi({ description: "Connections to Redis that were lost; null: there is no Redis" }),
    event_loop: QuantileColumns,
    memory: z.object({ resident: Gaps, heap: Gaps }).openapi({ description: "In bytes" }),
  })
  .openapi({
    description:
      "A column has a figure for each step. Of what is counted it is how often; of connections and memory the highest.",
  });

const Report = z
  .object({
    status: z.enum(["healthy", "degraded"]),
    troubles: z.array(z.object({ code: z.enum(TROUBLES), detail: z.string() })),
    version: z.string(),
    started_at: z.iso.datetime(),
    sampled_at: z.iso.datetime().openapi({ description: "When the newest figures were taken; every 10 seconds" }),
    window: z.enum(WINDOWS),
    now: Now,
    series: Series,
    error_codes: z
      .array(z.object({ code: z.string(), count: z.int() }))
      .openapi({ description: "Since the start, the most frequent first" }),
    usage: z
      .object({
        complete: z.boolean().openapi({ description: "false: some of it is still being counted" }),
        days: z.array(z.object({ day: z.string(), messages: z.int(), tokens_used: z.int() })),
      })
      .nullable()
      .openapi({
        description: "The last 30 days of all users and servers, by UTC day; null: PostgreSQL does not answer",
      }),
  })
  .openapi("OperatorReport");

const report = createRoute({
  method: "get",
  path: "/api/operator",
  operationId: "getOperatorReport",
  summary: "How this server is, and was; for admins",
  description:
    "Figures of the server that answers alone, since it started, but for `usage`. Prometheus has `/metrics`.",
  request: { query: z.strictObject({ window: z.enum(WINDOWS).optional().openapi({ description: "Default 15m" }) }) },
  responses: { 200: { description: "The report", ...json(Report) }, ...problems("forbidden") },
});

export function operatorRoutes(app: App, operator: Operator): void {
  app.openapi(report, async (c) => {
    if (!c.var.caller.isAdmin) throw new BackscrollError("forbidden", "only admins see how the service is");
    const { window = "15m" } = c.req.valid("query");
    return c.json(toWire(window, await operator.report(window)), 200);
  });
}

/** As the schema has it: what it makes of its arrays is not readonly. */
function toWire(window: Window, { troubles, recent, steps, usage, ...found }: OperatorReport): z.infer<typeof Report> {
  const wire: WireReport = {
    status: troubles.length === 0 ? "healthy" : "degraded",
    troubles,
    version: found.version,
    started_at: found.startedAt.toISOString(),
    sampled_at: found.sampledAt.toISOString(),
    window,
    now: {
      requests_per_second: rounded(recent.requestsPerSecond),
      error_percent: roundedOrNull(recent.errorPercent),
      p95_seconds: roundedOrNull(recent.p95Seconds),
      cache_hit_percent: roundedOrNull(recent.hitPercent),
      replies_running: found.repliesRunning,
      streams_open: found.streamsOpen,
    },
    series: toSeries(steps),
    error_codes: found.errorCodes,
    usage: usage && {
      complete: usage.complete,
      days: usage.days.map(({ tokensUsed, ...day }) => ({ ...day, tokens_used: tokensUsed })),
    },
  };
  return wire as z.infer<typeof Report>;
}

function toSeries(steps: readonly Step[]): WireReport["series"] {
  const count = (name: keyof Step["counts"]): number[] => steps.map(({ counts }) => counts[name]);
  const gauge = (name: keyof Step["gauges"]): (number | null)[] => steps.map(({ gauges }) => gauges[name]);
  const times = (name: keyof Step["times"]): OperatorQuantiles =>
    quantileColumns(steps.map(({ times }) => times[name]));
  return {
    times: steps.map(({ atMs }) => Math.round(atMs / 1_000)),
    seconds: steps.map(({ seconds }) => rounded(seconds)),
    requests: count("requests"),
    latency: times("latency"),
    routes: busiestRoutes(steps),
    first_token: times("firstToken"),
    cache: { hit: count("hit"), miss: count("miss"), bypass: count("bypass") },
    messages: { user: count("user"), assistant: count("assistant"), system: count("system"), tool: count("tool") },
    errors: { client: count("clientErrors"), server: count("serverErrors") },
    queries: times("queries"),
    pool: { busy: gauge("busy"), idle: gauge("idle"), waiting: gauge("waiting") },
    redis_away: gauge("redisAway"),
    event_loop: times("eventLoop"),
    memory: { resident: gauge("resident"), heap: gauge("heap") },
  };
}

function busiestRoutes(steps: readonly Step[]): WireReport["series"]["routes"] {
  const requests = new Map<string, number>();
  for (const { routes } of steps)
    for (const route of routes) requests.set(route.name, (requests.get(route.name) ?? 0) + route.requests);
  const busiest = [...requests].toSorted(([a, one], [b, other]) => other - one || (a < b ? -1 : 1));
  return busiest.slice(0, ROUTES_MAX).map(([name, requests]) => {
    const [method = "", route = ""] = name.split(" ");
    const own = steps.map(({ routes }) => routes.find((one) => one.name === name));
    return { method, route, requests, ...quantileColumns(own) };
  });
}

function quantileColumns(quantiles: readonly (Quantiles | undefined)[]): OperatorQuantiles {
  const column = (name: keyof Quantiles): (number | null)[] =>
    quantiles.map((one) => roundedOrNull(one?.[name] ?? null));
  return { p50: column("p50"), p95: column("p95"), p99: column("p99") };
}

/** To four digits: a histogram knows less. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

function roundedOrNull(value: number | null): number | null {
  return value === null ? null : rounded(value);
}
